"""Releases of aiortc and the others in which something private is no longer there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trio_rtc.rtc.backend import ledger, patches, purposes


@contextmanager
def lacking(purpose: purposes.Purpose, owner: str, name: str = "_gone") -> Iterator[None]:
    """A block in which a purpose needs what no release has."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(ledger.ATTRIBUTES, purpose, {owner: [name]})
            patches.can.cache_clear()
            yield
    finally:
        patches.can.cache_clear()

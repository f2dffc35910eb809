"""Releases of aiortc and the others in which something private is no longer there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trio_rtc.rtc.backend import patches as private


@contextmanager
def lacking(purpose: private.Purpose, owner: str, name: str = "_gone") -> Iterator[None]:
    """A block in which a purpose needs what no release has."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(private.ATTRIBUTES, purpose, {owner: [name]})
            private.can.cache_clear()
            yield
    finally:
        private.can.cache_clear()

"""A browser for all tests of a session; and nothing is left behind by any test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..browser.conftest import firefox as firefox
from ..rtc.conftest import nothing_left as nothing_left
from .chromium import MISSING, running_chromium


@pytest.fixture(scope="session")
def chromium() -> Iterator[str]:
    if MISSING:
        pytest.skip(MISSING)
    with running_chromium() as address:
        yield address

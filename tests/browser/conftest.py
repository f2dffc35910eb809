"""One browser of each kind for all tests of a session; and nothing is left behind by any test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..peerjs.chromium import running_chromium
from ..rtc.conftest import nothing_left as nothing_left
from . import firefox as firefox_
from .browsers import MISSING


@pytest.fixture(scope="session")
def chromium() -> Iterator[str]:
    if MISSING:
        pytest.skip(MISSING)
    with running_chromium() as address:
        yield address


@pytest.fixture(scope="session")
def firefox() -> Iterator[str]:
    if firefox_.MISSING:
        pytest.skip(firefox_.MISSING)
    with firefox_.running_firefox() as address:
        yield address


@pytest.fixture(params=["chromium", "firefox"])
def maybe_firefox(request: pytest.FixtureRequest) -> str | None:
    """For a test that runs in Chromium, and in Firefox: the address of the latter."""
    if request.param == "chromium":
        return None
    address: str = request.getfixturevalue("firefox")
    return address

"""Random programs on random networks keep what is promised (scripts/simulate runs more)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from trio_rtc.testing import simulate

from .program import MOST_SECONDS, run_seed

SEEDS = 64
PARTS = 8

FOUND = {
    18: "a TURN connection is closed when a call ends while the server does not answer",
    206: "and each socket of a call that nobody has answered",
    204: "so is each socket of an ICE agent that was replaced",
}
"""Seeds that have found faults, by what is so since they were mended."""


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """Pytest would keep what is logged, and with an error the connection that it was about."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
def test_promises_are_kept(part: int) -> None:
    simulate(run_seed, range(part, SEEDS, PARTS), virtual_seconds=MOST_SECONDS)


@pytest.mark.parametrize("seed", FOUND, ids=FOUND.values())
def test_what_seeds_have_found_is_mended(seed: int) -> None:
    simulate(run_seed, [seed], virtual_seconds=MOST_SECONDS)

"""Random programs on random networks keep what is promised (scripts/simulate runs more)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from trio_rtc.testing import Network, simulate

from .program import MOST_REAL_SECONDS, MOST_SECONDS, run_seed

SEEDS = 200
PARTS = 20


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """Pytest would keep what is logged, and with an error the connection that it was about."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
def test_promises_are_kept(part: int) -> None:
    seeds = range(part, SEEDS, PARTS)
    simulate(run_seed, seeds, virtual_seconds=MOST_SECONDS, real_seconds=MOST_REAL_SECONDS)


def test_a_seed_is_the_same_run_each_time() -> None:
    # Of those whose handshakes are relayed over slow links, whose signatures have any size.
    seeds, records = (3, 7, 13), []

    async def keep(network: Network) -> None:
        await run_seed(network)
        records.append(network.record.text())

    for _ in range(2):
        simulate(keep, seeds, virtual_seconds=MOST_SECONDS, real_seconds=MOST_REAL_SECONDS)
    assert records[: len(seeds)] == records[len(seeds) :]

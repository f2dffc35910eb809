"""Random programs on random networks keep what is promised (scripts/simulate runs more)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from trio_rtc.testing import Link, Network, simulate

from .plans import DisturbancePlan, NotesPlan, Plan
from .program import MOST_REAL_SECONDS, MOST_SECONDS, run_plan, run_seed

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


@pytest.mark.parametrize("at", [twentieths / 20 for twentieths in range(1, 11)])
def test_a_reader_moves_while_it_signs_in(at: float) -> None:
    # Some of these are between the hello and the welcome: the server has a session of which the
    # reader does not know, and notes go there until it signs in anew.
    plan = Plan(
        parties=[(Link(delay=0.04), None), (Link(delay=0.01), None)],
        disturbances=[DisturbancePlan(at, "move", 0, 0.0)],
        notes=[NotesPlan(0.0, 1, 0, 30, 0.05)],
    )

    async def main(network: Network) -> None:
        await run_plan(network, plan)

    simulate(main, [0], virtual_seconds=MOST_SECONDS, real_seconds=MOST_REAL_SECONDS)

"""Random programs on random networks keep what is promised (scripts/simulate runs more)."""

from __future__ import annotations

from unittest import mock

import pytest

from trio_rtc.testing import SimulationFailed, simulate

from .mends import MENDS, Mend
from .program import MOST_SECONDS, run_seed

SEEDS = 64
PARTS = 8

FOUND = {
    18: "a TURN connection is closed when a call ends while the server does not answer",
    204: "so is each socket of an ICE agent that was replaced",
}
"""Seeds that have found faults, by what is so since they were mended."""


@pytest.mark.parametrize("part", range(PARTS))
def test_promises_are_kept(part: int) -> None:
    simulate(run_seed, range(part, SEEDS, PARTS), virtual_seconds=MOST_SECONDS)


@pytest.mark.parametrize("seed", FOUND, ids=FOUND.values())
def test_what_seeds_have_found_is_mended(seed: int) -> None:
    simulate(run_seed, [seed], virtual_seconds=MOST_SECONDS)


@pytest.mark.parametrize("mend", MENDS, ids=[mend.what for mend in MENDS])
def test_a_seed_notices_when_a_mend_is_undone(mend: Mend) -> None:
    with (
        mock.patch.object(mend.owner, mend.name, mend.undone),
        pytest.raises(SimulationFailed),
    ):
        simulate(run_seed, [mend.seed], virtual_seconds=MOST_SECONDS, shrink=False)
    simulate(run_seed, [mend.seed], virtual_seconds=MOST_SECONDS)

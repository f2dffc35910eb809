"""Each of these mends is missed by a seed: the random programs would have found the fault."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, count, islice
from unittest import mock

import pytest

from trio_rtc.testing import SimulationFailed, simulate

from .mends import MENDS, Mend
from .plans import random_plan
from .program import MOST_REAL_SECONDS, MOST_SECONDS, run_seed

MOST_SEEDS = 60
"""Of those that reach a mend, one notices that it is undone."""


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """Pytest would keep what is logged, and with an error the connection that it was about."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@contextmanager
def undone(mend: Mend) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, instead in mend.undone:
            if isinstance(owner, dict):
                stack.enter_context(mock.patch.dict(owner, {name: instead}))
            else:
                stack.enter_context(mock.patch.object(owner, name, instead))
        yield


def seeds_that_reach(mend: Mend) -> Iterator[int]:
    """The one that has noticed before is the first; what it does may be another thing by now."""
    others = (seed for seed in count() if seed != mend.seed)
    return islice(
        (seed for seed in chain([mend.seed], others) if mend.reached(random_plan(seed))),
        MOST_SEEDS,
    )


def failure(seed: int) -> str:
    """What is wrong in a run of this seed; nothing, if all promises are kept."""
    try:
        simulate(
            run_seed,
            [seed],
            virtual_seconds=MOST_SECONDS,
            real_seconds=MOST_REAL_SECONDS,
            shrink=False,
        )
    except SimulationFailed as failed:
        return str(failed).splitlines()[0]
    return ""


@pytest.mark.parametrize("mend", MENDS, ids=[mend.what for mend in MENDS])
def test_a_seed_notices_when_a_mend_is_undone(mend: Mend) -> None:
    with undone(mend):
        told = ((seed, failure(seed)) for seed in seeds_that_reach(mend))
        seed, noticed = next(((seed, text) for seed, text in told if text), (None, ""))
    assert seed is not None, f"none of {MOST_SEEDS} seeds notices"
    assert mend.says in noticed
    assert failure(seed) == ""


def test_there_are_ten() -> None:
    assert len({mend.what for mend in MENDS}) >= 10

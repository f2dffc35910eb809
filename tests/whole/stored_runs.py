"""One seed, of which is stored what fails: for the processes of `__main__`, which find it here."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

from trio_rtc.testing import SimulationFailed, simulate

from .program import MOST_REAL_SECONDS, MOST_SECONDS, run_seed


def run(work: tuple[int, Path]) -> tuple[int, str]:
    """Run a seed; what is wrong with it, in a line."""
    seed, folder = work
    logging.disable(logging.CRITICAL)
    if not gc.get_freeze_count():
        # What was imported stays: it is nothing for the garbage collector.
        gc.collect()
        gc.freeze()
    try:
        simulate(
            run_seed,
            [seed],
            folder=folder,
            virtual_seconds=MOST_SECONDS,
            real_seconds=MOST_REAL_SECONDS,
        )
    except SimulationFailed as failure:
        (folder / f"simulation-{seed}.report").write_text(f"{failure}\n")
        return seed, str(failure).splitlines()[0]
    return seed, ""

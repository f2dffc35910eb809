"""Runs seeds on all processors, and stores what fails (scripts/simulate)."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from pathlib import Path

from .stored_runs import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time")
    parser.add_argument("--folder", type=Path, default=Path("simulations"), help="of what fails")
    options = parser.parse_args()
    began, failed = time.monotonic(), []
    seeds = range(options.first, options.first + options.seeds)
    work = [(seed, options.folder) for seed in seeds]
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=200) as pool:
        for done, (seed, problem) in enumerate(pool.imap_unordered(run, work), 1):
            if problem:
                failed.append(seed)
                print(f"seed {seed}: {problem}", flush=True)
            if done % 100 == 0:
                seconds = time.monotonic() - began
                print(f"{done} seeds in {seconds:.0f} s, {len(failed)} failed", flush=True)
    print(f"{options.seeds} seeds, {len(failed)} failed: {sorted(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

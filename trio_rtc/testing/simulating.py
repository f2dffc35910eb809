"""Running a program in many simulations: each seed is another network, and another order of tasks.

A failing seed fails again. What chance did to packets in it is then left out, piece by piece, as
long as the program still fails: what remains is why.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import trio
from trio.testing import MockClock

from .capture import reading
from .network.mischances import Fault
from .network.network import Network
from .record import Record
from .stuck import REAL_CLOCK, SimulationStuck, Watcher, unblocked, waiting_tasks
from .transcript import Transcript

Program: TypeAlias = Callable[[Network], Awaitable[object]]
"""What is simulated: an async function of the network, which it builds and uses."""

VIRTUAL_SECONDS: Final = 7 * 24 * 3600.0
REAL_SECONDS: Final = 60.0
SHRINK_SECONDS: Final = 10.0
"""Real seconds for leaving out what does not matter."""

LAST: Final = 40
"""Packets that a failure shows."""

FOLDER: Final = "TRIO_RTC_SIMULATIONS"
"""The variable of the environment with the folder for the captures of failing seeds."""


class SimulationFailed(AssertionError):
    """A program has failed in a simulation, with its error as the cause.

    Attributes:
        seed: with which it fails again.
        faults: what chance has to do to packets for that; the fewest that were found.
        record: what happened.
        capture: the file with the packets, and the keys of DTLS; None if none was written.
    """

    def __init__(self, run: _Run, faults: Collection[Fault], capture: Path | None):
        self.seed = run.seed
        self.faults = tuple(faults)
        self.record = run.record
        self.capture = capture
        super().__init__(_report(run, self.faults, capture))


@dataclass
class _Run:
    """A run of a program with a seed, and what came of it."""

    seed: int
    network: Network
    error: BaseException | None
    waiting: str

    @property
    def record(self) -> Record:
        return self.network.record

    @property
    def kind(self) -> object:
        """What tells one failure from another."""
        return None if self.error is None else type(_innermost(self.error))


def simulate(
    program: Program,
    seeds: int | Iterable[int] = 100,
    *,
    folder: Path | str | None = None,
    virtual_seconds: float = VIRTUAL_SECONDS,
    real_seconds: float = REAL_SECONDS,
    shrink: bool = True,
) -> None:
    """Run an async function of a `Network` with many seeds, each in a run of Trio of its own.

    Args:
        program: builds hosts and links, and does with them what is to be tested.
        seeds: how many, from 0, or which ones.
        folder: where the capture of a failing seed goes, as ``simulation-<seed>.pcapng``; by
            default where ``TRIO_RTC_SIMULATIONS`` says, and nowhere without that.
        virtual_seconds: how long one may last by its own clock.
        real_seconds: how long one may take.
        shrink: whether what chance did is left out as far as it goes.

    Raises:
        SimulationFailed: the first seed that fails; the error of the program is its cause.
        TypeError: a seed is no whole number, or these are no seeds.
        ValueError: there is to be no seed at all, or no time for one.
        RuntimeError: there is a simulation in this process already, or this is in a run of Trio.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError("simulate() begins runs of Trio, and cannot be called in one")
    limits = virtual_seconds, real_seconds
    if not all(seconds > 0 for seconds in limits):
        raise ValueError(f"a simulation takes more than 0 s of either time, not {limits}")
    for seed in _each(seeds):
        run = _run(program, seed, *limits)
        if run.error is None:
            continue
        if not isinstance(run.error, Exception):
            # Somebody has pressed Ctrl-C.
            raise run.error
        faults: Collection[Fault] | None = None
        if shrink and run.network.faults.seen and not isinstance(run.error, SimulationStuck):
            run, faults = _shrink(program, run, *limits)
        where, shown = folder or os.environ.get(FOLDER), run
        if where is not None:
            again = _run(program, seed, *limits, only=faults, captures=True)
            # Otherwise something of it comes from outside of the simulation.
            shown = again if again.kind is run.kind else run
        path = _write(shown, where)
        raise SimulationFailed(shown, faults or shown.network.faults.seen, path) from shown.error


def _each(seeds: int | Iterable[int]) -> Iterable[int]:
    told = f"seeds are how many, at least 1, or which ones, not {seeds!r}"
    if isinstance(seeds, (str, bytes, bytearray)) or not isinstance(seeds, (int, Iterable)):
        raise TypeError(told)
    if not isinstance(seeds, int):
        return seeds
    if isinstance(seeds, bool) or seeds < 1:
        raise ValueError(told)
    return range(seeds)


def _run(
    program: Program,
    seed: int,
    virtual_seconds: float,
    real_seconds: float,
    *,
    only: Collection[Fault] | None = None,
    captures: bool = False,
) -> _Run:
    run = _Run(seed, Network(seed, only=only, captures=captures), None, "")

    async def main() -> None:
        with trio.CancelScope() as scope:

            def stop(problem: str) -> None:
                run.waiting = waiting_tasks()
                run.error = SimulationStuck(f"{problem}\n{run.waiting}".rstrip())
                scope.cancel()

            watcher = Watcher(stop, virtual_seconds, real_seconds)
            trio.lowlevel.add_instrument(watcher)
            async with run.network:
                await program(run.network)
                watcher.check_virtual_time()

    def blocked(problem: str) -> None:
        run.error = run.error or SimulationStuck(problem)

    try:
        with unblocked(blocked, real_seconds):
            trio.run(main, clock=MockClock(autojump_threshold=0))
    except BaseException as error:  # noqa: BLE001  # It is raised with its seed.
        run.error = run.error or error
    return run


def _shrink(
    program: Program, run: _Run, virtual_seconds: float, real_seconds: float
) -> tuple[_Run, Collection[Fault]]:
    """The fewest things that chance has to do for the same failure (delta debugging)."""
    until = REAL_CLOCK() + SHRINK_SECONDS
    best, left = run, list(dict.fromkeys(run.network.faults.seen))
    parts = 1
    while REAL_CLOCK() < until:
        size = -(-len(left) // parts)
        for start in range(0, len(left), max(size, 1)):
            fewer = left[:start] + left[start + size :]
            tried = _run(program, run.seed, virtual_seconds, real_seconds, only=fewer)
            if tried.kind is run.kind:
                # Those that are left and did not come to pass do not matter either.
                seen = set(tried.network.faults.seen)
                best, left = tried, [fault for fault in fewer if fault in seen]
                parts = max(parts - 1, 1)
                break
            if REAL_CLOCK() > until:
                break
        else:
            if parts >= len(left):
                break
            parts = min(2 * parts, len(left))
        if not left:
            break
    return best, left


def _write(run: _Run, where: Path | str | None) -> Path | None:
    if where is None or run.network.capture is None:
        return None
    path = Path(where) / f"simulation-{run.seed}.pcapng"
    path.parent.mkdir(parents=True, exist_ok=True)
    run.network.capture.write(path)
    path.with_suffix(".txt").write_text(run.record.text() + "\n")
    return path


def _report(run: _Run, faults: Collection[Fault], capture: Path | None) -> str:
    error = None if run.error is None else _innermost(run.error)
    lines = [
        f"seed {run.seed} fails: {type(error).__name__}: {error}",
        f"again: simulate(…, seeds=[{run.seed}])",
    ]
    if faults:
        told = [f"  {fault}" for fault in list(faults)[:LAST]]
        more = [f"  … and {len(faults) - LAST} more"] if len(faults) > LAST else []
        lines += ["what chance did to packets:", *told, *more]
    if capture is not None:
        lines += [f"packets, with the keys of DTLS: {capture}", f"  {reading(capture)}"]
    transcript = str(Transcript(run.record.entries, connections=True))
    lines += ["what the parties said and went through:", transcript.rstrip("\n")]
    lines += ["what happened last:", run.record.text(last=LAST)]
    return "\n".join(lines)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

"""Deadlock report of a simulation that does not come to its end: who waits for what."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from .lines import is_foreign, line_of

MOST: Final = 40
"""Tasks that are told of."""

EVERY: Final = 64
"""Turns of Trio after which it is looked again whether anything can happen."""


class SimulationStuck(RuntimeError):
    """A simulation does not come to its end; the message tells who waits for what."""


class Watcher(trio.abc.Instrument):
    """Sees when nothing can happen any more, or too much time has passed.

    Args:
        on_stuck: is called with what is wrong.
        virtual_seconds: how long a simulation may last by its own clock.
        real_seconds: how long it may take.
    """

    def __init__(
        self, on_stuck: Callable[[str], None], virtual_seconds: float, real_seconds: float
    ):
        self._on_stuck = on_stuck
        self._virtual_seconds = virtual_seconds
        self._real_seconds = real_seconds
        self._until = time.monotonic() + real_seconds
        self._turns = 0
        self._is_over = False
        # How many turns in a row there was nothing to do, and nothing to wait for.
        self._still = 0

    def before_io_wait(self, timeout: float) -> None:
        self._turns += 1
        self.check_virtual_time()
        if self._turns % EVERY == 0 or self._still:
            self._tell(self._problem())

    def check_virtual_time(self) -> None:
        """See whether it has lasted for too long: a single sleep may be longer than that."""
        if trio.current_time() > self._virtual_seconds:
            self._tell(f"it has not ended after {self._virtual_seconds:g} virtual seconds")

    def _tell(self, problem: str) -> None:
        if problem and not self._is_over:
            self._is_over = True
            self._on_stuck(problem)

    def _problem(self) -> str:
        if REAL_CLOCK() > self._until:
            return f"it has not ended after {self._real_seconds:g} real seconds"
        seen = trio.lowlevel.current_statistics()
        is_still = seen.seconds_to_next_deadline == math.inf and not seen.tasks_runnable
        self._still = self._still + 1 if is_still else 0
        # Trio wakes itself by a socket, as when it closes generators: that takes another turn.
        return "nothing can happen any more: a deadlock" if self._still > EVERY else ""


@contextmanager
def unblocked(on_stuck: Callable[[str], None], real_seconds: float) -> Iterator[None]:
    """A block whose code may wait for nothing real: one that does is interrupted, as by Ctrl-C.

    A `Watcher` sees what goes on for too long, but is not asked while a single step does.

    Args:
        on_stuck: is called in another thread, with the line that blocks.
        real_seconds: how long a `Watcher` lets it go on.
    """
    thread, is_over = threading.get_ident(), threading.Event()

    def watch() -> None:
        if not is_over.wait(PATIENCE * real_seconds):
            line = line_of(sys._current_frames().get(thread))
            on_stuck(f"{line} has blocked: it has not ended after {real_seconds:g} real seconds")
            is_main = thread == threading.main_thread().ident
            if is_main and callable(signal.getsignal(signal.SIGINT)):
                signal.pthread_kill(thread, signal.SIGINT)

    watching = threading.Thread(target=watch, name="real time of a simulation", daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_over.set()
        watching.join()


PATIENCE: Final = 1.25
"""Times as long as a `Watcher` needs to see it, that a step may go on."""

#: That of the machine, whatever programs see in a simulation.
REAL_CLOCK: Final = time.monotonic


def waiting_tasks() -> str:
    """The tasks of this run, each with the line where it waits."""
    root = trio.lowlevel.current_root_task()
    lines = [] if root is None else [line for task in _tasks(root) if (line := _where(task))]
    more = [f"… and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return "\n".join([*lines[:MOST], *more])


def _tasks(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda task: task.name):
            yield from _tasks(child)


def _where(task: trio.lowlevel.Task) -> str:
    """The innermost line of a program, and what it called there; nothing if it has none."""
    program, last = "", ""
    for frame, line in task.iter_await_frames():
        code = frame.f_code
        if not is_foreign(code.co_filename):
            program, last = f"{code.co_filename}:{line} in {code.co_name}", ""
        else:
            last = last or code.co_qualname
    if not program:
        return ""
    return f"{task.name} waits at {program}" + (f", for {last}" if last else "")

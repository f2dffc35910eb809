"""Guard of a simulation: real sockets, threads and clocks are errors that name the line.

During a simulation the chance of this process comes from its seed, for libraries as well, and the
clocks that these read are those of the simulation. A program that reads a real clock, or waits for
the machine, is told so: it would do otherwise each time.
"""

from __future__ import annotations

import datetime
import os
import random
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final, NoReturn
from unittest import mock

import trio

import trio_rtc

from ..rtc.backend.virtual_time import in_virtual_time
from ..world import world
from .clocks import guarded_classes, taken_out

_NANO: Final = 1_000_000_000

_REAL_TIME: Final = time.time

#: Audit events of what leaves a simulation (`sys.addaudithook`), and what it is.
_EVENTS: Final = {
    "socket.__new__": "opens a real socket",
    "socket.getaddrinfo": "looks up a name in the real network",
    "socket.gethostbyname": "looks up a name in the real network",
    "socket.gethostbyaddr": "looks up a name in the real network",
    "subprocess.Popen": "starts a process",
    "os.fork": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.system": "starts a process",
}

#: Their own sockets, which nothing is sent over.
_WAKERS: Final = {"_make_self_pipe"}

#: Trio's own look at whether a name is an address, which asks nobody.
_NUMERIC: Final = str(Path("trio") / "_socket.py")

_FOREIGN: Final = tuple(
    str(Path(path).resolve()) + os.sep
    for path in {
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(trio_rtc.__file__).parent),
    }
)


class LeftSimulation(RuntimeError):
    """Code has done what a simulation cannot do: its message has the line."""


class _Seal:
    """The simulation that runs in this process; there is one at a time."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.on_leave: Callable[[LeftSimulation], None] = lambda _: None
        self.is_hooked = False

    def audit(self, event: str, _: tuple[Any, ...]) -> None:
        if self.thread is None or event not in _EVENTS:
            return
        frame = sys._getframe(1)
        if threading.get_ident() == self.thread and not _is_harmless(frame):
            self.leave(_EVENTS[event], frame)

    def leave(self, what: str, frame: FrameType | None, instead: str = "") -> NoReturn:
        error = LeftSimulation(f"{line_of(frame)} {what}, which a simulation cannot do{instead}")
        self.on_leave(error)
        raise error


_seal: Final = _Seal()


@contextmanager
def sealed(random_: Random, on_leave: Callable[[LeftSimulation], None]) -> Iterator[None]:
    """A block in which nothing leaves a simulation, and all chance comes from a generator.

    Args:
        random_: makes what is left to chance.
        on_leave: is told what has left it, for what is raised may be caught on its way.

    Raises:
        RuntimeError: there is a simulation in this process already.
    """
    if _seal.thread is not None:
        raise RuntimeError("a simulation runs in this process already: there is one at a time")
    if not _seal.is_hooked:
        _seal.is_hooked = True
        sys.addaudithook(_seal.audit)
    state = random.getstate()
    trio_random = trio._core._run._r
    trio_state = trio_random.getstate()
    with ExitStack() as stack:
        stack.enter_context(in_virtual_time())
        for target, name, other in _replacements(random_):
            stack.enter_context(mock.patch.object(target, name, other))
        _seal.thread, _seal.on_leave = threading.get_ident(), on_leave
        random.seed(random_.random())
        trio_random.seed(random_.random())
        try:
            yield
        finally:
            _seal.thread = None
            random.setstate(state)
            trio_random.setstate(trio_state)


def _replacements(random_: Random) -> Iterator[tuple[Any, str, Any]]:
    yield os, "urandom", random_.randbytes
    # What `random.SystemRandom` and `secrets` have of it.
    yield random, "_urandom", random_.randbytes
    # Tasks that can go on at the same time do so in an order that this generator decides.
    yield trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True
    yield trio.to_thread, "run_sync", _no_thread
    yield threading.Thread, "start", _unless_here(threading.Thread.start, "starts a thread")
    others: dict[Any, Any] = {time.sleep: _unless_here(time.sleep, "blocks in real time")}
    for name, read in {
        "time": lambda: world().time(),
        "time_ns": lambda: round(world().time() * _NANO),
        "monotonic": trio.current_time,
        "monotonic_ns": lambda: round(trio.current_time() * _NANO),
    }.items():
        real = getattr(time, name)
        others[real] = _clock(f"time.{name}", real, read)
    for real, other in others.items():
        yield time, real.__name__, other
    classes = guarded_classes(_time_of_day)
    yield datetime, "datetime", classes[datetime.datetime]
    yield datetime, "date", classes[datetime.date]
    yield from taken_out({**others, **classes}, lambda file: not is_foreign(file))


async def _no_thread(*_: Any, **__: Any) -> NoReturn:
    frame = sys._getframe(1)
    _seal.leave("runs something in a thread (trio.to_thread)", frame)


def _unless_here(real: Callable[..., Any], what: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() == _seal.thread:
            _seal.leave(what, sys._getframe(1))
        return real(*args, **kwargs)

    return call


def _clock(name: str, real: Any, virtual: Callable[[], Any]) -> Callable[[], Any]:
    def read() -> Any:
        if threading.get_ident() != _seal.thread:
            return real()
        frame = sys._getframe(1)
        if not is_foreign(frame.f_code.co_filename):
            _seal.leave(f"reads a real clock ({name})", frame, ": trio.current_time() has its time")
        return virtual()

    return read


def _time_of_day(called: str) -> float:
    if threading.get_ident() != _seal.thread:
        return _REAL_TIME()
    # Of whoever has called the method that asks.
    frame = sys._getframe(2)
    if not is_foreign(frame.f_code.co_filename):
        what = f"reads a real clock ({called})"
        _seal.leave(what, frame, ": trio.current_time() has its time")
    return world().time()


@lru_cache(maxsize=4096)
def is_foreign(file: str) -> bool:
    """Whether a file is of Python, of a library or of this one, and not of a program."""
    return file.startswith("<") or str(Path(file).resolve()).startswith(_FOREIGN)


def _is_harmless(frame: FrameType | None) -> bool:
    for _ in range(6):
        if frame is None:
            break
        code = frame.f_code
        if code.co_name in _WAKERS or code.co_filename.endswith(_NUMERIC):
            return True
        frame = frame.f_back
    return False


def line_of(frame: FrameType | None) -> str:
    """The line of the program that is to blame; where it is no program's, the last one at all."""
    innermost = frame
    while frame is not None:
        if not is_foreign(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    if innermost is None:
        return "something"
    return f"{innermost.f_code.co_filename}:{innermost.f_lineno}"

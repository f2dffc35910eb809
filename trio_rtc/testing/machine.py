"""Functions of the machine, and what stands for each of them in a simulation.

A program that asks for a clock, a thread or a wait of the machine gets an error with its line.
Libraries, which ask for clocks as well, get the time of the simulation.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import random
import select
import selectors
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from random import Random
from types import FrameType
from typing import Any, Final, NoReturn, Protocol

import trio

from ..world import world
from .clocks import guarded_classes, taken_out
from .lines import is_foreign

_NANO: Final = 1_000_000_000
_REAL_TIME: Final = time.time

_NODE: Final = 0x02_00_5E_00_53_00
"""An address of a network card that no card has (RFC 9542, section 2.1.2)."""

#: What has a function or method that leaves a simulation, its name, and what it does.
_LEAVING: Final = [
    (threading.Thread, "start", "starts a thread"),
    (trio.socket, "socketpair", "opens a real socket"),
    (sys.modules["_thread"], "start_new_thread", "starts a thread"),
    (threading.Thread, "join", "waits for a thread"),
    # What multiprocessing takes.
    (sys.modules.get("_posixsubprocess"), "fork_exec", "starts a process"),
    (asyncio, "run", "runs an asyncio loop of its own"),
    (asyncio, "new_event_loop", "runs an asyncio loop of its own"),
    (asyncio.events, "new_event_loop", "runs an asyncio loop of its own"),
    (signal, "alarm", "sets a timer of the machine"),
    (signal, "setitimer", "sets a timer of the machine"),
    (signal, "pause", "blocks in real time"),
    (signal, "sigwait", "blocks in real time"),
    (signal, "sigtimedwait", "blocks in real time"),
    (time, "sleep", "blocks in real time"),
]

#: The same, for what asyncio's loops call for themselves: they wait in methods of selectors.
_BY_PROGRAMS: Final = [
    (socket, "socketpair", "opens a real socket"),
    (select, "poll", "waits in real time"),
    (select, "epoll", "waits in real time"),
]

#: What has a function or method that waits, its name, and the place of its timeout.
_WAITING: Final = [
    (threading.Condition, "wait", 1),
    (select, "select", 3),
    *((owner, "select", 1) for owner in vars(selectors).values() if isinstance(owner, type)),
]


class Boundary(Protocol):
    """What keeps a simulation in itself."""

    def is_here(self) -> bool:
        """Whether the caller is in the simulation."""

    def leave(self, what: str, frame: FrameType, instead: str = "") -> NoReturn:
        """Raise that this line does what a simulation cannot do."""


def replacements(chance: Random, seal: Boundary) -> Iterator[tuple[Any, str, Any]]:
    """What is to be replaced: what has it, its name, and what stands for it.

    Args:
        chance: makes what is left to chance.
        seal: is told of what leaves the simulation.
    """
    yield from _chance(chance, seal)
    yield trio.to_thread, "run_sync", _no_thread(seal)
    functions = [*_leaving(seal), *_waiting(seal), *_clocks(seal), *_calendars(seal), *_name(seal)]
    classes = guarded_classes(lambda called: _time_of_day(seal, called))
    yield datetime, "datetime", classes[datetime.datetime]
    yield datetime, "date", classes[datetime.date]
    others = {getattr(owner, name): other for owner, name, other in functions}
    yield from taken_out({**others, **classes}, lambda file: not is_foreign(file))
    yield from functions


def _chance(chance: Random, seal: Boundary) -> Iterator[tuple[Any, str, Any]]:
    yield os, "urandom", chance.randbytes
    # What `random.SystemRandom` and `secrets` have of it.
    yield random, "_urandom", chance.randbytes
    if hasattr(os, "getrandom"):
        yield os, "getrandom", lambda size, flags=0: chance.randbytes(size)
    # Tasks that can go on at the same time do so in an order that this generator decides.
    yield trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True
    real = Random.seed

    def seed(self: Random, a: Any = None, version: int = 2) -> None:
        real(self, chance.getrandbits(256) if a is None and seal.is_here() else a, version)

    yield Random, "seed", seed
    of_this_process = random.seed.__self__  # type: ignore[attr-defined]
    yield random, "seed", lambda a=None, version=2: seed(of_this_process, a, version)
    # A UUID of the first version is made of the time and the address of a network card.
    yield uuid, "_generate_time_safe", None
    yield uuid, "_last_timestamp", None
    yield uuid, "_node", _NODE


def _name(seal: Boundary) -> Iterator[tuple[Any, str, Any]]:
    real = socket.gethostname

    def gethostname() -> str:
        return (world().place() or "localhost") if seal.is_here() else real()

    yield socket, "gethostname", gethostname
    yield trio.socket, "gethostname", gethostname


def _no_thread(seal: Boundary) -> Callable[..., Any]:
    async def run_sync(*_: Any, **__: Any) -> NoReturn:
        seal.leave("runs something in a thread (trio.to_thread)", sys._getframe(1))

    return run_sync


def _leaving(seal: Boundary) -> Iterator[tuple[Any, str, Any]]:
    for owner, name, what in _LEAVING:
        if hasattr(owner, name):
            yield owner, name, _unless_here(seal, getattr(owner, name), what)


def _unless_here(seal: Boundary, real: Callable[..., Any], what: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if seal.is_here():
            for coroutine in filter(asyncio.iscoroutine, args):
                coroutine.close()
            seal.leave(what, sys._getframe(1))
        return real(*args, **kwargs)

    return call


def _waiting(seal: Boundary) -> Iterator[tuple[Any, str, Any]]:
    for owner, name, place in _WAITING:
        if name in vars(owner):
            yield owner, name, _unless_at_once(seal, vars(owner)[name], place)
    for owner, name, what in _BY_PROGRAMS:
        if hasattr(owner, name):
            yield owner, name, _unless_of_a_program(seal, getattr(owner, name), what)


def _unless_at_once(seal: Boundary, real: Callable[..., Any], place: int) -> Callable[..., Any]:
    def wait(*args: Any, **kwargs: Any) -> Any:
        timeout = args[place] if len(args) > place else kwargs.get("timeout")
        if (timeout is None or timeout > 0) and seal.is_here():
            seal.leave("waits in real time", sys._getframe(1))
        return real(*args, **kwargs)

    return wait


def _unless_of_a_program(seal: Boundary, real: Callable[..., Any], what: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        if seal.is_here() and not is_foreign(frame.f_code.co_filename):
            seal.leave(what, frame)
        return real(*args, **kwargs)

    return call


# Clocks.


def _clocks(seal: Boundary) -> Iterator[tuple[Any, str, Any]]:
    readings: dict[str, Callable[..., float]] = {"time": lambda: world().time()}
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        readings[name] = trio.current_time
    if hasattr(time, "clock_gettime"):
        readings["clock_gettime"] = _clock_of
    for name, read in readings.items():
        yield time, name, _clock(seal, name, read)
        yield time, f"{name}_ns", _clock(seal, f"{name}_ns", _in_nanoseconds(read))


def _in_nanoseconds(read: Callable[..., float]) -> Callable[..., int]:
    return lambda *args: round(read(*args) * _NANO)


def _clock_of(which: int) -> float:
    return world().time() if which == time.CLOCK_REALTIME else trio.current_time()


def _clock(seal: Boundary, name: str, virtual: Callable[..., Any]) -> Callable[..., Any]:
    real = getattr(time, name)

    def read(*args: Any) -> Any:
        if not seal.is_here():
            return real(*args)
        _check_reader(seal, f"time.{name}", sys._getframe(1))
        return virtual(*args)

    return read


def _calendars(seal: Boundary) -> Iterator[tuple[Any, str, Any]]:
    """What takes the time of day where it is given none."""
    for name in ("localtime", "gmtime", "ctime", "asctime"):
        yield time, name, _calendar(seal, name, 0)
    yield time, "strftime", _calendar(seal, "strftime", 1)


def _calendar(seal: Boundary, name: str, place: int) -> Callable[..., Any]:
    real, localtime = getattr(time, name), time.localtime

    def read(*args: Any) -> Any:
        # Only what takes seconds takes None.
        is_given = len(args) > place and args[place] is not None
        if is_given or not seal.is_here():
            return real(*args)
        _check_reader(seal, f"time.{name}", sys._getframe(1))
        now: Any = world().time()
        return real(*args[:place], localtime(now) if name in ("asctime", "strftime") else now)

    return read


def _time_of_day(seal: Boundary, called: str) -> float:
    if not seal.is_here():
        return _REAL_TIME()
    # Of whoever has called the method that asks, by the function that hands this one on.
    _check_reader(seal, called, sys._getframe(3))
    return world().time()


def _check_reader(seal: Boundary, called: str, frame: FrameType) -> None:
    if not is_foreign(frame.f_code.co_filename):
        what = f"reads a real clock ({called})"
        seal.leave(what, frame, ": trio.current_time() has its time")

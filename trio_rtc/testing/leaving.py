"""Guard of a simulation: real sockets, threads and clocks are errors that name the line.

During a simulation the chance of this process comes from its seed, for libraries as well, and the
clocks that these read are those of the simulation. A program that reads a real clock, or waits for
the machine, is told so: it would do otherwise each time.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final, NoReturn
from unittest import mock

import trio

from ..rtc.backend.virtual_time import in_virtual_time
from .lines import line_of
from .machine import replacements

#: Audit events of what leaves a simulation (`sys.addaudithook`), and what it is.
_EVENTS: Final = {
    "socket.__new__": "opens a real socket",
    "socket.getaddrinfo": "looks up a name in the real network",
    "socket.gethostbyname": "looks up a name in the real network",
    "socket.gethostbyaddr": "looks up a name in the real network",
    "socket.getnameinfo": "looks up a name in the real network",
    "subprocess.Popen": "starts a process",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "becomes another process",
    "os.system": "starts a process",
}

#: Opens the sockets with which an asyncio loop wakes itself; nothing is sent over them.
_WAKING: Final = "_make_self_pipe"

#: Trio's own look at whether a name is an address, which asks nobody.
_NUMERIC: Final = str(Path("trio") / "_socket.py")


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
        if self.is_here() and not _is_harmless(event, frame):
            self.leave(_EVENTS[event], frame)

    def is_here(self) -> bool:
        """Whether the caller is in the simulation."""
        return threading.get_ident() == self.thread

    def leave(self, what: str, frame: FrameType | None, instead: str = "") -> NoReturn:
        """Raise that this line does what a simulation cannot do."""
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
        for target, name, other in replacements(random_, _seal):
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


def _is_harmless(event: str, frame: FrameType | None) -> bool:
    for _ in range(6):
        if frame is None:
            break
        code = frame.f_code
        if event == "socket.__new__" and code.co_name == _WAKING:
            return True
        if event == "socket.getaddrinfo" and code.co_filename.endswith(_NUMERIC):
            return True
        frame = frame.f_back
    return False

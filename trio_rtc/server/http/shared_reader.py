"""Shared reader of many sockets, in one task and in turns.

A task that waits for its socket costs a server several microseconds of its CPU for each
message, and several kilobytes of its memory. Here the sockets are in an epoll of their own,
which one task waits for. Whatever has come is read without a turn of Trio between; if that is too
much for a turn, each network has its share of it, and the kernel tells of no more until then.
"""

from __future__ import annotations

import os
import select
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Protocol

import trio

from ..scheduling.turns import TURN_SECONDS, WORK_SECONDS, Turns

AVAILABLE: Final = hasattr(select, "epoll")

#: How often it is looked again for what has come meanwhile, before others get their turn.
_ROUNDS: Final = 4
_SOCKETS: Final = 64

#: When a turn is over, it is looked now and then whose it is that is still ready: of many sockets
#: that takes a while, and so little of the time may go into it.
_LOOK_SECONDS: Final = 0.004
_LOOK_SHARE: Final = 0.02
_LOOK_SOCKETS: Final = 1024


def descriptor(stream: trio.abc.AsyncResource) -> int:
    """That of a socket on which nothing but TCP is spoken; -1 of all else.

    A socket in a simulation has none.
    """
    if isinstance(stream, trio.SocketStream | trio.SocketListener):
        return stream.socket.fileno()
    return -1


class Readable(Protocol):
    """Who wants to know when something has come on a socket.

    Attributes:
        client_network: whose it is; see `addresses.client_network`.
    """

    client_network: str

    def read(self, number: int) -> float:
        """Something has come on this descriptor, or the end has.

        Returns:
            How many seconds it takes somebody else, who goes on now because of it.
        """


class ReadableTask(ABC):
    """A readable that has a task, which waits for it."""

    @abstractmethod
    def wake(self) -> None:
        """Have the task go on: nobody reads for it any more."""


class SharedReader:
    """Reads from sockets, as far as the system lets one do it like that."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self._open: dict[int, Readable] = {}
        # Those of which something has come that wait for a turn of their network, and those that
        # are all of one network: they are first when it is looked again.
        self._held: set[int] = set()
        self._rest: list[int] = []
        self._look_after = 0.0
        self._epoll: select.epoll | None = None
        self._running = False

    def __enter__(self) -> SharedReader:
        self._epoll = select.epoll() if AVAILABLE else None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None

    def add(self, stream: trio.abc.Stream, readable: Readable) -> bool:
        """Have this read from a stream from now on; False if that cannot be done."""
        number = descriptor(stream)
        if self._epoll is None or number < 0:
            return False
        self._epoll.register(number, select.EPOLLIN)
        self._open[number] = readable
        return True

    def park(self, number: int, readable: Readable) -> bool:
        """As `add`, by the descriptor; False also while this does not run."""
        if self._epoll is None or number < 0 or not self._running:
            return False
        self._epoll.register(number, select.EPOLLIN)
        self._open[number] = readable
        return True

    @property
    def readables(self) -> list[Readable]:
        """All for whom this reads."""
        return list(self._open.values())

    def remove(self, stream: trio.abc.Stream) -> None:
        """Leave the reading to others."""
        self.forget(descriptor(stream))

    def forget(self, number: int) -> None:
        """As `remove`, by the descriptor."""
        del self._open[number]
        if number in self._held:
            self._held.remove(number)
        elif self._epoll is not None:
            self._epoll.unregister(number)

    async def wait(self, stream: trio.SocketStream, client_network: str) -> None:
        """Wait until something has come on a socket, or the end, and there is a turn for it.

        Seldom there is nothing when this returns.
        """
        waiter = _SocketWaiter(self, descriptor(stream), client_network)
        if self._running and self.add(stream, waiter):
            await trio.lowlevel.wait_task_rescheduled(waiter.abort)
        else:
            await trio.lowlevel.wait_readable(stream.socket)
            await self.turns.wait(client_network)

    async def run(self) -> None:
        """Read until cancelled."""
        if self._epoll is None:
            return
        self._running = True
        try:
            while True:
                if self._rest:
                    await trio.lowlevel.checkpoint()
                else:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                self._take_turn(self._epoll)
        finally:
            self._running = False
            for readable in list(self._open.values()):
                if isinstance(readable, ReadableTask):
                    readable.wake()

    def _take_turn(self, epoll: select.epoll) -> None:
        self.turns.renew()
        now = time.perf_counter()
        end = now + TURN_SECONDS
        rest = self._rest
        for _ in range(_ROUNDS):
            ready = [number for number, _ in epoll.poll(0, _SOCKETS)]
            if rest:
                ready = list(dict.fromkeys([*rest, *ready]))
            if not ready:
                break
            rest = ready[self._read(ready, end) :]
            if rest:
                break
        if rest and self._are_others_ready(epoll, rest, now):
            for number in rest:
                self._hold(number)
            rest = []
            self.turns.work()
        self._rest = rest

    def _are_others_ready(self, epoll: select.epoll, rest: list[int], now: float) -> bool:
        """Whether another network waits too; then all that are ready are in the rest."""
        if self.turns.are_awaited:
            return True
        if now < self._look_after:
            return False
        began = time.perf_counter()
        found = dict.fromkeys([*rest, *(number for number, _ in epoll.poll(0, _LOOK_SOCKETS))])
        networks = {one.client_network for one in map(self._open.get, found) if one is not None}
        ended = time.perf_counter()
        self._look_after = ended + max(_LOOK_SECONDS, (ended - began) / _LOOK_SHARE)
        if len(networks) <= 1:
            return False
        rest[:] = found
        return True

    def _read(self, ready: list[int], end: float) -> int:
        """Read from these until the turn is over; tell from how many."""
        turns, now, count = self.turns, time.perf_counter, 0
        if not turns.is_free:
            return 0
        with turns.flush_batch:
            for number in ready:
                count += 1
                # What another one has said may just have removed it.
                if (readable := self._open.get(number)) is not None:
                    if others := readable.read(number):
                        turns.take(others)
                        if not turns.is_free:
                            break
                    if now() >= end:
                        break
        return count

    def _hold(self, number: int) -> None:
        """Let one wait for a turn: the kernel tells no more of it until then."""
        if (readable := self._open.get(number)) is None or number in self._held:
            return
        assert self._epoll is not None
        self._epoll.unregister(number)
        self._held.add(number)

        def read() -> float:
            # The number may be another socket's by now.
            if self._open.get(number) is not readable or number not in self._held:
                return 0.0
            begin = time.perf_counter()
            self._held.remove(number)
            if self._epoll is not None:
                self._epoll.register(number, select.EPOLLIN)
            others = readable.read(number)
            return others + time.perf_counter() - begin

        self.turns.put(readable.client_network, read)


class _SocketWaiter(ReadableTask):
    """A task that waits for its socket."""

    __slots__ = ("_number", "_reader", "_task", "client_network")

    def __init__(self, reader: SharedReader, number: int, client_network: str):
        self._reader = reader
        self._number = number
        self._task = trio.lowlevel.current_task()
        self.client_network = client_network

    def read(self, number: int) -> float:
        self.wake()
        return WORK_SECONDS

    def wake(self) -> None:
        self._reader.forget(self._number)
        trio.lowlevel.reschedule(self._task)

    def abort(self, _: object) -> trio.lowlevel.Abort:
        self._reader.forget(self._number)
        return trio.lowlevel.Abort.SUCCEEDED


def read_at_once(number: int, size: int) -> bytes | None:
    """What has come on a socket; None if that is nothing, and no bytes if it has ended."""
    try:
        return os.read(number, size)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def write_at_once(number: int, data: bytes) -> int:
    """How much of it a socket takes at once; -1 if it takes nothing any more."""
    try:
        return os.write(number, data)
    except BlockingIOError:
        return 0
    except OSError:
        return -1

"""Served connection: with a task while there has to be one, and without for the rest of the time.

A plain socket on which a request is awaited, or whose GET hangs, has none: the reader of all
sockets tells when something comes, and a timer when it is late. A task is there for what only Trio
can wait for: a handler that waits, a client that does not take an answer at once, TLS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import trio

from ...context import Context
from ...draining import Drain
from ...scheduling.turns import WORK_SECONDS
from ..accepted import LINGER_BYTES, LINGER_SECONDS, RECEIVE_BYTES, Accepted
from ..connection import Handler, nobody
from ..shared_reader import read_at_once, write_at_once
from .request_cycle import Next, RequestCycle

logger = logging.getLogger("trio_rtc.server")

UNEXPECTED: Final = "a connection ended by an unexpected error"

#: What needs no task on a plain socket.
_WITHOUT_A_TASK: Final = {Next.RECEIVE, Next.HOLD, Next.LINGER}


class ServedConnection(RequestCycle):
    """Reads requests off a connection and has them answered.

    Args:
        drain: shields its tasks.
        nursery: of these.
    """

    def __init__(
        self,
        accepted: Accepted,
        handler: Handler,
        context: Context,
        drain: Drain,
        nursery: trio.Nursery,
    ):
        super().__init__(accepted, handler, context)
        self.client_network = accepted.counted
        self._drain = drain
        self._nursery = nursery
        # Whether the reader of all sockets reads for it.
        self._is_parked = False
        # How much has come since the last answer.
        self._lingered: int | None = None
        # What of its task ends when somebody else has done something with it.
        self._scope: trio.CancelScope | None = None

    def begin(self) -> float:
        """Serve a plain socket, with a task as soon as there has to be one; see `read`."""
        return self._guard(self._begin_parked)

    def _begin_parked(self) -> float:
        number = self.accepted.descriptor
        turns = self.context.turns
        if turns.is_free and (data := read_at_once(number, RECEIVE_BYTES)) is not None:
            self._receive(data)
        return self._settle()

    def read(self, number: int) -> float:
        """As `shared_reader.Readable.read`."""
        return self._guard(self._read, number)

    def _read(self, number: int) -> float:
        data = read_at_once(number, RECEIVE_BYTES)
        if data is None:
            return 0.0
        if self._lingered is None:
            self._receive(data)
            return self._settle()
        self._lingered += len(data)
        if not data:
            self._close()
        elif self._lingered > LINGER_BYTES:
            self._begin_task()
        return 0.0

    def expire(self) -> None:
        """As `timers.Expiring.expire`."""
        self._guard(self._expire)

    def _expire(self) -> float:
        if self._lingered is not None:
            self._close()
            return 0.0
        self._time_out()
        return self._settle()

    def hand_over(self) -> None:
        """Go on with a task: the server ends."""
        if self._is_parked:
            self._begin_task()

    def _guard(self, step: Callable[..., float], *args: int) -> float:
        """Do something of which an error ends this connection, and no other."""
        try:
            return step(*args)
        except Exception:
            logger.exception(UNEXPECTED, extra=self._log)
            self.context.statistics.failures += 1
            self._close()
            return 0.0

    def _wake(self) -> None:
        """Somebody else has done something with it."""
        if self._is_handling:
            return
        if self._scope is not None:
            self._scope.cancel()
        elif self._is_parked:
            # What comes behind is not for whoever has answered this to look after.
            self._guard(self._begin_task if self._parser.in_request else self._settle)

    def _settle(self) -> float:
        """Wait for what comes next, without a task if that is possible.

        Returns:
            How many seconds it takes somebody else, who goes on now because of it.
        """
        coming = self._advance()
        if coming in _WITHOUT_A_TASK and self._park():
            self._await(coming)
            return 0.0
        if coming is Next.END and not self._taken_over:
            self._close()
            return 0.0
        return self._begin_task()

    def _park(self) -> bool:
        if not self._is_parked and not self._drain.has_begun:
            self._is_parked = self.context.reader.park(self.accepted.descriptor, self)
        return self._is_parked

    def _await(self, coming: Next) -> None:
        timers = self.context.timers
        if coming is Next.RECEIVE:
            timers.set(self, self._deadline)
        elif coming is Next.HOLD:
            timers.end(self)
        elif self._lingered is None:
            self._lingered = 0
            self.accepted.shutdown()
            timers.set(self, trio.current_time() + LINGER_SECONDS)

    def _unpark(self) -> None:
        if self._is_parked:
            self._is_parked = False
            self.context.timers.end(self)
            self.context.reader.forget(self.accepted.descriptor)

    def _begin_task(self) -> float:
        self._unpark()
        self._nursery.start_soon(self.run)
        return WORK_SECONDS

    def _close(self) -> None:
        """It has ended, and has no task."""
        self._unpark()
        self._end()
        self.accepted.close()

    def _end(self) -> None:
        """Nothing more is done: whoever waits for it is told."""
        self.account.close()
        exchange, self._exchange = self._exchange, None
        held, self._held = self._held, None
        if held is not None:
            held[1](False)
        elif exchange is not None and not exchange.answered and exchange.on_gone is not None:
            exchange.on_gone()

    @property
    def _log(self) -> dict[str, object]:
        return {"connection": self.accepted.number, "address": self.accepted.address}

    async def run(self) -> None:
        """Serve it for as long as it needs a task."""
        is_handed_on = False
        with self._drain.shield():
            try:
                is_handed_on = await self._serve()
            except Exception:
                logger.exception(UNEXPECTED, extra=self._log)
                self.context.statistics.failures += 1
            finally:
                if not is_handed_on:
                    self._end()
                    if not self._taken_over:
                        await self.accepted.aclose()

    async def _serve(self) -> bool:
        """Serve it; tell whether it goes on without a task."""
        try:
            while True:
                coming = self._advance()
                if coming in _WITHOUT_A_TASK and self._lingered is None and self._park():
                    self._await(coming)
                    return True
                if coming is Next.RECEIVE:
                    await self._await_data()
                elif coming is Next.HOLD:
                    await self._await_answer()
                elif coming is Next.WORK:
                    work, self._work = self._work, None
                    assert work is not None
                    await work
                elif coming is Next.SEND:
                    await self._await_sent()
                else:
                    if coming is Next.LINGER:
                        await self.accepted.linger(self.context.reader)
                    return False
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            logger.debug("a client has gone")
        return False

    async def _await_data(self) -> None:
        closing = self.context.closing
        is_idle = not self._is_receiving
        data = b""
        with trio.CancelScope(deadline=self._deadline) as scope:
            if is_idle:
                closing.begin_idle(scope)
            try:
                data = await self.accepted.receive(self.context.reader)
            finally:
                if is_idle:
                    closing.end_idle(scope)
        if scope.cancelled_caught:
            self._time_out()
        else:
            self._receive(data)

    async def _await_answer(self) -> None:
        if self._held is None:
            with trio.CancelScope() as scope:
                self._scope = scope
                try:
                    await self.wait_gone()
                    self._has_ended = not self._is_answered
                finally:
                    self._scope = None
        held = self._held
        if held is None or self._has_ended:
            return
        if await self._is_gone() or self._has_ended:
            self._has_ended = True
        else:
            self._held = None
            self.say(*held, always=False)

    @property
    def _is_answered(self) -> bool:
        return self._exchange is None or self._exchange.answered

    async def _await_sent(self) -> None:
        with trio.CancelScope() as scope:
            self._scope = scope
            try:
                await self.send_out()
            finally:
                self._scope = None

    async def send_out(self) -> None:
        """As `RequestCycle.send_out`."""
        if self._unsent and not self._has_ended:
            data, is_sent = self._unsent, False
            try:
                with trio.move_on_after(self._limits.send_seconds) as scope:
                    await self._write(data)
                    is_sent = True
                if scope.cancelled_caught:
                    self.context.statistics.over_limit["send_seconds"] += 1
            finally:
                self._has_ended = self._has_ended or not is_sent
                self._unsent = b""
                self.account.add(-len(data))
                told, self._told = self._told, nobody
                told(is_sent)
        if self._has_ended:
            raise trio.BrokenResourceError("a client does not take its answer")

    async def _write(self, data: bytes) -> None:
        stream = self.accepted.stream
        number = self.accepted.descriptor
        if number < 0:
            await stream.send_all(data)
            return
        assert isinstance(stream, trio.SocketStream)
        while data:
            await trio.lowlevel.wait_writable(stream.socket)
            # Nothing comes between the last byte and its being known.
            sent = write_at_once(number, data)
            if sent < 0:
                raise trio.BrokenResourceError("a client has gone")
            data = data[sent:]

    async def _is_gone(self) -> bool:
        """The same on any other stream."""
        is_gone = False

        async def look() -> None:
            nonlocal is_gone
            await self.wait_gone()
            is_gone = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            # A TLS stream blocks for its lock before it reads, and after each record.
            for _ in range(6):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        return is_gone

"""``trio-rtc load``: many peers, against a server."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from ...calls.call import Call
from ...calls.calling import open_call, serve_calls
from ...errors import CallError, TrioRTCError
from ...signaling import MessageReceived, Peer, Signaling, open_signaling
from ...tasks import open_background_nursery
from ..commands.calling_options import LoadOptions
from ..commands.declare import urls
from .calling_session import run_calling
from .load_report import LoadReport
from .told_events import Events

PARTNER_SECONDS = 10.0
"""How long one may wait to see the other, both being there."""

ANSWER_SECONDS = 10.0
"""How long an answer may take."""

JOIN, CALL, MESSAGE = "signed in", "connected", "answered"


def run_load(options: LoadOptions) -> int:
    """Put a load on a server; the exit status."""

    async def main(events: Events, context: ssl.SSLContext | None) -> None:
        work = _Load(options, context, events)
        try:
            await work.run()
        finally:
            work.say_result()
        if failed := work.report.failures.total():
            raise CallError(f"{failed} things have failed", code="load_failed", fault="remote")

    return run_calling("load", options, main)


class _Load:
    def __init__(self, options: LoadOptions, context: ssl.SSLContext | None, events: Events):
        self._options = options
        self._context = context
        self._events = events
        self._mark = secrets.token_hex(4)
        self._servers = urls(options.server)
        self._to_come = options.peers
        self._all_came = trio.Event()
        self._absent: set[int] = set()
        self._payload = "x" * options.size
        has_rooms = self._servers[0].startswith("ws")
        self._room = options.room or (f"load-{self._mark}" if has_rooms else None)
        self.report = LoadReport()
        self.report.expect(JOIN, options.peers)

    async def run(self) -> None:
        """All of it, from the first to sign in to the last who signs out."""
        options = self._options
        self._say("joining", f"{options.peers} peers sign in; Ctrl-C ends it")
        async with open_background_nursery() as waiting, trio.open_nursery() as nursery:
            for number in range(options.peers):
                # Of each pair the second one calls, and the first is there until all are done.
                of = nursery if number % 2 else waiting
                of.start_soon(self._peer, number)
                await trio.sleep(1 / options.per_second)
            await self._all_came.wait()
            self._say("talking", f"they talk for {options.seconds:g} s; Ctrl-C ends it")

    def say_result(self) -> None:
        """The table, or the figures."""
        figures, errors = self.report.figures(), self.report.errors()
        if self._events.as_json:
            self._events.say("result", "", figures=figures, errors=errors)
            return
        for line in self.report.table():
            self._events.say("", line)

    def _say(self, event: str, text: str) -> None:
        if self._events.as_json:
            self._events.say(event, text)
        else:
            self._events.hint(text)

    def _name(self, number: int) -> str:
        return f"load-{self._mark}-{number}"

    async def _peer(self, number: int) -> None:
        began = trio.current_time()
        is_in = False
        try:
            async with open_signaling(
                self._servers,
                name=self._name(number),
                room=self._room,
                token=self._options.token,
                ssl_context=self._context,
            ) as signaling:
                is_in = True
                self.report.done(JOIN, trio.current_time() - began)
                self._has_come()
                await self._all_came.wait()
                if not number % 2:
                    await self._answer(signaling)
                elif number - 1 not in self._absent:
                    await self._ask(signaling, self._name(number - 1))
        except TrioRTCError as error:
            if is_in:
                self.report.failed(MESSAGE, error.code)
                return
            self.report.failed(JOIN, error.code)
            self._absent.add(number)
            self._has_come()

    def _has_come(self) -> None:
        self._to_come -= 1
        if not self._to_come:
            self._all_came.set()

    async def _ask(self, signaling: Signaling, whom: str) -> None:
        peer: Peer | None = None
        with trio.move_on_after(PARTNER_SECONDS):
            peer = await signaling.wait_for_peer(whom)
        if peer is None:
            self.report.failed(JOIN, "not_seen")
        elif self._options.calls:
            await self._call(signaling, peer)
        else:
            await self._talk(
                partial(signaling.send, peer, self._payload), partial(_next_message, signaling)
            )

    async def _call(self, signaling: Signaling, peer: Peer) -> None:
        self.report.expect(CALL)
        stands = False
        try:
            async with open_call(signaling, peer, receive=()) as call:
                stands = True
                self.report.done(CALL, call.setup_seconds)
                async with await call.open_channel("load") as channel:
                    await self._talk(partial(channel.send, self._payload), channel.receive)
        except TrioRTCError as error:
            self.report.failed(MESSAGE if stands else CALL, error.code)
        except (trio.BrokenResourceError, trio.EndOfChannel):
            self.report.failed(MESSAGE, "channel_closed")

    async def _talk(
        self, send: Callable[[], Awaitable[object]], receive: Callable[[], Awaitable[object]]
    ) -> None:
        with trio.move_on_after(self._options.seconds):
            while True:
                began = trio.current_time()
                await send()
                with trio.move_on_after(ANSWER_SECONDS) as patience:
                    await receive()
                self.report.expect(MESSAGE)
                if patience.cancelled_caught:
                    self.report.failed(MESSAGE, "no_answer")
                else:
                    self.report.done(MESSAGE, trio.current_time() - began)
                await trio.sleep(self._options.interval)

    async def _answer(self, signaling: Signaling) -> None:
        if self._options.calls:
            await serve_calls(_echo, signaling)
        async for event in signaling:
            if isinstance(event, MessageReceived):
                await signaling.send(event.peer, event.data)


async def _next_message(signaling: Signaling) -> None:
    async for event in signaling:
        if isinstance(event, MessageReceived):
            return


async def _echo(call: Call) -> None:
    async for channel in call.channels:
        try:
            async for message in channel:
                await channel.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

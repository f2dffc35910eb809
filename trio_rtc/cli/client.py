"""``trio-rtc client``: sign in, then answer calls or make one."""

from __future__ import annotations

import logging
import os
import ssl
from contextlib import AsyncExitStack, aclosing
from typing import NoReturn

import trio

from ..calls.call import Call
from ..calls.calling import open_call, serve_calls
from ..errors import CallError, NegotiationError, SignalingLost, TrioRTCError, UnknownPeer
from ..rtc import MediaTrack, Recorder, open_media, record_media
from ..rtc.media.recorder import NUMBER
from ..signaling import MessageReceived, PeerJoined, PeerLeft, Signaling, open_signaling
from ..tasks import open_background_nursery
from ..wire.messages import BYE, SessionDescription, decode
from .commands.client_options import ClientOptions
from .conversation import Conversation
from .report import JsonReporter, Reporter, ReportHandler
from .run import run
from .tls import client_context
from .typed import typed_lines

BAD_OPTIONS = 2

PEER_SECONDS = 5.0
"""How long the one whom we call may take to sign in."""


def run_client(options: ClientOptions) -> int:
    """Run the client; the exit status is 0 unless an error or a signal ended it."""
    reporter = JsonReporter() if options.json else Reporter()
    library = logging.getLogger("trio_rtc")
    library.addHandler(ReportHandler(reporter))
    library.propagate = False
    try:
        ssl_context = client_context(options.ca)
    except CallError as error:
        reporter.error(error.code, str(error))
        return BAD_OPTIONS
    client = _Client(options, reporter, ssl_context)
    return run(client.run, reporter.error, interrupted=lambda number: 128 + number)


class _Client:
    def __init__(
        self, options: ClientOptions, reporter: Reporter, ssl_context: ssl.SSLContext | None
    ):
        self._options = options
        self._ssl_context = ssl_context
        self._reporter = reporter
        self._conversations: list[Conversation] = []
        self._conversing = trio.Event()
        self._recorder: Recorder | None = None
        self._records_each_call = options.record is not None and NUMBER in options.record.name

    async def run(self) -> None:
        seconds = self._options.timeout
        if seconds is None:
            await self._run()
            return
        with trio.move_on_after(seconds) as scope:
            await self._run()
        if scope.cancelled_caught:
            raise CallError(f"not done within {seconds:g} s", code="timeout", fault="local")

    async def _run(self) -> None:
        options = self._options
        async with AsyncExitStack() as stack:
            # Media first: nobody should see us come and go because of a file that is not there.
            tracks = await stack.enter_async_context(
                open_media(video=options.video, audio=options.audio)
            )
            if options.record is not None:
                recording = record_media(options.record)
                if self._records_each_call:
                    # Only to see that it can be done.
                    async with recording:
                        pass
                else:
                    self._recorder = await stack.enter_async_context(recording)
            signaling = await stack.enter_async_context(
                open_signaling(
                    options.server,
                    name=options.name,
                    room=options.room,
                    token=options.token,
                    ssl_context=self._ssl_context,
                )
            )
            self._reporter.signed_in(signaling, options.server)
            nursery = await stack.enter_async_context(open_background_nursery())
            nursery.start_soon(self._show_peers, signaling)
            if not options.scripted:
                nursery.start_soon(self._read_input, nursery.cancel_scope)
            if options.call is not None:
                await self._call(signaling, options.call, tracks)
            else:
                await self._answer(signaling, tracks)

    async def _call(self, signaling: Signaling, whom: str, tracks: list[MediaTrack]) -> None:
        with trio.move_on_after(PEER_SECONDS):
            await signaling.wait_for_peer(whom)
        async with open_call(signaling, whom, tracks=tracks, trace=self._reporter.step) as call:
            await self._converse(call, calling=True)

    async def _answer(self, signaling: Signaling, tracks: list[MediaTrack]) -> None:
        async with open_background_nursery() as nursery:
            failed: list[TrioRTCError] = []

            async def handle(call: Call) -> None:
                try:
                    await self._converse(call, calling=False)
                except TrioRTCError as error:
                    if not self._options.once:
                        raise
                    failed.append(error)
                finally:
                    if self._options.once:
                        done.set()

            async def serve() -> NoReturn:
                await serve_calls(
                    handle,
                    signaling,
                    tracks=tracks,
                    max_calls=self._options.max_calls,
                    trace=self._reporter.step,
                )

            done = trio.Event()
            nursery.start_soon(serve)
            await done.wait()
        if failed:
            raise failed[0]

    async def _converse(self, call: Call, *, calling: bool) -> None:
        options = self._options
        async with AsyncExitStack() as stack:
            recorder = self._recorder
            if options.record is not None and self._records_each_call:
                recorder = await stack.enter_async_context(record_media(options.record))
            conversation = Conversation(
                call,
                self._reporter,
                echo=options.echo,
                recorder=recorder,
                on_channel=self._wake_input,
                save=options.save,
            )
            self._conversations.append(conversation)
            try:
                async with conversation.run(open_channel=calling):
                    if options.scripted:
                        await conversation.follow_script(
                            options.send, options.expect or 0, options.hold or 0.0
                        )
                    else:
                        await call.wait_ended()
            finally:
                self._conversations.remove(conversation)

    def _wake_input(self) -> None:
        self._conversing.set()
        self._conversing = trio.Event()

    async def _show_peers(self, signaling: Signaling) -> None:
        try:
            async for event in signaling:
                match event:
                    case PeerJoined(peer):
                        self._reporter.peer_joined(peer)
                    case PeerLeft(peer):
                        self._reporter.peer_left(peer)
                    case MessageReceived():
                        await self._take_message(signaling, event)
        except SignalingLost as error:
            # Calls go on without the server; whoever needs it ends with this error by itself.
            if self._conversations:
                self._reporter.error(error.code, str(error))

    async def _take_message(self, signaling: Signaling, event: MessageReceived) -> None:
        """A message that is of no call: while we call, we take no calls."""
        try:
            message = decode(event.data)
            if isinstance(message, SessionDescription) and message.type == "offer":
                await signaling.send(event.peer, BYE)
        except (NegotiationError, UnknownPeer) as error:
            self._reporter.error(error.code, f"{event.peer}: {error}")

    async def _read_input(self, everything: trio.CancelScope) -> None:
        async with aclosing(typed_lines()) as lines:
            async for line in lines:
                while not (able := [c for c in self._conversations if c.can_say]):
                    await self._conversing.wait()
                for conversation in able:
                    conversation.say(line)
        # Ctrl-D at a terminal says goodbye. A pipe that has ended only has no more to say.
        if os.isatty(0):
            everything.cancel()

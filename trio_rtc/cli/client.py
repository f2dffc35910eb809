"""``trio-rtc client``: sign in, then answer calls or make one."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import chain, repeat

import trio

from ..calls.call import Call
from ..calls.calling import open_call, serve_calls
from ..errors import (
    CallError,
    FileError,
    NegotiationError,
    SignalingError,
    SignalingLost,
    TrioRTCError,
    UnknownPeer,
)
from ..files.destination import prepare_folder
from ..rtc import MediaTrack, Recorder, open_media, record_media
from ..rtc.media.recorder import NUMBER
from ..signaling import MessageReceived, Peer, PeerJoined, PeerLeft, Signaling, open_signaling
from ..tasks import open_background_nursery
from ..text import one_line
from ..wire.messages import BYE, SessionDescription, decode
from .commands.client_options import ClientOptions
from .commands.declare import urls
from .conversation import Conversation
from .report import JsonReporter, Reporter, ReportHandler
from .run import run
from .terminal.prompt import is_usable, open_prompt
from .terminal.typed_input import TypedInput
from .tls import client_context

BAD_OPTIONS = 2

PAUSES = (0.5, 1.0, 2.0, 5.0)
"""Seconds between two tries to sign in again."""

#: How signing in again may fail for now.
FOR_NOW = {"server_unreachable", "not_signaling_server", "no_place"}


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
    typing = is_usable() and not options.json and not options.scripted
    if options.ask and not typing:
        reporter.error("bad_options", "--ask needs a terminal at which somebody answers")
        return BAD_OPTIONS
    if options.save is not None:
        try:
            # Who sends should not be the one to hear of it.
            prepare_folder(options.save)
        except FileError as error:
            reporter.error("bad_options", f"--save: {error}")
            return BAD_OPTIONS
    client = _Client(options, reporter, ssl_context)

    async def at_a_terminal() -> None:
        with open_prompt(client.label) as reporter.prompt:
            await client.run()

    command = at_a_terminal if typing else client.run
    return run(command, reporter.error, interrupted=lambda number: 128 + number)


class _Client:
    """A client: its sessions with the server, its calls, and what is typed.

    Attributes:
        signaling: the last session; None before the first.
        tracks: what is sent in every call.
    """

    def __init__(
        self, options: ClientOptions, reporter: Reporter, ssl_context: ssl.SSLContext | None
    ):
        self._options = options
        self._ssl_context = ssl_context
        self._reporter = reporter
        self._conversations: list[Conversation] = []
        self._input = TypedInput(self, reporter, self._conversations)
        self._recorder: Recorder | None = None
        self._records_each_call = options.record is not None and NUMBER in options.record.name
        self._asked: dict[Peer, trio.MemorySendChannel[bool]] = {}
        self._work: trio.Nursery
        self._done = trio.Event()
        self._failed: TrioRTCError | None = None
        self.signaling: Signaling | None = None
        self.tracks: list[MediaTrack] = []

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
            self.tracks = await stack.enter_async_context(
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
            self._work = await stack.enter_async_context(open_background_nursery())
            if options.call is not None:
                async with self._session() as signaling:
                    self._read_input()
                    await self._call(signaling, options.call)
            else:
                await self._stay()

    def _read_input(self) -> None:
        if not self._options.scripted:
            self._work.start_soon(self._input.read)

    # Sessions with the server.

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Signaling]:
        """Sign in for the length of the block, and show what happens there."""
        options = self._options
        async with (
            open_signaling(
                urls(options.server),
                name=options.name,
                room=options.room,
                token=options.token,
                ssl_context=self._ssl_context,
            ) as signaling,
            open_background_nursery() as nursery,
        ):
            self.signaling = signaling
            self._reporter.signed_in(signaling)
            nursery.start_soon(self._show_peers, signaling)
            nursery.start_soon(self._show_state, signaling)
            yield signaling

    @property
    def _stays(self) -> bool:
        """Whether the end of a session is the begin of another one."""
        return self._options.call is None and not self._options.once

    async def _stay(self) -> None:
        """Answer calls, in one session after the other: a server may be started again."""
        async with open_background_nursery() as nursery:
            lost = await nursery.start(self._answer)
            self._read_input()
            nursery.start_soon(self._sign_in_again, lost, nursery)
            await self._done.wait()
        if self._failed is not None:
            raise self._failed

    async def _sign_in_again(self, lost: trio.Event, nursery: trio.Nursery) -> None:
        while True:
            await lost.wait()
            for pause in chain(PAUSES, repeat(PAUSES[-1])):
                try:
                    lost = await nursery.start(self._answer)
                    break
                except SignalingError as error:
                    if error.code not in FOR_NOW:
                        raise
                await trio.sleep(pause)

    async def _answer(self, task_status: trio.TaskStatus[trio.Event]) -> None:
        """Answer the calls of one session, also those that outlive it.

        It is started with what is set when the session is lost.
        """
        lost = trio.Event()
        try:
            async with self._session() as signaling, open_background_nursery() as nursery:

                async def watch() -> None:
                    await signaling.wait_for_state("lost")
                    lost.set()

                nursery.start_soon(watch)
                task_status.started(lost)
                await serve_calls(
                    self._handle,
                    signaling,
                    tracks=self.tracks,
                    max_calls=self._options.max_calls,
                    accept=self._ask if self._options.ask else None,
                    trace=self._reporter.step,
                )
        except SignalingLost:
            if not self._stays:
                raise
            # Without a call to finish, the loss may have ended the watch before it could tell.
            lost.set()

    async def _handle(self, call: Call) -> None:
        try:
            await self._converse(call, calling=False)
        except TrioRTCError as error:
            if not self._options.once:
                raise
            self._failed = error
        finally:
            if self._options.once:
                self._done.set()

    async def _show_state(self, signaling: Signaling) -> None:
        while True:
            state = await signaling.wait_for_state("reconnecting", "lost")
            if state == "lost":
                break
            self._reporter.server_state(state)
            if await signaling.wait_for_state("connected", "lost") == "lost":
                break
            self._reporter.server_state("connected")
        if self._stays:
            self._reporter.server_state("lost")

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
            if self._conversations and not self._stays:
                self._reporter.error(error.code, str(error))

    async def _take_message(self, signaling: Signaling, event: MessageReceived) -> None:
        """A message that is of no call: while we call, we take no calls."""
        try:
            message = decode(event.data)
            if isinstance(message, SessionDescription) and message.type == "offer":
                await signaling.send(event.peer, BYE)
        except (NegotiationError, UnknownPeer) as error:
            self._reporter.error(error.code, f"{event.peer}: {error}")

    # Calls.

    async def _call(self, signaling: Signaling, whom: str, seconds: float | None = None) -> None:
        with trio.move_on_after(self._options.wait if seconds is None else seconds):
            await signaling.wait_for_peer(whom)
        async with open_call(
            signaling, whom, tracks=self.tracks, trace=self._reporter.step
        ) as call:
            await self._converse(call, calling=True)

    async def _ask(self, peer: Peer) -> bool:
        """Whether the one at the terminal takes a call."""
        self._asked[peer], answer = trio.open_memory_channel[bool](1)
        self._reporter.ringing(peer)
        try:
            return await answer.receive()
        finally:
            del self._asked[peer]

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
                on_channel=self._input.wake,
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
                        await self._until_over(conversation, calling=calling)
            finally:
                self._conversations.remove(conversation)
                self._input.wake()

    async def _until_over(self, conversation: Conversation, *, calling: bool) -> None:
        async with open_background_nursery() as nursery:

            async def hang_up_after_the_last_line() -> None:
                await self._input.over.wait()
                await conversation.say_no_more()
                nursery.cancel_scope.cancel()

            if calling:
                nursery.start_soon(hang_up_after_the_last_line)
            await conversation.call.wait_ended()

    def label(self) -> str:
        """What stands before it at a terminal: to whom a line goes."""
        names = [each.call.peer.name for each in self._conversations if each.can_say]
        return f"{one_line(', '.join(names), 40)}> "

    # What may be typed there instead of a line for the other side.

    @property
    def calls(self) -> Sequence[Call]:
        """Those that stand."""
        return [conversation.call for conversation in self._conversations]

    @property
    def ringing(self) -> Sequence[Peer]:
        """Who waits to be answered."""
        return list(self._asked)

    def answer(self, peer: Peer, *, yes: bool) -> None:
        """Take its call, or do not."""
        self._asked[peer].send_nowait(yes)

    def start_call(self, whom: str) -> None:
        """Call somebody who is there."""
        signaling = self.signaling
        assert signaling is not None
        self.start(partial(self._call, signaling, whom, 0.0))

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something beside all else; if it fails, that is told."""
        self._work.start_soon(self._do, work)

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except TrioRTCError as error:
            self._reporter.error(error.code, str(error))

    def quit(self) -> None:
        """End everything, in order."""
        self._work.cancel_scope.cancel()

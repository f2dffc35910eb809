"""One call of the client: chat, echo, frames counted and recorded, and a script to follow."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from ..calls.call import Call
from ..calls.lifecycle import CallEnd
from ..errors import CallError, FileError, MediaError, MessageTooLarge, TrioRTCError
from ..files import FileOffer, receive_files
from ..rtc import DataChannel, MediaTrack, Recorder
from ..tasks import open_background_nursery
from .report import Reporter

logger = logging.getLogger("trio_rtc.call")

CHAT = "chat"
"""The label of the channel that a caller opens."""

FRAMES_SECONDS = 1.0
"""How often the count of frames is told."""

LAST_FILES_SECONDS = 2.0
"""How long files that have come by the end of a call may take to be in their place."""


class Conversation:
    """What the client does in a call, whoever has called."""

    def __init__(
        self,
        call: Call,
        reporter: Reporter,
        *,
        echo: bool,
        recorder: Recorder | None,
        on_channel: Callable[[], None],
        save: Path | None = None,
    ) -> None:
        self._call = call
        self._reporter = reporter
        self._echo = echo
        self._recorder = recorder
        self._on_channel = on_channel
        self._save = save
        self._channel: DataChannel | None = None
        self._have_channel = trio.Event()
        self._received = 0
        self._message_came = trio.Event()
        self._typed, self._to_say = trio.open_memory_channel[str](math.inf)
        self._all_said = trio.Event()
        self._files_over = trio.Event()

    @asynccontextmanager
    async def run(self, *, open_channel: bool) -> AsyncIterator[None]:
        """Hold the conversation during the block, and report it from beginning to end."""
        call = self._call
        self._reporter.call_connected(call)
        try:
            async with open_background_nursery() as nursery:
                nursery.start_soon(self._take_files)
                nursery.start_soon(self._take_channels, nursery)
                nursery.start_soon(self._take_tracks, nursery)
                nursery.start_soon(self._say_what_is_typed)
                if open_channel:
                    self._use(await call.open_channel(CHAT), nursery)
                yield
                await call.hang_up()
                # Whoever sent files may hang up before it is told here that they have come.
                with trio.move_on_after(LAST_FILES_SECONDS):
                    await self._files_over.wait()
        finally:
            self._reporter.hung_up(call.peer, call.end or CallEnd("hung_up"))

    @property
    def call(self) -> Call:
        """The call that it is held in."""
        return self._call

    @property
    def can_say(self) -> bool:
        """Whether there is a channel for what is typed."""
        return self._channel is not None and self._call.end is None

    def say(self, line: str) -> None:
        """Send a line to the other side."""
        self._typed.send_nowait(line)

    async def say_no_more(self) -> None:
        """Wait until all that was to be said is on its way."""
        self._typed.close()
        await self._all_said.wait()

    async def follow_script(self, send: Sequence[str], expect: int, hold: float) -> None:
        """Send all of it, wait for ``expect`` messages and ``hold`` seconds, and hang up.

        Raises:
            CallError: ``call_ended``: the call was over before that.
        """
        async with open_background_nursery() as nursery:
            nursery.start_soon(self._watch_for_early_end, expect)
            until = trio.current_time() + hold
            if send:
                await self._have_channel.wait()
                assert self._channel is not None
                for text in send:
                    await self._channel.send(text)
            while self._received < expect:
                await self._message_came.wait()
            await trio.sleep_until(until)

    async def _watch_for_early_end(self, expect: int) -> None:
        end = await self._call.wait_ended()
        raise CallError(
            f"the call ended too soon ({end}): {self._received} of {expect} messages had come",
            code="call_ended",
        )

    def _use(self, channel: DataChannel, nursery: trio.Nursery) -> None:
        if self._channel is None:
            self._channel = channel
            self._have_channel.set()
            self._on_channel()
        nursery.start_soon(self._read, channel)

    async def _take_channels(self, nursery: trio.Nursery) -> None:
        async for channel in self._call.channels:
            self._use(channel, nursery)

    async def _take_files(self) -> None:
        """Save what the other side sends, or say that it is not wanted."""

        async def accept(offer: FileOffer) -> bool:
            if self._save is None:
                self._reporter.error("not_saved", f"{offer.peer} sends files: --save takes them")
            return self._save is not None

        while True:
            try:
                paths = await receive_files(self._call, self._save or Path(), accept=accept)
            except FileError as error:
                if error.code != "declined":
                    self._reporter.error(error.code, str(error))
            except CallError:
                # The end of the call says why.
                self._files_over.set()
                return
            else:
                self._reporter.files(self._call.peer, paths)

    async def _read(self, channel: DataChannel) -> None:
        while True:
            try:
                message = await channel.receive()
                self._reporter.message(self._call.peer, channel.label, message)
                self._received += 1
                self._message_came.set()
                self._message_came = trio.Event()
                if self._echo:
                    await channel.send(message)
            except MessageTooLarge as error:
                # Theirs for us, or its echo for them. The next one may fit.
                self._reporter.error(error.code, str(error))
            except (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError):
                # The end of the call says why.
                return

    async def _say_what_is_typed(self) -> None:
        async for line in self._to_say:
            assert self._channel is not None
            try:
                await self._channel.send(line)
            except TrioRTCError as error:
                self._reporter.error(error.code, str(error))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._reporter.error("channel_closed", f"not sent: {line}")
        self._all_said.set()

    async def _take_tracks(self, nursery: trio.Nursery) -> None:
        async for track in self._call.tracks:
            nursery.start_soon(self._count_frames, track)
            if self._recorder is not None:
                await self._record(self._recorder, track)

    async def _record(self, recorder: Recorder, track: MediaTrack) -> None:
        try:
            await recorder.add_track(track)
        except MediaError as error:
            if error.code != "recording_full":
                raise
            # One that has no room in the file is no reason to end the call.
            logger.warning("%s", error, extra={"code": error.code})

    async def _count_frames(self, track: MediaTrack) -> None:
        count = told = 0
        next_report = -math.inf
        try:
            async for _ in track:
                count += 1
                if trio.current_time() >= next_report:
                    self._reporter.frames(self._call.peer, track.kind, count, final=False)
                    told = count
                    next_report = trio.current_time() + FRAMES_SECONDS
        finally:
            if count > told:
                self._reporter.frames(self._call.peer, track.kind, count, final=True)

"""`open_voice`: a call as a program hears it and speaks in it, in blocks of PCM."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Protocol

import trio
from av import AudioFrame, AudioResampler

from ...errors import CallError
from ...tasks import open_background_nursery
from ..backend.media.tracks import Source
from ..backend.media.voice_playout import VoiceBuffer, VoiceTrack
from ..bridge.bridge import Bridge, open_bridge
from .sender import TrackSender
from .speech import EnergyDetector
from .track import Frame, MediaTrack, track_of
from .voice_blocks import BLOCK_SECONDS, VoiceBlocks

RATES: Final = range(8000, 48_001)
"""Samples per second: those that speech is in."""

UNREAD_BLOCKS: Final = 1500
"""That wait to be read: 30 s."""

Detector = Callable[[bytes], bool]
"""Tells of each block of 20 ms whether the other side speaks in it."""


class VoiceCall(Protocol):
    """What a voice needs of a call."""

    @property
    def tracks(self) -> AsyncIterator[MediaTrack]: ...
    async def add_track(self, track: MediaTrack) -> TrackSender: ...
    async def wait_ended(self) -> object: ...
    async def stats(self) -> object: ...


@asynccontextmanager
async def open_voice(
    call: VoiceCall,
    rate: int = 16000,
    *,
    track: MediaTrack | None = None,
    buffer: float = 0.2,
) -> AsyncIterator[Voice]:
    """The sound of a call in both directions, as PCM, during the block.

    Args:
        call: from `open_call`, or in a handler of `serve_calls`. Unless there is a ``track``, its
            ``tracks`` are taken by this: the first one of audio is heard, when that has ended the
            next one, and those of video are left out.
        rate: samples per second, in both directions: 8000 to 48 000, a multiple of 50.
        track: what to hear, for a program that takes the tracks of the call by itself.
        buffer: seconds of sound that `Voice.play` accepts ahead of what is sent.

    Raises:
        CallError: ``call_ended``; ``negotiation_failed``: the other side takes no sound.
        ValueError: there is no such rate or buffer.
    """
    if not isinstance(rate, int) or rate not in RATES or rate % 50:
        raise ValueError(f"a rate is a multiple of 50 from 8000 to 48000, not {rate!r}")
    if not BLOCK_SECONDS <= buffer <= 60:
        raise ValueError(f"a buffer is of 0.02 to 60 s, not {buffer!r}")
    async with open_bridge() as bridge:
        voice = Voice(call, rate, buffer, bridge)
        source = Source(voice._playout)
        try:
            async with open_background_nursery() as nursery:
                nursery.start_soon(voice._listen, track)
                nursery.start_soon(voice._watch_end)
                sender = await call.add_track(track_of(bridge, source))
                try:
                    yield voice
                finally:
                    voice._finish()
                    with trio.CancelScope(shield=True):
                        await sender.stop()
        finally:
            await bridge.run_to_the_end(source.stop)


class Voice:
    """What is heard and said in a call. From `open_voice`.

    It is an async iterator of what the other side says: blocks of 20 ms of mono PCM, 16 bits a
    sample in the order of this machine, at ``rate`` samples per second. It begins with the first
    sound that comes, has silence where none comes, and ends with the call. Blocks wait for up to
    30 s to be read; then the oldest go.

    Attributes:
        rate: samples per second.
        blocks_dropped: how many were gone before they were read.
    """

    def __init__(self, call: VoiceCall, rate: int, buffer: float, bridge: Bridge):
        self.rate = rate
        self.blocks_dropped = 0
        self._call = call
        self._send, self._receive = trio.open_memory_channel[bytes](UNREAD_BLOCKS)
        self._buffer = VoiceBuffer(round(rate * buffer) * 2)
        self._playout = VoiceTrack(self._buffer, rate, lambda: bridge.post(self._notify))
        self._taken = trio.Event()
        self._is_playing = False
        self._rest = b""
        self._over = False
        self._watches: list[_Watch] = []

    def __aiter__(self) -> Voice:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def play(self, pcm: bytes | bytearray | memoryview) -> None:
        """Say something. Returns once there was room for all of it, shortly before it is heard.

        Args:
            pcm: mono, 16 bits a sample in the order of this machine, of any length.

        Raises:
            CallError: ``call_ended``.
            ValueError: half a sample.
            trio.BusyResourceError: another task is playing.
        """
        data = bytes(pcm)
        if len(data) % 2:
            raise ValueError(f"a sample has two bytes, and {len(data)} bytes are no whole number")
        if self._is_playing:
            raise trio.BusyResourceError("another task is playing")
        await trio.lowlevel.checkpoint_if_cancelled()
        self._is_playing = True
        self._rest = b""
        done = 0
        view = memoryview(data)
        try:
            while True:
                self._check_not_over()
                done += self._buffer.put(view[done:])
                if done == len(data):
                    break
                await self._taken.wait()
        finally:
            self._is_playing = False
            self._rest = data[done:]
        await trio.lowlevel.checkpoint()

    def clear(self) -> bytes:
        """Say nothing any more: silence follows within 40 ms.

        Returns:
            what was not played: of the buffer, and of a `play` that was cancelled.
        """
        rest, self._rest = self._buffer.clear() + self._rest, b""
        self._notify()
        return rest

    async def played(self) -> None:
        """Wait until all that `play` has taken was sent, and could be heard by the other side.

        That is a round trip after the last of it was sent.

        Raises:
            CallError: ``call_ended``.
        """
        self._check_not_over()
        while len(self._buffer):
            await self._taken.wait()
            self._check_not_over()
        # The last frame is on its way.
        await self._taken.wait()
        self._check_not_over()
        try:
            await self._call.stats()
        except CallError:
            self._check_not_over()
            raise

    @contextmanager
    def until_interrupted(self, detector: Detector | None = None) -> Iterator[trio.CancelScope]:
        """A block that is cancelled when the other side begins to speak (barge-in).

        What was said by then can be read from the voice afterwards, from its beginning. What waits
        to be played is left to `clear`.

        Args:
            detector: called with each block of 20 ms as it comes; true if there is speech in it.
                `EnergyDetector` if there is none.

        Returns:
            the scope, whose ``cancelled_caught`` tells afterwards whether that was so.
        """
        watch = _Watch(detector or EnergyDetector())
        self._watches.append(watch)
        try:
            with watch.scope as scope:
                yield scope
        finally:
            self._watches.remove(watch)
            if watch.error is not None:
                raise watch.error

    # Of the tasks.

    async def _listen(self, track: MediaTrack | None) -> None:
        if track is not None:
            await self._take_track(track)
        else:
            async for arrived in self._call.tracks:
                if arrived.kind == "audio":
                    await self._take_track(arrived)

    async def _take_track(self, track: MediaTrack) -> None:
        blocks = VoiceBlocks(self.rate)
        pcm = _Pcm(self.rate)
        frames = track.frames(UNREAD_BLOCKS)
        while True:
            with trio.CancelScope(deadline=blocks.silence_due()):
                try:
                    frame = await anext(frames)
                except StopAsyncIteration:
                    return
                self._give(blocks.put(pcm.of(frame), frame.time, trio.current_time()))
            self._give(blocks.pause(trio.current_time()))

    def _give(self, blocks: list[bytes]) -> None:
        for block in blocks:
            for watch in self._watches:
                watch.receive(block)
            try:
                self._send.send_nowait(block)
            except trio.ClosedResourceError:
                return
            except trio.WouldBlock:
                self._receive.receive_nowait()
                self._send.send_nowait(block)
                self.blocks_dropped += 1

    async def _watch_end(self) -> None:
        await self._call.wait_ended()
        self._finish()

    def _finish(self) -> None:
        self._over = True
        self._send.close()
        self._notify()

    def _notify(self) -> None:
        self._taken.set()
        self._taken = trio.Event()

    def _check_not_over(self) -> None:
        if self._over:
            raise CallError("the call is over", code="call_ended", fault="local")


class _Watch:
    """A block that is to be interrupted."""

    def __init__(self, detector: Detector):
        self.scope = trio.CancelScope()
        self.error: BaseException | None = None
        self._detector = detector

    def receive(self, block: bytes) -> None:
        if self.scope.cancel_called:
            return
        try:
            if self._detector(block):
                self.scope.cancel()
        except Exception as error:  # noqa: BLE001  # Raised where the detector was given.
            self.error = error
            self.scope.cancel()


class _Pcm:
    """Frames of any format as mono PCM of 16 bits.

    A resampler takes one form only, and that of a track may change.
    """

    def __init__(self, rate: int):
        self._rate = rate
        self._form: tuple[str, str, int] | None = None
        self._resampler: AudioResampler

    def of(self, frame: Frame) -> bytes:
        assert isinstance(frame, AudioFrame)
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:
            self._form = form
            self._resampler = AudioResampler(format="s16", layout="mono", rate=self._rate)
        frame.pts = None
        parts = self._resampler.resample(frame)
        return b"".join(bytes(part.planes[0])[: 2 * part.samples] for part in parts)

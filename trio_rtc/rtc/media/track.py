"""Media tracks for programs: frames as async iterators."""

from __future__ import annotations

from functools import partial
from typing import Literal, NoReturn, TypeAlias, cast

import trio
from av import AudioFrame, VideoFrame

from ...errors import MediaError
from ..backend.media.tracks import Reader, Source
from ..bridge.bridge import Bridge

Frame: TypeAlias = VideoFrame | AudioFrame
Kind = Literal["audio", "video"]

QUEUE_FRAMES = 30
"""Frames kept for one who iterates over a track and lags: a second of video."""


class MediaTrack:
    """Audio or video, from the other peer or from `open_media`: a `VideoTrack` or an `AudioTrack`.

    As an async iterator it gives the frames from now on, as ``av.VideoFrame`` or
    ``av.AudioFrame``, until the track ends. Several may iterate at once. One who lags loses
    the oldest frames, and nobody else does.

    Attributes:
        kind: ``"audio"`` or ``"video"``.
        id: its name in the session description.
    """

    def __init__(self, bridge: Bridge, source: Source):
        self._bridge = bridge
        self._source = source
        self._enabled = True
        self.kind = cast(Kind, source.kind)
        self.id = source.id

    def __repr__(self) -> str:
        return f"<MediaTrack {self.kind} {self.id}>"

    @property
    def enabled(self) -> bool:
        """Whether its frames are what they are; set it to False for black or silent ones.

        All who read the track get these, the other peers of calls too (W3C
        MediaStreamTrack.enabled). This mutes a track: the other side is not asked, and sees no
        end.
        """
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self._enabled = enabled
        self._bridge.call_soon(self._source.enable, enabled)

    def __aiter__(self) -> Frames:
        return self.frames()

    def frames(self, limit: int = QUEUE_FRAMES) -> Frames:
        """As the track itself, for one who wants to keep another number of frames.

        With 1, one who lags always gets the newest frame.

        Raises:
            ValueError: ``limit`` is below 1.
        """
        return Frames(self._bridge, self._source, _checked(limit))


class VideoTrack(MediaTrack):
    """A `MediaTrack` whose frames are pictures."""

    def __aiter__(self) -> VideoFrames:
        return self.frames()

    def frames(self, limit: int = QUEUE_FRAMES) -> VideoFrames:
        """As those of a `MediaTrack`."""
        return VideoFrames(self._bridge, self._source, _checked(limit))


class AudioTrack(MediaTrack):
    """A `MediaTrack` whose frames are sound."""

    def __aiter__(self) -> AudioFrames:
        return self.frames()

    def frames(self, limit: int = QUEUE_FRAMES) -> AudioFrames:
        """As those of a `MediaTrack`."""
        return AudioFrames(self._bridge, self._source, _checked(limit))


def track_of(bridge: Bridge, source: Source) -> VideoTrack | AudioTrack:
    """The track of a source on the loop."""
    return (VideoTrack if source.kind == "video" else AudioTrack)(bridge, source)


def _checked(limit: int) -> int:
    if not isinstance(limit, int):
        raise TypeError(f"limit is an int, not {type(limit).__name__}")
    if limit < 1:
        raise ValueError("limit must be at least 1")
    return limit


class Frames:
    """The frames of a track, for one who iterates: two tasks each take frames of their own.

    Raises:
        MediaError: ``source_failed``: what the track is of has failed, instead of ending.
        trio.BusyResourceError: another task waits for the next of these frames.

    Attributes:
        frames_received: how many came.
        frames_dropped: how many of them were gone before they were asked for.
    """

    def __init__(self, bridge: Bridge, source: Source, limit: int):
        self._bridge = bridge
        self._source = source
        self._limit = limit
        self._reader: Reader | None = None
        self._arrived = trio.Event()
        self._asking = False

    @property
    def frames_received(self) -> int:
        return self._reader.received if self._reader else 0

    @property
    def frames_dropped(self) -> int:
        return self._reader.dropped if self._reader else 0

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> Frame:
        if self._asking:
            raise trio.BusyResourceError("another task waits for the next of these frames")
        self._asking = True
        try:
            return await self._next()
        finally:
            self._asking = False

    async def _next(self) -> Frame:
        if self._reader is None:
            try:
                self._reader = await self._bridge.run(self._subscribe)
            except trio.ClosedResourceError:
                # The call is over, or the block that the track was opened in.
                self._end()
        else:
            await trio.lowlevel.checkpoint()
        while (data := self._reader.take()) is None:
            if self._reader.is_over:
                self._end()
            self._arrived = trio.Event()
            if not self._reader.ask():
                await self._arrived.wait()
        return cast(Frame, data)

    def _end(self) -> NoReturn:
        if self._source.error is not None:
            raise MediaError(
                f"the source of a track failed: {self._source.error}", code="source_failed"
            ) from self._source.error
        raise StopAsyncIteration from None

    async def _subscribe(self) -> Reader:
        # On the loop, where readers belong. A crossing is needed then for a frame that is waited
        # for only, and none to ask for it.
        reader = self._source.subscribe(self._limit)
        reader.on_asked = partial(self._bridge.post, self._wake)
        self._source.start()
        return reader

    def _wake(self) -> None:
        self._arrived.set()


class VideoFrames(Frames):
    """The `Frames` of a `VideoTrack`."""

    async def __anext__(self) -> VideoFrame:
        return cast(VideoFrame, await super().__anext__())


class AudioFrames(Frames):
    """The `Frames` of an `AudioTrack`."""

    async def __anext__(self) -> AudioFrame:
        return cast(AudioFrame, await super().__anext__())

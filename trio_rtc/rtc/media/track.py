"""Media tracks for programs: frames as async iterators."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal, TypeAlias, cast

import trio
from av import AudioFrame, VideoFrame

from ...errors import MediaError
from ..backend.media.receiving.remote_packets import RemotePackets
from ..backend.media.tracks import PACKETS, Source
from ..bridge.bridge import Bridge
from .track_reader import TrackPackets, TrackReader

Frame: TypeAlias = VideoFrame | AudioFrame
"""A picture, or some sound, as PyAV has them."""

Kind = Literal["audio", "video"]
"""What a track is of (W3C MediaStreamTrack.kind)."""

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
    def ended(self) -> bool:
        """Whether it gives nothing more, ever (W3C MediaStreamTrack.readyState)."""
        return self._source.is_over

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

        Args:
            limit: how many frames wait for one who lags. With 1 it is always the newest.

        Raises:
            MediaError: ``only_encoded``: it was opened with ``encoded=True``.
            ValueError: ``limit`` is below 1.
        """
        return Frames(self._bridge, self._decoded(), _checked(limit))

    def packets(self, limit: int = PACKETS) -> TrackPackets:
        """The packets from now on, as ``av.Packet``, without a decoder.

        Each is one picture, or one piece of sound, with its ``pts`` in units of its ``time_base``;
        ``is_keyframe`` tells whether it can be decoded without what was before it. H.264 has start
        codes, and its parameter sets before each such picture. What the other side sends is not
        decoded while there are these and no frames are read; it is asked for a picture that stands
        by itself, and packets begin there.

        Args:
            limit: how many are kept for one who lags.

        Raises:
            MediaError: ``not_encoded``: there are only frames, as of a program or a test signal.
            ValueError: ``limit`` is below 1.
        """
        if self._source.packets is None:
            raise MediaError(
                f"a track of {self.kind} that is made here has frames, and no packets",
                code="not_encoded",
            )
        return TrackPackets(self._bridge, self._source.packets, _checked(limit))

    async def undecoded(self) -> MediaTrack:
        """The same track as one that is sent on as it is, in any number of other calls.

        Waits for its first packet. From then on nothing is decoded while nobody reads the frames
        of this one. Requests of the other sides for keyframes go on to whose track it is.

        Raises:
            MediaError: ``not_encoded``: as for `packets`; ``source_failed``: it has ended.
        """
        if self._source.encoded is not None:
            return self
        packets = self.packets()
        async for _ in packets:
            found = self._source.packets
            if isinstance(found, RemotePackets):
                with suppress(trio.ClosedResourceError):
                    await self._bridge.run(found.hold)
            assert found is not None
            return track_of(self._bridge, found)
        raise MediaError("the track has ended before anything came of it", code="source_failed")

    def _decoded(self) -> Source:
        if self._source.encoded is not None:
            raise MediaError(
                f"a track that was opened encoded has packets of {self._source.encoded}, and no "
                "frames",
                code="only_encoded",
            )
        return self._source


class VideoTrack(MediaTrack):
    """A `MediaTrack` whose frames are pictures."""

    def __aiter__(self) -> VideoFrames:
        return self.frames()

    def frames(self, limit: int = QUEUE_FRAMES) -> VideoFrames:
        """As those of a `MediaTrack`, with the same ``limit``."""
        return VideoFrames(self._bridge, self._decoded(), _checked(limit))


class AudioTrack(MediaTrack):
    """A `MediaTrack` whose frames are sound."""

    def __aiter__(self) -> AudioFrames:
        return self.frames()

    def frames(self, limit: int = QUEUE_FRAMES) -> AudioFrames:
        """As those of a `MediaTrack`, with the same ``limit``."""
        return AudioFrames(self._bridge, self._decoded(), _checked(limit))


def track_of(bridge: Bridge, source: Source) -> VideoTrack | AudioTrack:
    """The track of a source on the loop."""
    return (VideoTrack if source.kind == "video" else AudioTrack)(bridge, source)


def _checked(limit: int) -> int:
    if not isinstance(limit, int):
        raise TypeError(f"limit is an int, not {type(limit).__name__}")
    if limit < 1:
        raise ValueError("limit must be at least 1")
    return limit


class Frames(TrackReader):
    """The frames of a track, for one who iterates: two tasks each take frames of their own.

    Raises:
        MediaError: ``source_failed``: what the track is of has failed, instead of ending.
        trio.BusyResourceError: another task waits for the next of these frames.

    Attributes:
        frames_received: how many came.
        frames_dropped: how many of them were gone before they were asked for.
    """

    @property
    def frames_received(self) -> int:
        return self._reader.received if self._reader else 0

    @property
    def frames_dropped(self) -> int:
        return self._reader.dropped if self._reader else 0

    async def __anext__(self) -> Frame:
        return cast(Frame, await self._take_next())


class VideoFrames(Frames):
    """The `Frames` of a `VideoTrack`."""

    async def __anext__(self) -> VideoFrame:
        return cast(VideoFrame, await super().__anext__())


class AudioFrames(Frames):
    """The `Frames` of an `AudioTrack`."""

    async def __anext__(self) -> AudioFrame:
        return cast(AudioFrame, await super().__anext__())

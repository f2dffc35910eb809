"""Media tracks for programs: frames as async iterators, files and test signals as sources."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Literal, NoReturn, TypeAlias, cast

import av
import trio
from av import AudioFrame, VideoFrame

from ...errors import MediaError
from ...world import world
from ..backend.media.player import NoStream, Player
from ..backend.media.tracks import Reader, Source
from ..bridge.bridge import Bridge, open_bridge

Frame: TypeAlias = VideoFrame | AudioFrame
Kind = Literal["audio", "video"]

QUEUE_FRAMES = 30
"""Frames kept for one who iterates over a track and lags: a second of video."""

READ_SECONDS = 10
"""How long a file, a camera or a server may take for its next data before it counts as gone."""

ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")
"""Where Debian, and most others, have the settings of ALSA."""

TEST_SIGNALS: dict[tuple[Kind, str], str] = {
    ("video", "pattern"): "testsrc2=size=640x480:rate=30",
    ("audio", "tone"): "sine=frequency=440:sample_rate=48000",
}


class MediaTrack:
    """Audio or video, from the other peer or from `open_media`.

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
        if not isinstance(limit, int):
            raise TypeError(f"limit is an int, not {type(limit).__name__}")
        if limit < 1:
            raise ValueError("limit must be at least 1")
        return Frames(self._bridge, self._source, limit)


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


@asynccontextmanager
async def open_media(
    *,
    video: str | os.PathLike[str] | None = None,
    audio: str | os.PathLike[str] | None = None,
    format: str | None = None,  # noqa: A002  # FFmpeg's word
    options: Mapping[str, str] | None = None,
    loop: bool = False,
) -> AsyncIterator[list[MediaTrack]]:
    """Open sources of media, to be sent in calls during the block.

    Args:
        video: a file or URL that has video, such as ``rtsp://camera/stream``; a device, such
            as ``/dev/video0``; or ``"pattern"``: a moving test picture of 640x480 pixels, 30
            times a second.
        audio: a file or URL that has audio, a device such as ``default`` with the format
            ``alsa``, or ``"tone"``: 440 Hz. The same one as for ``video`` is opened once, and
            stays in sync.
        format: FFmpeg's name of the format, where FFmpeg cannot tell: ``v4l2``, ``alsa``,
            ``x11grab``, … That of ``/dev/video…`` is known.
        options: FFmpeg's options for it, such as ``{"rtsp_transport": "tcp"}`` or
            ``{"video_size": "640x480"}``.
        loop: begin again at the end of a file; have a still picture stay.

    Raises:
        MediaError: ``media_not_found``; ``media_unreadable``: it is not media;
            ``media_no_stream``: it is, but has no video or no audio. At the end of the block,
            ``source_failed``: a source could not be read to its end.
    """
    wanted: dict[Kind, str] = {}
    if video is not None:
        wanted["video"] = os.fspath(video)
    if audio is not None:
        wanted["audio"] = os.fspath(audio)
    players: dict[str, Player] = {}
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(open_bridge()) if wanted else None
        tracks: list[MediaTrack] = []
        for kind, name in wanted.items():
            assert bridge is not None
            if name not in players:
                kinds = [kind for kind in wanted if wanted[kind] == name]
                # Opening reads from the disk or the network, where it may wait for ever.
                players[name] = await world().run_in_thread(
                    partial(_open_player, kinds, name, format, options, loop=loop),
                    abandon_on_cancel=True,
                )
            source = Source(players[name].tracks[kind])
            source.timeline = players[name]
            stack.push_async_callback(_stop, bridge, source)
            tracks.append(MediaTrack(bridge, source))
        yield tracks
    for name, player in players.items():
        if player.error is not None:
            raise MediaError(
                f"{name!r} has failed: {_reason(player.error)}", code="source_failed"
            ) from player.error


def _open_player(
    kinds: Sequence[Kind],
    name: str,
    format: str | None,  # noqa: A002
    options: Mapping[str, str] | None,
    *,
    loop: bool,
) -> Player:
    if signal := TEST_SIGNALS.get((kinds[0], name)):
        return Player(signal, kinds, format="lavfi")
    if format is None and name.startswith("/dev/video"):
        format = "v4l2"  # noqa: A001
    if format == "alsa" and ALSA_CONFIG.exists():
        # PyAV's wheel looks for it where it was built.
        os.environ.setdefault("ALSA_CONFIG_PATH", str(ALSA_CONFIG))
    try:
        return Player(
            name, kinds, format=format, options=options, timeout=READ_SECONDS, repeat=loop
        )
    except NoStream as error:
        raise MediaError(str(error), code="media_no_stream") from error
    except FileNotFoundError as error:
        raise MediaError(f"there is no media file {name!r}", code="media_not_found") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            f"{name!r} cannot be read: {_reason(error)}", code="media_unreadable"
        ) from error


def _reason(error: Exception) -> object:
    return getattr(error, "strerror", None) or error


async def _stop(bridge: Bridge, source: Source) -> None:
    # A player that is not stopped dies in its thread, loudly, when the loop closes.
    await bridge.run_to_the_end(source.stop)

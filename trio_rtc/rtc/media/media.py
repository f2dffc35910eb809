"""Files, devices and test signals as sources of media."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import av

from ...errors import MediaError
from ...world import world
from ..backend.media.encoded.encoded_format import NotSendable
from ..backend.media.player import NoStream, Player
from ..backend.media.tracks import Source
from ..bridge.bridge import Bridge, open_bridge
from .track import Kind, MediaTrack, track_of

READ_SECONDS = 10
"""How long a file, a camera or a server may take for its next data before it counts as gone."""

ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")
"""Where Debian, and most others, have the settings of ALSA."""

TEST_SIGNALS: dict[tuple[Kind, str], str] = {
    ("video", "pattern"): "testsrc2=size=640x480:rate=30",
    ("audio", "tone"): "sine=frequency=440:sample_rate=48000",
}


@asynccontextmanager
async def open_media(
    *,
    video: str | os.PathLike[str] | None = None,
    audio: str | os.PathLike[str] | None = None,
    format: str | None = None,  # noqa: A002  # FFmpeg's word
    options: Mapping[str, str] | None = None,
    loop: bool = False,
    encoded: bool = False,
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
        encoded: send what is there as it is, without decoding and encoding it: H.264, VP8, Opus,
            G.722, PCMU or PCMA. Of such a track there are `MediaTrack.packets`, and no frames. A
            peer that asks for a picture that stands by itself gets the next one there is.

    Raises:
        MediaError: ``media_not_found``; ``media_unreadable``: it is not media;
            ``media_no_stream``: it is, but has no video or no audio; ``not_sendable``: it
            cannot be sent ``encoded``. At the end of the block, ``source_failed``: a source could
            not be read to its end.
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
                    partial(_open_player, kinds, name, format, options, loop=loop, encoded=encoded),
                    abandon_on_cancel=True,
                )
            inner = players[name].tracks[kind]
            source = Source(inner, encoded=inner.encoded)
            source.timeline = players[name]
            stack.push_async_callback(_stop, bridge, source)
            tracks.append(track_of(bridge, source))
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
    encoded: bool,
) -> Player:
    signal = TEST_SIGNALS.get((kinds[0], name))
    if signal and encoded:
        raise MediaError(f"{name!r} is made here, and not encoded", code="not_sendable")
    if signal:
        return Player(signal, kinds, format="lavfi")
    if format is None and name.startswith("/dev/video"):
        format = "v4l2"  # noqa: A001
    if format == "alsa" and ALSA_CONFIG.exists():
        # PyAV's wheel looks for it where it was built.
        os.environ.setdefault("ALSA_CONFIG_PATH", str(ALSA_CONFIG))
    try:
        return Player(
            name,
            kinds,
            format=format,
            options=options,
            timeout=READ_SECONDS,
            repeat=loop,
            encoded=encoded,
        )
    except NotSendable as error:
        raise MediaError(
            f"{name!r} cannot be sent encoded: {error}; open it without encoded=True",
            code="not_sendable",
        ) from error
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

"""`record_media`: tracks that are written to files."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

import av

from ...errors import MediaError
from ...world import world
from ..backend.media.recording.formats import find_format, has_number
from ..backend.media.recording.packet_recording import PacketRecording
from ..backend.media.recording.recording import Recording
from ..bridge.bridge import Bridge, open_bridge
from .track import MediaTrack

NUMBER: Final = "{n}"
"""What stands in a name for the first number that is free."""


class Recorder:
    """A file that tracks are recorded to, from `record_media`.

    Attributes:
        path: of the file, with its number if the name had a place for one.
    """

    def __init__(self, bridge: Bridge, recording: Recording | PacketRecording, path: Path):
        self._bridge = bridge
        self._recording = recording
        self.path = path

    @property
    def frames_dropped(self) -> int:
        """How many frames were left out, as evenly as can be, because the encoder lagged."""
        return self._recording.frames_dropped

    async def add_track(self, track: MediaTrack) -> None:
        """Record a track from now on, whenever that is.

        A format for sound only (such as wav) leaves video out, and one for pictures sound.

        Raises:
            MediaError: ``recording_full``: the format takes no more tracks of this kind,
                or has begun without the track; ``not_encoded``: it has no packets, and these are
                recorded.
            trio.ClosedResourceError: the file is finished.
        """
        await self._bridge.run(self._recording.add, track._source)


@asynccontextmanager
async def record_media(
    path: str | os.PathLike[str], *, encoded: bool = False
) -> AsyncIterator[Recorder]:
    """Record tracks to a file, which is finished at the end of the block, also if cancelled.

    The name tells the format: mp4, webm, wav and whatever else FFmpeg can write. ``{n}`` in it
    stands for the first number that no file has: each block makes a file of its own. ``%03d`` in
    that of a picture (png, jpg) stands for the numbers of all pictures; without, the newest is
    kept. If no frame came, there is no file.

    Args:
        path: of the file.
        encoded: write what comes as it is, without a decoder and an encoder: of tracks that have
            `MediaTrack.packets`, added before the file has begun, which is a second after the
            first packet. Formats take the codecs that they take: mkv all of them, webm no H.264.

    Raises:
        MediaError: ``media_unwritable``: at once, if there is no such file or format; at the end
            of the block, if a part of it could not be written.
    """
    async with open_bridge() as bridge:
        recorded, recording = await world().run_in_thread(_open_recording, Path(path), encoded)
        try:
            yield Recorder(bridge, recording, recorded)
        finally:
            await bridge.run_to_the_end(recording.stop)
    if recording.error is not None:
        raise _unwritable(recorded, recording.error) from recording.error


def _open_recording(path: Path, encoded: bool) -> tuple[Path, Recording | PacketRecording]:
    kind = PacketRecording if encoded else Recording
    for candidate in _candidates(path):
        # FFmpeg would only try when the first frame is there.
        file = candidate.with_name(candidate.name % 1) if has_number(candidate) else candidate
        is_new = False
        try:
            existed = file.exists()
            file.open("ab" if candidate == path else "xb").close()
            is_new = not existed
            return candidate, kind(candidate, file, find_format(candidate))
        except FileExistsError:
            continue
        except (av.FFmpegError, OSError, ValueError) as error:
            if is_new:
                file.unlink(missing_ok=True)
            raise _unwritable(candidate, error) from error
    raise AssertionError("numbers have an end")


def _candidates(path: Path) -> Iterator[Path]:
    if NUMBER not in path.name:
        yield path
        return
    for number in count(1):
        yield path.with_name(path.name.replace(NUMBER, str(number)))


def _unwritable(path: Path, error: Exception) -> MediaError:
    reason = getattr(error, "strerror", None) or error
    return MediaError(f"{str(path)!r} cannot be written: {reason}", code="media_unwritable")

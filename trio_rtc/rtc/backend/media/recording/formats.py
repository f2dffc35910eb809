"""Container formats, and the encoders that each can hold, as FFmpeg knows them.

FFmpeg's tables say what a format has by default and what it may have, but not all of that can be
written or read again. So an encoding is tried, in memory, before it is chosen.
"""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
from av import AudioFrame, VideoFrame

FPS: Final = 30
"""Pictures per second that encoders of video are told. Of two with one number they fail."""

SOUND_RATE: Final = 48000

REALTIME: Final = {"libvpx": {"deadline": "realtime", "cpu-used": "12", "lag-in-frames": "0"}}
X264: Final = {"preset": "veryfast", "bf": "0"}
"""Without B-frames: times in order are the same in all containers."""

ORDER: Final = ("video", "audio")
"""Of streams in a file, as some formats want them."""

COVERS: Final = ("png", "mjpeg")
"""Default codecs of video in formats of sound: those of a cover."""

ALIASES: Final = {
    "jpg": "mjpeg",
    "jpeg": "mjpeg",
    "tif": "tiff",
    "tga": "targa",
    "jp2": "jpeg2000",
    "webp": "libwebp",
}
"""Extensions of still pictures that are not the names of their encoders."""

RATES: Final = (48000, 44100, 32000, 24000, 16000, 8000)
OGG: Final = ("ogg", "oga", "ogv")
"""Formats whose default for sound is older than Opus."""

LAYOUTS: Final = ("stereo", "mono")

WITH_PICTURES: Final = (".3gp", ".3g2", ".rm")
"""Extensions whose media type is one of sound, though there may be pictures."""

TRIED_SIZE: Final = (322, 242)
"""One that is nobody's own: a codec for a few sizes only could not take what comes."""


TRIED_FRAMES: Final = 6


@dataclass(frozen=True)
class Encoding:
    """An encoder and what it takes.

    Attributes:
        form: of pictures, FFmpeg's name of the pixel format; of sound, the layout.
        rate: of sound, in samples per second.
    """

    kind: str
    encoder: str
    form: str
    rate: int = 0
    options: tuple[tuple[str, str], ...] = ()

    def add_to(self, container: Any, size: tuple[int, int] = TRIED_SIZE) -> Any:
        """A stream in a container that is written."""
        options = dict(self.options)
        if self.kind == "audio":
            return container.add_stream(
                self.encoder, rate=self.rate, layout=self.form, options=options
            )
        stream = container.add_stream(self.encoder, rate=FPS, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = self.form
        stream.codec_context.time_base = Fraction(1, FPS)
        if self.encoder != "libx264":
            # x264 keeps to a quality by itself; of others the defaults are for postage stamps.
            stream.bit_rate = max(3 * size[0] * size[1], 200_000)
        cores = os.cpu_count() or 1
        if self.encoder == "libvpx":
            # Its threads wait for each other by looking again and again: without a core for each
            # and some to spare they take ten times as long as one alone.
            cores //= 2
        # A call goes on meanwhile.
        stream.codec_context.thread_count = max(min(cores, 4), 1)
        return stream


@dataclass(frozen=True)
class Format:
    """What a file of some name is written as.

    Attributes:
        encodings: by the kind of media, for those kinds that it takes.
        options: for its muxer.
        opens_file: whether the file is of the very name, and not of one like it.
    """

    name: str
    encodings: dict[str, Encoding] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    opens_file: bool = True

    def holds(self, kinds: Sequence[str]) -> bool:
        """Whether there can be tracks of all these kinds in one file."""
        if any(kind not in self.encodings for kind in kinds):
            return False
        if not self.opens_file:
            return len(kinds) == len(set(kinds))
        # What has to have pictures may still get them.
        more = [*kinds, *(self.encodings.keys() - kinds)]
        return any(
            _can_begin(
                self.name, tuple(self.encodings[kind] for kind in sorted(some, key=ORDER.index))
            )
            for some in (kinds, more)
        )

    def ffmpeg_name(self, path: Path) -> str:
        """What FFmpeg is to write to, for a file of this name."""
        if self.name == "image2" and has_number(path):
            # In the name of a folder it is none of a picture.
            folder = str(path.absolute().parent).replace("%", "%%")
            return str(Path(folder, path.name))
        return plain_name(path)


def plain_name(path: Path) -> str:
    """A name for FFmpeg, which takes what is before a colon for a protocol."""
    return str(path.absolute())


def find_format(path: Path) -> Format:
    """The format of a file by its name.

    Raises:
        ValueError: no format has this name, or nothing can be recorded in it.
    """
    with av.open(plain_name(path), "w") as container:
        name = container.format.name
        opens_file = not container.format.no_file
        defaults: dict[str, str] = {
            "video": container.default_video_codec,
            "audio": container.default_audio_codec,
        }
        supported = frozenset(container.supported_codecs)
    options: dict[str, str] = {}
    suffix = path.suffix[1:].lower()
    if name == "image2":
        defaults["video"] = ALIASES.get(suffix, suffix)
        supported = frozenset()
        if not has_number(path):
            options["update"] = "1"
    is_sound = (mimetypes.guess_type(path.name)[0] or "").startswith("audio/")
    is_sound = is_sound and path.suffix.lower() not in WITH_PICTURES
    if defaults["audio"] != "none" and (is_sound or defaults["video"] in COVERS):
        defaults["video"] = "none"
    encodings: dict[str, Encoding] = {}
    # A file may have to have pictures beside its sound.
    for kind, default in [*defaults.items(), *defaults.items()]:
        if kind not in encodings and default != "none":
            beside = tuple(encodings.values())
            encoding = _choose(name, kind, default, supported, beside, tried=opens_file)
            if encoding is not None:
                encodings[kind] = encoding
    if not encodings:
        raise ValueError(f"FFmpeg has no encoder for {suffix!r} files")
    for kind, default in defaults.items():
        if kind not in encodings and default != "none":
            raise ValueError(f"FFmpeg has no encoder for the {kind} of {suffix!r} files")
    return Format(name, encodings, options, opens_file)


def has_number(path: Path) -> bool:
    """Whether a name has a place for the numbers of pictures, such as ``f%03d.png``."""
    try:
        return path.name % 1 != path.name % 2
    except (TypeError, ValueError):
        return False


@cache
def _choose(
    name: str,
    kind: str,
    default: str,
    supported: frozenset[str],
    beside: tuple[Encoding, ...],
    *,
    tried: bool,
) -> Encoding | None:
    for encoder in _encoders(name, kind, default, supported):
        for encoding in _forms(kind, encoder):
            if not tried or _can_write(name, (*beside, encoding)):
                return encoding
    return None


def _encoders(name: str, kind: str, default: str, supported: frozenset[str]) -> Iterator[str]:
    """Those to be tried: what keeps up with a call, and is played everywhere, comes first."""
    if kind == "video" and default in ("vp8", "vp9"):
        yield "libvpx"
    elif kind == "video" and ("h264" in supported or default in ("h264", "mpeg2video")):
        yield "libx264"
    elif default == "opus" or name in OGG:
        yield "libopus"
    elif default in ("ac3", "mp2", "mp3"):
        yield "aac"
    yield default
    yield from sorted(supported)


def _forms(kind: str, name: str) -> Iterator[Encoding]:
    try:
        codec = av.Codec(name, "w")
    except (ValueError, av.FFmpegError):
        return
    if codec.type != kind or codec.experimental:
        return
    if kind == "audio":
        rates = codec.audio_rates or RATES
        for rate in sorted(rates, key=lambda rate: abs(rate - SOUND_RATE))[:3]:
            for layout in LAYOUTS:
                yield Encoding(kind, codec.name, layout, rate)
        return
    forms = [form.name for form in codec.video_formats or ()]
    form = forms[0] if forms else "yuv420p"
    options = X264 if codec.name == "libx264" else REALTIME.get(codec.name, {})
    yield Encoding(kind, codec.name, form, options=tuple(options.items()))


@cache
def _can_write(name: str, encodings: tuple[Encoding, ...]) -> bool:
    """Try to write streams of these encodings to a file in memory, and to read that."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=name) as container:
            streams = [encoding.add_to(container) for encoding in encodings]
            for number in range(TRIED_FRAMES):
                for stream in streams:
                    container.mux(stream.encode(_sample(stream, number)))
            for stream in streams:
                container.mux(stream.encode(None))
    except (av.FFmpegError, OSError, ValueError):
        return False
    file.seek(0)
    try:
        with av.open(file) as container:
            found = [
                stream.codec_context.codec.id
                for stream in container.streams
                if stream.type in ("video", "audio") and stream.codec_context is not None
            ]
    except (av.FFmpegError, OSError, ValueError):
        # It says nothing of itself, or FFmpeg can only write it.
        return True
    return sorted(found) == sorted(av.Codec(encoding.encoder, "w").id for encoding in encodings)


@cache
def _can_begin(name: str, encodings: tuple[Encoding, ...]) -> bool:
    """Try to begin a file in memory with these streams."""
    container = av.open(io.BytesIO(), "w", format=name)
    try:
        for encoding in encodings:
            encoding.add_to(container)
        container.start_encoding()
    except (av.FFmpegError, OSError, ValueError):
        return False
    finally:
        # Some formats cannot end without a frame.
        with suppress(av.FFmpegError, OSError, ValueError):
            container.close()
    return True


def _sample(stream: Any, number: int) -> VideoFrame | AudioFrame:
    frame: VideoFrame | AudioFrame
    if stream.type == "video":
        frame = VideoFrame(*TRIED_SIZE, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = number, Fraction(1, FPS)
    else:
        frame = AudioFrame("s16", "stereo", SOUND_RATE // FPS)
        for sound in frame.planes:
            sound.update(bytes(sound.buffer_size))
        frame.sample_rate = SOUND_RATE
        frame.pts, frame.time_base = number * frame.samples, Fraction(1, SOUND_RATE)
    return frame

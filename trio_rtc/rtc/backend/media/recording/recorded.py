"""Recorded track: pictures of one size and sound without a gap, at their times.

A file counts the samples of sound, and their source has another clock than the times: where they
come apart slowly, sound is drawn out or shortened by a sample at a time.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Protocol

from av import AudioFrame, VideoFrame

from ..encodable import SOUND_RATE, UniformSound, even_size
from ..tracks import blank
from .formats import FPS, Encoding
from .shaping import Fitted

SOUND_TOLERANCE: Final = 0.03
"""Seconds by which sound may be off before it is put right."""

DRIFT_SECONDS: Final = 0.004
"""By how much sound may be off on average before it is drawn out or shortened."""

AVERAGED: Final = 50
"""Over how many frames, for the times of some containers tremble."""

STRETCH: Final = 480
"""Of so many samples one more or less is heard by nobody; clocks are better than that."""

SHORT: Final = 80
"""Samples of a frame that is left as it is."""

LONGEST_SILENCE: Final = 1.0
"""Seconds of silence that are made at a time."""


class Recorded(Protocol):
    """One track, in the thread that encodes it. All times are in seconds of the recording."""

    def convert(self, frame: VideoFrame | AudioFrame, time: float) -> list[VideoFrame | AudioFrame]:
        """What is to be written of a frame; nothing if it has no place."""

    def fill(self, until: float) -> list[VideoFrame | AudioFrame]:
        """What is to be written where nothing came until then."""


class Pictures:
    """Pictures of one size, that of the first, and of times that an encoder tells apart."""

    def __init__(self, first: VideoFrame, encoding: Encoding):
        self.size = even_size(first.width, first.height)
        self._fitted = Fitted(self.size, encoding.form)
        self._last = -1
        self._shown: VideoFrame | None = None

    def convert(self, frame: VideoFrame | AudioFrame, time: float) -> list[VideoFrame | AudioFrame]:
        assert isinstance(frame, VideoFrame)
        number = max(round(time * FPS), 0)
        # Two that come close are next to each other; of more the others are left out.
        if number < self._last:
            return []
        self._last = max(number, self._last + 1)
        picture = self._shown = self._fitted.apply(frame)
        picture.pts, picture.time_base = self._last, Fraction(1, FPS)
        return [picture]

    def fill(self, until: float) -> list[VideoFrame | AudioFrame]:
        """The last picture once more: it is seen until then."""
        number = round(until * FPS)
        if self._shown is None or number <= self._last + FPS // 2:
            return []
        self._last = self._shown.pts = number
        return [self._shown]


class Sound:
    """Sound of one form, with silence where nothing was said."""

    def __init__(self) -> None:
        self._uniform = UniformSound()
        self._end: float | None = None
        self._written = 0
        self._last: AudioFrame | None = None
        self._off = 0.0
        self._is_off = False

    def convert(self, frame: VideoFrame | AudioFrame, time: float) -> list[VideoFrame | AudioFrame]:
        assert isinstance(frame, AudioFrame)
        pieces = self.fill(time - SOUND_TOLERANCE, exactly=time)
        if self._end is None:
            if time < -SOUND_TOLERANCE:
                return []
            self._end = max(time, 0.0)
            self._written = round(self._end * SOUND_RATE)
        elif time < self._end - SOUND_TOLERANCE:
            # There is sound of this time already.
            return pieces
        self._last = frame
        return [*pieces, *self._add(self._stretched(frame, time))]

    def _stretched(self, frame: AudioFrame, time: float) -> AudioFrame:
        """A frame that makes up a little of what the sound is off."""
        assert self._end is not None
        self._off += (time - self._end - self._off) / AVERAGED
        # Once it is, until nothing is left.
        self._is_off = abs(self._off) > (DRIFT_SECONDS / 4 if self._is_off else DRIFT_SECONDS)
        if not self._is_off or frame.samples < SHORT:
            return frame
        count = max(frame.samples // STRETCH, 1) * (1 if self._off > 0 else -1)
        self._off -= count / frame.sample_rate
        return stretched(frame, count)

    def fill(self, until: float, *, exactly: float | None = None) -> list[VideoFrame | AudioFrame]:
        """Silence, if what there is does not reach until then."""
        pieces: list[VideoFrame | AudioFrame] = []
        if self._last is None or self._end is None or until <= self._end:
            return pieces
        until = until if exactly is None else exactly
        self._off = 0.0
        rate = self._last.sample_rate
        while (missing := round(min(until - self._end, LONGEST_SILENCE) * rate)) > 0:
            pieces += self._add(silence(self._last, missing))
        return pieces

    def _add(self, frame: AudioFrame) -> list[VideoFrame | AudioFrame]:
        assert self._end is not None
        self._end += frame.samples / frame.sample_rate
        frame.pts = None
        pieces: list[VideoFrame | AudioFrame] = []
        for piece in self._uniform.convert(frame):
            piece.pts, piece.time_base = self._written, Fraction(1, SOUND_RATE)
            self._written += piece.samples
            pieces.append(piece)
        return pieces


def silence(like: AudioFrame, samples: int) -> AudioFrame:
    """Silence in the form of other sound."""
    frame = AudioFrame(like.format.name, like.layout.name, samples)
    frame.sample_rate = like.sample_rate
    empty = blank(frame)
    assert isinstance(empty, AudioFrame)
    return empty


def stretched(frame: AudioFrame, count: int) -> AudioFrame:
    """A frame with so many samples more, or less, spread over it."""
    longer = AudioFrame(frame.format.name, frame.layout.name, frame.samples + count)
    longer.sample_rate = frame.sample_rate
    channels = 1 if frame.format.is_planar else frame.layout.nb_channels
    size = frame.format.bytes * channels
    parts = abs(count)
    step = frame.samples // parts
    for plane, source in zip(longer.planes, frame.planes, strict=True):
        data = bytes(source)[: frame.samples * size]
        pieces = [data[part * step * size : (part + 1) * step * size] for part in range(parts)]
        pieces[-1] += data[parts * step * size :]
        changed = (piece + piece[-size:] if count > 0 else piece[:-size] for piece in pieces)
        plane.update(b"".join(changed).ljust(plane.buffer_size, b"\0"))
    return longer

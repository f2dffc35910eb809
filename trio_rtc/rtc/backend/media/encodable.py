"""Frame formats that encoders take, whatever a source brings.

aiortc 1.16 stops sending at a frame that its encoder does not take. One for H.264 takes no odd
sizes; one for VP8 no time that goes back; one for sound takes 16 bits, mono or stereo, and always
the same as at first. What an encoder makes of one frame goes out under one time, and so a frame
of sound may have no more than what is in a packet.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from av import AudioFrame, AudioResampler, VideoFrame

SOUND_RATE: Final = 48000
SOUND_SAMPLES: Final = 960
"""20 ms, as much as aiortc's encoders put into a packet."""

SOUND_SECONDS: Final = SOUND_SAMPLES / SOUND_RATE

VIDEO_RATE: Final = 90000
"""Ticks per second of RTP (RFC 7741, section 4.1, and RFC 6184, section 5.1)."""

PICTURES: Final = 30
"""Per second, where their times do not tell."""

SOUND_TOLERANCE: Final = 25
"""The part of a second that times of sound may be off: containers round them, clocks tremble."""


def even(frame: VideoFrame) -> VideoFrame:
    """A picture without an odd size, for colours have half of the resolution."""
    width, height = even_size(frame.width, frame.height)
    if (width, height) == (frame.width, frame.height):
        return frame
    return frame.reformat(width=width, height=height, format="yuv420p")


def even_size(width: int, height: int) -> tuple[int, int]:
    return max(width & ~1, 2), max(height & ~1, 2)


class UniformTimes:
    """Times that only go on, from one frame to the next, whatever those of the source do.

    They are the source's own as long as these go on. At one that does not, such as that of a film
    which begins again or of another source, what comes goes on from the frame before. Sound has
    no gap where nothing is missing.

    Attributes:
        rate: ticks per second, in which these times are.
    """

    def __init__(self) -> None:
        self.rate = VIDEO_RATE
        self._unit = Fraction(1, VIDEO_RATE)
        self._last: int | None = None
        self._end = 0
        self._shift = 0
        self._begins = False

    @property
    def end(self) -> Fraction:
        """That of the last frame, in seconds."""
        return Fraction(self._end, self.rate)

    def begin(self) -> None:
        """The next frame is of another source."""
        self._begins = True

    def stamp(self, frame: VideoFrame | AudioFrame) -> None:
        """Give a frame its time, in the unit of its clock."""
        if isinstance(frame, AudioFrame):
            length, rate, tolerance = frame.samples, frame.sample_rate, SOUND_TOLERANCE
        else:
            length, rate, tolerance = VIDEO_RATE // PICTURES, VIDEO_RATE, 0
        frame.pts = self.place(frame.pts, frame.time_base, rate, length, tolerance)
        frame.time_base = self._unit

    def place(
        self, pts: int | None, unit: Fraction | None, rate: int, length: int, tolerance: int
    ) -> int:
        """The time of what is next, in ticks.

        Args:
            pts: its own time, if it has one.
            unit: of its own time, in seconds.
            rate: ticks per second.
            length: how long it is, in ticks.
            tolerance: by what part of a second its own time may be off; 0 for none.
        """
        self._use(rate)
        time = self._end
        if pts is not None and unit:
            time = _ticks(pts, unit, self.rate) + self._shift
        goes_on = self._last is None or time > self._last
        if self._begins or not goes_on:
            self._begins = False
            self._shift += self._end - time
            time = self._end
        if tolerance and abs(time - self._end) <= rate // tolerance:
            time = self._end
        self._last = time
        self._end = time + length
        return time

    def _use(self, rate: int) -> None:
        if rate != self.rate:
            old, self._unit, self.rate = self._unit, Fraction(1, rate), rate
            self._end = _ticks(self._end, old, rate)
            self._shift = _ticks(self._shift, old, rate)
            if self._last is not None:
                self._last = _ticks(self._last, old, rate)


def _ticks(count: int, unit: Fraction, rate: int) -> int:
    """A time in other units, as near as can be; fractions would take much longer."""
    if unit.denominator == rate and unit.numerator == 1:
        return count
    return (2 * count * unit.numerator * rate + unit.denominator) // (2 * unit.denominator)


class UniformSound:
    """Sound at 48 kHz in pieces of 20 ms, with as many channels as the first frame has."""

    def __init__(self) -> None:
        self._layout = ""
        self._form: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def convert(self, frame: AudioFrame) -> list[AudioFrame]:
        """The pieces that are complete with a frame; the rest is kept for the next one."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if not self._layout:
            self._layout = form[1] if form[1] in ("mono", "stereo") else "stereo"
        if self._resampler is None or self._form != form:
            self._resampler = None
            if form == ("s16", self._layout, SOUND_RATE) and frame.samples == SOUND_SAMPLES:
                return [frame]
            self._resampler = AudioResampler("s16", self._layout, SOUND_RATE, SOUND_SAMPLES)
            self._form = form
        return self._resampler.resample(frame)

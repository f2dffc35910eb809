"""Rates out of statistics: what a call carries a second, now and a minute back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...calls.options import CallStats

KEPT: Final = 60
"""Readings that a plot goes back."""


@dataclass
class Meter:
    """One figure as time goes by.

    Attributes:
        label: what it is of.
        values: the last ones, the newest at the end.
        note: what else there is to say of it now.
    """

    label: str
    values: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    note: str = ""

    @property
    def now(self) -> float:
        """The newest value; 0 before the first."""
        return self.values[-1] if self.values else 0.0


class Meters:
    """Bits a second of a call, of each track, and messages a second of each channel.

    Attributes:
        rates: bits a second; in all, then of each track that there is.
        channels: messages a second, in both directions, of each channel that is open.
    """

    def __init__(self) -> None:
        self._time: float | None = None
        self._counts: dict[str, int] = {}
        self._meters: dict[str, Meter] = {}
        self.rates: Sequence[Meter] = ()
        self.channels: Sequence[Meter] = ()

    def read(self, now: float, stats: CallStats) -> None:
        """Take a reading at a time in seconds; the first one only begins."""
        elapsed = None if self._time is None else now - self._time
        self._time = now
        before = self._counts
        self._counts = {}
        self.rates = [self._meter(before, elapsed, *each) for each in _counters(stats)]
        self.channels = [
            self._meter(
                before,
                elapsed,
                f"channel {channel.id} {channel.label}",
                channel.messages_sent + channel.messages_received,
                f"{channel.messages_sent} sent, {channel.messages_received} received",
                per=1,
            )
            for channel in stats.channels
        ]
        self._meters = {key: meter for key, meter in self._meters.items() if key in self._counts}

    def _meter(
        self,
        before: dict[str, int],
        elapsed: float | None,
        key: str,
        count: int,
        note: str = "",
        per: int = 8,
    ) -> Meter:
        meter = self._meters.setdefault(key, Meter(key))
        meter.note = note
        self._counts[key] = count
        if elapsed and key in before:
            # What is restored after an interruption counts from the beginning.
            meter.values.append(max(0, count - before[key]) * per / elapsed)
        return meter


def _counters(stats: CallStats) -> Iterator[tuple[str, int, str]]:
    yield "sent", stats.bytes_sent, ""
    yield "received", stats.bytes_received, ""
    for number, track in enumerate(stats.tracks):
        lost = f"{track.packets_lost} packets lost" if track.packets_lost else ""
        yield f"{track.kind} {track.direction} {number}", track.bytes, lost


def bitrate(bits: float) -> str:
    """Bits a second for people."""
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if bits < 1000 or unit == "Mbit/s":
            break
        bits /= 1000
    return f"{bits:.0f} {unit}" if unit == "bit/s" else f"{bits:.1f} {unit}"


#: From nothing to everything, for terminals with and without such characters.
BLOCKS: Final = " ▁▂▃▄▅▆▇█"
LETTERS: Final = " .:-=+*#@"


def plot(values: Sequence[float], columns: int, *, blocks: bool) -> str:
    """The last values as a row of bars, the greatest of them being full."""
    shown = list(values)[-columns:] if columns > 0 else []
    marks = BLOCKS if blocks else LETTERS
    top = max(shown, default=0)
    steps = len(marks) - 1
    bars = (marks[0 if not top else max(value > 0, round(value / top * steps))] for value in shown)
    return "".join(bars).rjust(max(columns, 0))

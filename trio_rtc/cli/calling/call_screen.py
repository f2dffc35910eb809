"""A call on a screen: who is there, the way that it takes, and what it carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ...calls.options import CallStats
from ...rtc import CandidateStats
from ...signaling import Peer
from ...text import one_line
from .meters import Meter, Meters, bitrate, plot

LABEL = 18
"""Columns of what stands before a plot."""

FIGURES = 14
"""Columns of what stands after it."""

MIN_PLOT = 8
"""Columns below which a plot says nothing."""


@dataclass(frozen=True)
class CallView:
    """What is shown of a call.

    Attributes:
        peer: who is at the other end.
        seconds: for how long it stands.
        stats: of it now.
        meters: as they stand.
        others: who else is signed in.
    """

    peer: Peer
    seconds: float
    stats: CallStats
    meters: Meters
    others: Iterable[Peer]


def lines(view: CallView, columns: int, *, blocks: bool) -> Iterator[str]:
    """What is shown in so many columns, of which none wraps."""
    stats = view.stats
    minutes, seconds = divmod(int(view.seconds), 60)
    trip = (
        "no answer" if stats.round_trip_time is None else f"{stats.round_trip_time * 1000:.1f} ms"
    )
    yield f"{one_line(str(view.peer), 60)}  {minutes}:{seconds:02}  {stats.state}"
    yield f"{'round trip':{LABEL}}{trip}"
    yield f"{'here':{LABEL}}{end(stats.local_candidate)}"
    yield f"{'there':{LABEL}}{end(stats.remote_candidate)}"
    for meter in view.meters.rates:
        yield _row(meter, bitrate(meter.now), columns, blocks=blocks)
    for meter in view.meters.channels:
        yield _row(meter, f"{meter.now:.0f} msg/s", columns, blocks=blocks)
    others = [one_line(str(peer), 30) for peer in view.others if peer.id != view.peer.id]
    yield f"{'others here':{LABEL}}{', '.join(others) or 'nobody'}"


def _row(meter: Meter, figures: str, columns: int, *, blocks: bool) -> str:
    label = f"{one_line(meter.label, LABEL - 1):{LABEL}}"
    room = columns - LABEL - FIGURES
    bars = plot(meter.values, min(room, 60), blocks=blocks) if room >= MIN_PLOT else ""
    return f"{label}{bars}{figures:>{FIGURES}}{f'  {meter.note}' if meter.note else ''}".rstrip()


def end(candidate: CandidateStats | None) -> str:
    """One end of a pair, for people."""
    if candidate is None:
        return "not known"
    host = f"[{candidate.address}]" if ":" in candidate.address else candidate.address
    return f"{candidate.type} {host}:{candidate.port}"


class CallScreen:
    """A terminal that shows a call, again and again. From `open_call_screen`."""

    def __init__(self, console: Console, live: Live):
        self._console = console
        self._live = live
        self._blocks = console.encoding.lower().replace("-", "") == "utf8"

    def show(self, view: CallView) -> None:
        """Show it as it is now."""
        rows = lines(view, self._console.width, blocks=self._blocks)
        self._live.update(self._on_screen([*rows, "", "Ctrl-C hangs up"]), refresh=True)

    def _on_screen(self, rows: Iterable[str]) -> RenderableType:
        return Group(*(Text(row, no_wrap=True, overflow="crop") for row in rows))


@contextmanager
def open_call_screen() -> Iterator[CallScreen]:
    """Take the whole terminal during the block, and give it back as it was."""
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield CallScreen(console, live)

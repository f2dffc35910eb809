"""The congestion controls on paths of a simple kind, and what they were seen to say there.

``python -m tests.rtc.backend.sctp.machine.recorded`` writes what they say now to
``tests/data/congestion.json``. It is compared to the digit: a difference there is a difference on
the wire, to be made on purpose only, and after the benchmarks of paths.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple

from trio_rtc.rtc.backend.sctp.machine.bbr import Bbr
from trio_rtc.rtc.backend.sctp.machine.congestion import Acknowledged
from trio_rtc.rtc.backend.sctp.machine.cubic import Cubic

FILE: Final = Path(__file__).parents[4] / "data" / "congestion.json"
CONTROLS: Final[dict[str, type[Bbr | Cubic]]] = {"bbr": Bbr, "cubic": Cubic}
PACKET: Final = 1000
EVERY: Final = 20
"""Acknowledgements of which the last is written down."""

Said = list[list[float | None]]


class Sent(NamedTuple):
    """A packet on its way, with what was known when it was sent."""

    at: float
    arrives: float
    delivered: int
    delivered_at: float
    first_sent_at: float
    app_limited: bool
    window_limited: bool
    is_lost: bool


@dataclass
class Course:
    """A path, and what is sent over it; what changes is a function of the time.

    Attributes:
        rate: bytes a second of the link.
        trip: seconds there and back.
        room: bytes that the queue of the link takes.
        wanted: bytes a second that there are to send.
        loses: whether a packet is lost, by its number.
        held: seconds to whose multiples acknowledgements wait, as those of a busy host do.
        events: what else happens, and when.
    """

    seconds: float = 13.0
    rate: Callable[[float], float] = lambda now: 250_000.0
    trip: Callable[[float], float] = lambda now: 0.05
    room: float = inf
    wanted: Callable[[float], float] = lambda now: inf
    loses: Callable[[int], bool] = lambda number: False
    held: float = 0.0
    events: dict[float, str] = field(default_factory=dict)


COURSES: Final = {
    "a path that loses nothing": Course(),
    "a path that loses some": Course(loses=lambda number: number % 71 == 70),
    "a path that loses much": Course(loses=lambda number: number % 13 == 12),
    "a queue of half a product": Course(room=6_000.0),
    "a queue of four products": Course(room=50_000.0),
    "a link that becomes faster, and slower": Course(
        rate=lambda now: 100_000.0 if now < 4 else 600_000.0 if now < 8 else 60_000.0,
        room=30_000.0,
    ),
    "a way that becomes longer": Course(trip=lambda now: 0.03 if now < 4 else 0.2, seconds=16.0),
    "a way that becomes shorter": Course(trip=lambda now: 0.15 if now < 5 else 0.04),
    "little to send, then much": Course(
        wanted=lambda now: 5_000.0 if now < 3 or 6 < now < 7 else inf,
        events={3.0: "idle", 7.0: "idle"},
    ),
    "acknowledgements that come at once": Course(held=0.08),
    "within a room": Course(trip=lambda now: 0.0005, rate=lambda now: 2_000_000.0, seconds=1.0),
    "within a room that becomes busy": Course(
        trip=lambda now: 0.0005 if now < 1 else 0.12, rate=lambda now: 400_000.0, seconds=4.0
    ),
    "timeouts, of which one was none": Course(
        events={2.0: "timed_out", 2.01: "undo", 4.0: "timed_out", 6.0: "forget", 8.0: "undo"}
    ),
    "a loss that was none": Course(
        loses=lambda number: number in (300, 700), events={1.4: "undo", 9.0: "undo", 12.0: "idle"}
    ),
}  # fmt: skip


def play(control: Bbr | Cubic, course: Course) -> Iterator[tuple[float, float | None]]:
    """What the control says after each acknowledgement."""
    now = free = next_at = 0.0
    number = delivered = in_flight = limited_until = 0
    delivered_at = first_sent_at = 0.0
    sent: deque[Sent] = deque()
    smoothed, variation, shortest = 0.0, 0.0, inf
    credit = 2.0 * PACKET
    events = deque(sorted(course.events.items()))
    while now < course.seconds:
        while events and events[0][0] <= now:
            call: Any = getattr(control, events.popleft()[1])
            names = {"timed_out": (now,), "idle": (now,)}
            call(*names.get(call.__name__, ()))
        may = credit >= PACKET
        fits = in_flight + PACKET <= control.window or not sent
        if may and fits and next_at <= now:
            if not sent:
                first_sent_at = delivered_at = now
            rate = course.rate(now)
            is_lost = course.loses(number) or max(free - now, 0.0) * rate > course.room
            if not is_lost:
                free = max(free, now) + PACKET / rate
            arrives = (now if is_lost else free) + course.trip(now)
            if course.held:
                arrives = (arrives // course.held + 1) * course.held
            if sent:
                arrives = max(arrives, sent[-1].arrives)
            sent.append(
                Sent(now, arrives, delivered, delivered_at, first_sent_at,
                     delivered < limited_until, in_flight + 2 * PACKET > control.window, is_lost)
            )  # fmt: skip
            number += 1
            in_flight += PACKET
            credit -= PACKET
            if control.rate:
                next_at = max(next_at, now - 0.001) + PACKET / control.rate
            continue
        if not may:
            limited_until = delivered + max(in_flight, 1)
        # The next thing that happens.
        wants = course.wanted(now)
        later = [sent[0].arrives] if sent else []
        later += [next_at] if may and fits else []
        later += [now + max(PACKET - credit, 1.0) / wants] if not may else []
        then = max(min(later), now + 1e-6)
        credit = min(credit + (then - now) * wants, 2.0 * PACKET)
        now = then
        arrived: list[Sent] = []
        lost = 0
        while sent and sent[0].arrives <= now and len(arrived) + lost < (64 if course.held else 2):
            packet = sent.popleft()
            in_flight -= PACKET
            if packet.is_lost:
                lost += 1
            else:
                arrived.append(packet)
        if lost:
            control.lost(now, in_flight)
        if not arrived:
            continue
        newest = arrived[-1]
        size = len(arrived) * PACKET
        delivered += size
        trip = now - newest.at
        shortest = min(shortest, trip)
        variation += (abs(trip - smoothed) - variation) / 4 if smoothed else trip / 2
        smoothed += (trip - smoothed) / 8 if smoothed else trip
        span = max(newest.at - newest.first_sent_at, now - newest.delivered_at)
        rate = (delivered - newest.delivered) / span if span >= shortest else 0.0
        delivered_at, first_sent_at = now, newest.at
        control.acknowledged(
            Acknowledged(
                now=now,
                size=size,
                delivered=delivered,
                sent_with=newest.delivered,
                rate=rate,
                app_limited=newest.app_limited,
                trip=None if number % 50 == 0 else trip,
                shortest=shortest,
                smoothed=smoothed,
                variation=variation,
                in_flight=in_flight,
                window_limited=newest.window_limited,
                lost=lost * PACKET,
                largest_packet=PACKET,
            )
        )
        yield control.window, control.rate


def said(control: str, course: str) -> Said:
    """What was said at each so many acknowledgements: the window, and the rate."""
    everything = list(play(CONTROLS[control](PACKET), COURSES[course]))
    return [
        [window, None if rate is None else float(f"{rate:.9g}")]
        for window, rate in everything[::EVERY]
    ]


def recorded() -> dict[str, dict[str, Said]]:
    known: dict[str, dict[str, Said]] = json.loads(FILE.read_text())
    return known


def main() -> None:
    everything = {
        control: {course: said(control, course) for course in COURSES} for control in CONTROLS
    }
    FILE.write_text(json.dumps(everything, separators=(",", ":")).replace('],"', '],\n"') + "\n")


if __name__ == "__main__":
    main()

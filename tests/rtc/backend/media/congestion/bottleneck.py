"""Video through a bottleneck, in time that passes at once: the machines of both sides.

A camera makes 30 pictures a second, an encoder makes them as large as it is told, give or take,
with a keyframe when its rate changes much; they are paced, go through a wire with a rate and a
queue, and what is lost is sent again when it is told. The other side gives feedback. Either side's
process may be held up for a while, by others on its machine: it then does late what was due.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from random import Random
from typing import Final

from trio_rtc.rtc.backend.media.bitrate import LEAST_FALL, LEAST_RISE
from trio_rtc.rtc.backend.media.congestion.arrival_record import INTERVAL, ArrivalRecord
from trio_rtc.rtc.backend.media.congestion.bandwidth_estimate import BandwidthEstimate
from trio_rtc.rtc.backend.media.congestion.media_pacer import MediaPacer
from trio_rtc.rtc.backend.media.congestion.media_path import BEHIND
from trio_rtc.rtc.backend.media.congestion.sent_packets import SentPackets
from trio_rtc.rtc.backend.media.congestion.transport_feedback import TransportFeedback
from trio_rtc.testing import Link
from trio_rtc.testing.network.network_link import LinkDirection

FPS: Final = 30
PAYLOAD: Final = 1200
OVERHEAD: Final = 50
"""Bytes of RTP, SRTP, UDP and IP around a payload."""

KEYFRAME: Final = 5.0
"""Times as large as others."""


@dataclass
class Flow:
    """What one sender did, and what became of it."""

    begin: float = 0.0
    most: float = 20e6
    rates: list[tuple[float, float]] = field(default_factory=list)
    arrived: list[tuple[float, int]] = field(default_factory=list)
    delays: list[tuple[float, float]] = field(default_factory=list)
    pictures: dict[int, float] = field(default_factory=dict)
    lost: int = 0
    sent: int = 0
    left_out: int = 0

    def share(self, rate: float, begin: float, end: float) -> float:
        """The share of a rate that arrived in a time."""
        bits = sum(8 * size for at, size in self.arrived if begin <= at < end)
        return bits / (rate * (end - begin))

    def standstill(self, begin: float) -> float:
        """The longest time without a new picture, in the order of pictures."""
        shown = 0.0
        times = []
        for number in sorted(self.pictures):
            shown = max(shown, self.pictures[number])
            times.append(shown)
        return max(b - a for a, b in pairwise(t for t in times if t >= begin))

    def queueing(self, begin: float, share: float = 0.95) -> float:
        """The delay in the queue that this share of packets does not exceed."""
        delays = sorted(delay for at, delay in self.delays if at >= begin)
        return delays[int(share * (len(delays) - 1))]


class Process:
    """One that runs, but for the times in which it is held up.

    Args:
        pauses: when each begins and ends, in order.
    """

    def __init__(self, pauses: Iterable[tuple[float, float]] = ()):
        self._pauses = iter(pauses)
        self._pause = next(self._pauses, None)

    def goes_on(self, now: float) -> float:
        """When it is not held up any more."""
        while self._pause is not None and self._pause[1] <= now:
            self._pause = next(self._pauses, None)
        return now if self._pause is None or now < self._pause[0] else self._pause[1]


def on_a_busy_machine(seed: int, slices: float = 0.02, waits: float = 0.03) -> Process:
    """A process that runs for so many seconds, and then waits for others, on average."""
    return Process(_waits(Random(seed), slices, waits))


def _waits(chance: Random, slices: float, waits: float) -> Iterator[tuple[float, float]]:
    end = 0.0
    while True:
        begin = end + chance.expovariate(1 / slices)
        end = begin + chance.expovariate(1 / waits)
        yield begin, end


class Bottleneck:
    """A wire, and the flows on it."""

    def __init__(self, link: Link, seed: int = 1):
        self.chance = Random(seed)
        self.wire = LinkDirection(link, Random(seed))
        self.now = 0.0
        self._due: list[tuple[float, int, Process, Callable[[], None]]] = []
        self._count = itertools.count()

    def at(self, time: float, process: Process, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._count), process, do))

    def run(self, until: float) -> None:
        while self._due and self._due[0][0] < until:
            self.now, number, process, do = heapq.heappop(self._due)
            goes_on = process.goes_on(self.now)
            if goes_on > self.now:
                # What else is late is still to be done in the order in which it was due.
                heapq.heappush(self._due, (goes_on, number, process, do))
            else:
                do()

    def add(
        self, flow: Flow, sender: Process | None = None, receiver: Process | None = None
    ) -> Flow:
        Sending(self, flow, sender or Process(), receiver or Process())
        return flow


class Sending:
    """A sender and its receiver."""

    def __init__(self, net: Bottleneck, flow: Flow, sender: Process, receiver: Process):
        self.net, self.flow = net, flow
        self.sender, self.receiver = sender, receiver
        self.estimate = BandwidthEstimate()
        self.pacer = MediaPacer(self.estimate.rate)
        self.sent, self.record = SentPackets(), ArrivalRecord(1)
        self.encoded_at = 1.0
        self.picture = 0
        self.is_sending = False
        self.missing: dict[int, int] = {}
        net.at(flow.begin, sender, self.make)
        net.at(flow.begin + INTERVAL, receiver, self.tell)

    def make(self) -> None:
        """A picture, if the one before it has gone."""
        net = self.net
        net.at(net.now + 1 / FPS, self.sender, self.make)
        self.estimate.be_without(net.now)
        self.pacer.follow(self.estimate.rate)
        self.flow.rates.append((net.now, self.estimate.rate))
        if self.pacer.backlog(net.now) > BEHIND:
            self.flow.left_out += 1
            return
        target = min(self.estimate.rate, self.flow.most)
        is_key = not LEAST_FALL < target / self.encoded_at < LEAST_RISE
        if is_key:
            self.encoded_at = target
        size = self.encoded_at / 8 / FPS * net.chance.uniform(0.6, 1.4)
        size *= KEYFRAME if is_key else 1
        self.picture += 1
        count = max(round(size / PAYLOAD), 1)
        self.missing[self.picture] = count
        for _ in range(count):
            length = min(int(size), PAYLOAD) + OVERHEAD
            self.queue(self.picture, length)

    def queue(self, picture: int, size: int) -> None:
        self.pacer.add(picture.to_bytes(4) + bytes(size - 4), self.net.now)
        if not self.is_sending:
            self.send_due()

    def send_due(self) -> None:
        net = self.net
        while (packet := self.pacer.take(net.now)) is not None:
            self.send(int.from_bytes(packet[:4]), len(packet))
        wait = self.pacer.wait(net.now)
        self.is_sending = wait is not None
        if wait is not None:
            net.at(net.now + wait, self.sender, self.send_due)

    def send(self, picture: int, size: int) -> None:
        net = self.net
        number = self.sent.add(size, net.now)
        self.flow.sent += 1
        passage = net.wire.send(size, net.now)
        if not passage.arrivals:
            self.flow.lost += 1
            # It is asked for when the next one has come, and goes at once.
            again = net.now + 2 * net.wire.link.delay + 0.05
            net.at(again, self.sender, lambda: self.queue(picture, size))
            return
        began, delay = net.now, net.wire.link.delay
        receive = partial(self.receive, number, picture, size, began + delay)
        net.at(passage.arrivals[0], self.receiver, receive)

    def receive(self, number: int, picture: int, size: int, soonest: float) -> None:
        now = self.net.now
        self.record.add(number, 9, now)
        self.flow.arrived.append((now, size))
        self.flow.delays.append((now, now - soonest))
        self.missing[picture] -= 1
        if not self.missing[picture]:
            self.flow.pictures[picture] = now

    def tell(self) -> None:
        net = self.net
        net.at(net.now + INTERVAL, self.receiver, self.tell)
        for feedback in self.record.feedback(net.now):
            net.at(net.now + net.wire.link.delay, self.sender, partial(self.hear, feedback))

    def hear(self, feedback: TransportFeedback) -> None:
        self.estimate.take(self.sent.take(feedback), self.net.now)

"""A network of two hosts in virtual time, and the halves of two associations back to back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from struct import Struct
from typing import Any, Final

from trio_rtc.rtc.backend.sctp.interleaved_stream import (
    InterleavedStream,
    parse_i_data,
    parse_i_forward_tsn,
)
from trio_rtc.rtc.backend.sctp.machine.bbr import Bbr
from trio_rtc.rtc.backend.sctp.machine.data_sender import Sender
from trio_rtc.rtc.backend.sctp.machine.outbound import (
    DATA,
    FORWARD_TSN,
    I_DATA,
    I_FORWARD_TSN,
    PACKET_COST,
    UserMessage,
)
from trio_rtc.rtc.backend.sctp.machine.received import SACK, Received, SackPolicy, parse_sack

CHUNK: Final = Struct("!BBH")
TSN: Final = Struct("!L")
SMALLEST_QUEUE: Final = 15 * 1500
PACKET: Final = 1412
FIRST_TSN: Final = 2**32 - 1000


@dataclass
class Link:
    """One direction: a bottleneck with a queue that drops its tail, and a wire behind it.

    Args:
        rate: bytes a second; None if there is no bottleneck.
        delay: seconds.
        queue: bytes that wait at most; a bandwidth-delay product by default.
        loss, duplicates: shares of packets.
        jitter: seconds that a packet takes longer at most.
    """

    rate: float | None
    delay: float
    seed: int = 1
    queue: float | None = None
    loss: float = 0.0
    jitter: float = 0.0
    duplicates: float = 0.0
    dropped: int = 0
    lost: int = 0
    packets: int = 0
    waited: float = 0.0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._free_at = 0.0
        #: Of each packet, whether to lose it; instead of chance.
        self.loses: Callable[[int], bool] | None = None

    def arrivals(self, now: float, size: int) -> list[float]:
        """When a packet arrives that is sent now."""
        number, self.packets = self.packets, self.packets + 1
        if self.rate is not None:
            wait = max(0.0, self._free_at - now)
            limit = self.rate * 2 * self.delay if self.queue is None else self.queue
            if wait * self.rate + size > max(limit, SMALLEST_QUEUE):
                self.dropped += 1
                return []
            self._free_at = now + wait + size / self.rate
            self.waited += wait
            now = self._free_at
        lose = self.loses(number) if self.loses else self._chance.random() < self.loss
        if lose:
            self.lost += 1
            return []
        arrival = now + self.delay
        if self.jitter:
            arrival += self._chance.random() * self.jitter
        doubled = self.duplicates and self._chance.random() < self.duplicates
        return [arrival, arrival] if doubled else [arrival]

    @property
    def mean_wait(self) -> float:
        return self.waited / max(1, self.packets)


class Host:
    """A sender, and the receiver for the other's.

    Attributes:
        arrived: bytes of DATA chunks that came once.
        log: the times at which each stream's messages were complete, if they are one chunk long,
            or interleaved.
        messages: of each stream, if they are interleaved.
    """

    def __init__(self, *, tsn: int, peer_tsn: int, control: Any, most: int, packet: int):
        self.sender = Sender(tsn, control, peer_window=16 << 20, packet_size=packet)
        self.sender.trips.floor = 0.2
        self.received = Received(peer_tsn - 1)
        self.policy = SackPolicy(most)
        self.advertised = 16 << 20
        self.arrived = 0
        self.chunks = 0
        self.log: list[tuple[float, int]] = []
        self.streams: dict[int, InterleavedStream] = {}
        self.messages: dict[int, list[bytes]] = {}

    def _complete(self, now: float, stream: int, messages: Iterable[tuple[int, bytes]]) -> None:
        for protocol, message in messages:
            assert protocol == 53
            self.messages.setdefault(stream, []).append(message)
            self.log.append((now, stream))

    def _receive_i_data(self, flags: int, body: bytes, now: float) -> None:
        fragment = parse_i_data(flags, body)
        assert fragment is not None
        number = fragment.stream
        stream = self.streams.setdefault(number, InterleavedStream())
        if not self.received.add(fragment.tsn):
            return
        self.arrived += len(fragment.data)
        self.chunks += 1
        if stream.is_next(fragment):
            stream.passed(fragment)
            self._complete(now, number, [(fragment.protocol, fragment.data)])
        else:
            stream.add(fragment)
            self._complete(now, number, stream.complete(fragment))

    def _pass_over(self, body: bytes, now: float) -> None:
        self.received.pass_over(TSN.unpack_from(body)[0])
        for (number, ordered), message in parse_i_forward_tsn(body).items():
            stream = self.streams.setdefault(number, InterleavedStream())
            self._complete(now, number, stream.pass_over(message, ordered=ordered)[1])

    def receive(self, packet: bytes, now: float) -> None:
        at, end, has_data, at_once = 0, len(packet), False, False
        while at < end:
            kind, flags, length = CHUNK.unpack_from(packet, at)
            body = at + CHUNK.size
            if kind == DATA:
                has_data = True
                if self.received.add(TSN.unpack_from(packet, body)[0]):
                    self.arrived += length - 16
                    self.chunks += 1
                    stream = int.from_bytes(packet[body + 4 : body + 6], "big")
                    if stream:
                        self.log.append((now, stream))
            elif kind == I_DATA:
                has_data = True
                self._receive_i_data(flags, packet[body : at + length], now)
            elif kind == I_FORWARD_TSN:
                has_data = at_once = True
                self._pass_over(packet[body : at + length], now)
            elif kind == FORWARD_TSN:
                has_data = at_once = True
                self.received.pass_over(TSN.unpack_from(packet, body)[0])
            elif kind == SACK:
                sack = parse_sack(packet[at + 4 : at + length])
                assert sack is not None
                self.sender.acknowledge(*sack, now)
            at += length + -length % 4
        if has_data:
            at_once = at_once or self.received.has_news
            self.policy.arrived(now, size=len(packet), at_once=at_once)

    def packets(self, now: float) -> list[bytes]:
        sent = []
        while (packet := self.sender.next_packet(now)) is not None:
            sent.append(packet)
        if self.policy.due is not None and self.policy.due <= now:
            self.policy.acknowledged()
            sent.append(self.received.sack(self.advertised, 1200))
        return sent

    def deadline(self) -> float | None:
        times = [at for at in (self.sender.deadline(), self.policy.due) if at is not None]
        return min(times, default=None)


class Network:
    """Two hosts, and a link each way."""

    def __init__(
        self,
        there: Link,
        back: Link,
        *,
        control: Callable[[int], Any] = Bbr,
        most: int = 8,
        packet: int = PACKET,
        interleaves: bool = False,
    ):
        other = FIRST_TSN + 12345
        size = packet + PACKET_COST
        self.now = 0.0
        self.links = there, back
        self.hosts = (
            Host(tsn=FIRST_TSN, peer_tsn=other, control=control(size), most=most, packet=packet),
            Host(tsn=other, peer_tsn=FIRST_TSN, control=control(size), most=most, packet=packet),
        )
        if interleaves:
            for host in self.hosts:
                host.sender.interleave()
        self._events: list[tuple[float, int, int, Any]] = []
        self._timers: list[float | None] = [None, None]
        self._count = 0

    def at(self, when: float, call: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._events, (when, self._count, -1, call))

    def kick(self, side: int) -> None:
        """Send what there is to send."""
        host = self.hosts[side]
        for packet in host.packets(self.now):
            size = len(packet) + PACKET_COST
            for arrival in self.links[side].arrivals(self.now, size):
                self._count += 1
                heappush(self._events, (arrival, self._count, 1 - side, packet))
        due = host.deadline()
        timer = self._timers[side]
        if due is not None and (timer is None or due < timer):
            self._timers[side] = due = max(due, self.now)
            self._count += 1
            heappush(self._events, (due, self._count, side, None))

    @property
    def next_at(self) -> float:
        """When something happens next."""
        return self._events[0][0] if self._events else inf

    def run(self, until: float, done: Callable[[], bool] | None = None) -> None:
        while self.next_at <= until:
            self.now, _, side, packet = heappop(self._events)
            if side < 0:
                packet()
            elif packet is None:
                if self._timers[side] != self.now:
                    continue
                self._timers[side] = None
                self.hosts[side].sender.wake(self.now)
                self.kick(side)
            else:
                self.hosts[side].receive(packet, self.now)
                self.kick(side)
            if done is not None and done():
                return
        self.now = until


def pour(network: Network, side: int, size: int = 64 * 1024, stream: int = 0) -> None:
    """Have a host send as much as it can, from now on."""
    sender = network.hosts[side].sender
    data = bytes(size)

    def top_up() -> None:
        while sender.queue.size < max(256 * 1024, 2 * size):
            sender.send(UserMessage(stream, 53, data), network.now)
        network.at(network.now + 0.005, top_up)
        network.kick(side)

    top_up()


def path(
    rate: float | None, trip: float, *, loss: float = 0.0, jitter: float = 0.0, **options: Any
) -> Network:
    """The same both ways, each with half the trip."""
    bytes_rate = rate and rate * 1e6 / 8
    there, back = (Link(bytes_rate, trip / 2, seed, loss=loss, jitter=jitter) for seed in (1, 2))
    return Network(there, back, **options)


def run_together(until: float, *networks: Network) -> None:
    """Let several run that share links."""
    while (first := min(networks, key=lambda network: network.next_at)).next_at <= until:
        first.run(first.next_at)
    for network in networks:
        network.now = until

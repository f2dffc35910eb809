"""Packets that are sent again: once a round trip, and no more where a queue is what takes long."""

from __future__ import annotations

import heapq
import itertools
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from aiortc.rtp import RTP_HISTORY_SIZE

from trio_rtc.rtc.backend.media.congestion import media_path
from trio_rtc.rtc.backend.media.congestion.arrival_record import ArrivalRecord
from trio_rtc.rtc.backend.media.congestion.media_path import ROUND_TRIP_KEPT, MediaPath
from trio_rtc.rtc.backend.media.receiving.nack import FIRST_ROUND_TRIP, RetransmissionRequests
from trio_rtc.rtc.backend.media.retransmissions import (
    FIRST_WAIT,
    LONGEST_WAIT,
    RetransmissionLimit,
)
from trio_rtc.testing import Link
from trio_rtc.testing.network.network_link import LinkDirection

from ...virtual import in_virtual_time
from .test_received_pictures import take, video


def test_a_packet_is_sent_again_once_a_round_trip() -> None:
    limit = RetransmissionLimit()
    assert limit.admit(7, 0.5, 10.0)
    assert not limit.admit(7, 0.5, 10.499)
    assert limit.admit(8, 0.5, 10.499)
    assert limit.admit(7, 0.5, 10.5)
    assert not limit.admit(7, 0.5, 10.999)
    # The round trip of now counts, not that of then.
    assert limit.admit(7, 0.2, 10.999)
    assert not limit.admit(7, 0.8, 11.5)


def test_without_a_round_trip_each_wait_is_twice_the_last() -> None:
    limit = RetransmissionLimit()
    now = 0.0
    assert limit.admit(7, None, now)
    for wait in (FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT, 16 * FIRST_WAIT):
        assert not limit.admit(7, None, now + wait - 0.001)
        now += wait + 0.001
        assert limit.admit(7, None, now)
    assert not limit.admit(7, None, now + LONGEST_WAIT - 0.001)


@pytest.mark.parametrize("round_trip", [None, 60.0])
def test_a_number_that_comes_again_is_that_of_another_packet(round_trip: float | None) -> None:
    limit = RetransmissionLimit()
    assert limit.admit(7, round_trip, 0.0)
    assert limit.admit(7, round_trip, LONGEST_WAIT)
    assert limit.admit(7 + RTP_HISTORY_SIZE, round_trip, LONGEST_WAIT)


class Impatient(RetransmissionRequests):
    """Those of another stack, which asks again at once when 100 ms are over."""

    @property
    def interval(self) -> float:
        return FIRST_ROUND_TRIP


class Viewing:
    """A stream of 100 kbit/s that goes to one viewer.

    Args:
        link: that of the viewer.
        requests: those of the viewer.
        limit: that of the sender.
    """

    SIZE, INTERVAL, FEEDBACK, LOOK = 500, 0.04, 0.1, 0.01

    def __init__(self, link: Link, requests: RetransmissionRequests, limit: RetransmissionLimit):
        self.wire = LinkDirection(link, Random(1))
        self.requests, self.limit = requests, limit
        self.now = self._newest = 0.0
        self.delays: list[tuple[float, float]] = []
        self._round_trip: float | None = None
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._at(0.0, partial(self._make, 0))
        self._at(0.0, self._look)

    def _at(self, time: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._count), do))

    def run(self, until: float) -> None:
        while self._due[0][0] < until:
            self.now, _, do = heapq.heappop(self._due)
            do()

    def tell(self) -> None:
        """Give feedback, now and from time to time."""
        newest = self._newest
        self._at(self.now + self.FEEDBACK, self.tell)
        self._at(self.now + self.wire.link.delay, lambda: self._hear(newest))

    def behind(self, begin: float, end: float) -> float:
        """Seconds from making a packet to its arrival: the median of those of a time."""
        return statistics.median(delay for made, delay in self.delays if begin <= made < end)

    def _make(self, number: int) -> None:
        self._send(number)
        self._at((number + 1) * self.INTERVAL, partial(self._make, number + 1))

    def _send(self, number: int) -> None:
        for arrival in self.wire.send(self.SIZE, self.now).arrivals:
            self._at(arrival, partial(self._receive, number, self.now))

    def _receive(self, number: int, sent: float) -> None:
        self._newest = max(self._newest, sent)
        made = number * self.INTERVAL
        self.delays.append((made, self.now - made))
        self._ask(self.requests.receive(number, self.now))

    def _look(self) -> None:
        self._at(self.now + self.LOOK, self._look)
        self._ask(self.requests.take(self.now))

    def _ask(self, numbers: list[int]) -> None:
        for number in numbers:
            self._at(self.now + self.wire.link.delay, partial(self._answer, number))

    def _answer(self, number: int) -> None:
        if self.limit.admit(number, self._round_trip, self.now):
            self._send(number)

    def _hear(self, newest: float) -> None:
        self._round_trip = self.now - newest


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("requests", [RetransmissionRequests, Impatient])
def test_a_viewer_whose_link_was_slow_for_a_while_catches_up(
    requests: type[RetransmissionRequests], *, is_told: bool
) -> None:
    """Packets are lost all the time, and what is sent again too often would fill the link."""
    link = Link(rate=2e5, delay=0.025, loss=0.15)
    viewing = Viewing(link, requests(), RetransmissionLimit())
    if is_told:
        viewing.tell()
    viewing.run(10)
    assert viewing.behind(0, 10) < 0.1
    viewing.wire.link = replace(link, rate=7e4)
    viewing.run(14)
    viewing.wire.link = link
    viewing.run(50)
    assert viewing.behind(10, 14) > 0.5
    assert viewing.behind(40, 48) < 0.1


def test_the_round_trip_of_a_path_is_that_of_its_last_feedback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    loop = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr(media_path, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    transport: Any = None
    path, record = MediaPath(transport), ArrivalRecord(1)
    assert path.round_trip is None
    for sent, arrived in ((100.0, 100.1), (101.0, 101.4)):
        # The newest of two counts.
        record.add(path._sent.add(1000, sent - 0.05), 9, arrived - 0.01)
        record.add(path._sent.add(1000, sent), 9, arrived)
        now = arrived + 0.1
        for feedback in record.feedback(arrived):
            assert path.received_rtcp(bytes(feedback)) == b""
        assert path.round_trip == pytest.approx(now - sent)
    now += ROUND_TRIP_KEPT + 0.001
    assert path.round_trip is None


@in_virtual_time
async def test_a_sender_sends_a_packet_again_once_a_round_trip_of_its_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = 0
    monkeypatch.setattr(MediaPath, "round_trip", 0.5)

    async def count(data: bytes) -> None:
        nonlocal sent
        sent += 1

    async with video() as (track, alice, _):
        await take(track, 5)
        [sender] = alice.connection._loop_connection._pc.getSenders()
        private: Any = sender
        [*_, last] = private._RTCRtpSender__rtp_history.values()

        async def ask() -> None:
            # None of this waits for anything: no other packet is sent meanwhile.
            send = private.transport._send_rtp
            private.transport._send_rtp = count
            for _ in range(3):
                await private._retransmit(last.sequence_number)
            private.transport._send_rtp = send

        for wait, times in ((0, 1), (0.3, 1), (0.3, 2)):
            await trio.sleep(wait)
            await alice.connection._bridge.run(ask)
            assert sent == times

"""Which source a track is received from, who gets its packets, and what is reported of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtp import RtcpByePacket, RtpPacket

from trio_rtc.rtc.backend.media.receiving import router
from trio_rtc.rtc.backend.media.receiving.reception import Reception
from trio_rtc.rtc.backend.media.receiving.source import SILENT_SECONDS, ActiveSource


def test_one_takes_over_from_the_other_and_its_numbers_are_far_from_there() -> None:
    source = ActiveSource()
    assert [source.accept(1, n, 0.0) for n in (65_535, 0, 1)] == [65_535, 65_536, 65_537]
    first = source.accept(2, 7, 0.01)
    assert first is not None
    assert first > 65_537 + 3000
    # The bits that go over the wire are what they were.
    assert first & 0xFFFF == 7
    assert source.accept(2, 8, 0.02) == first + 1
    # A straggler of the one before takes nothing back.
    assert source.accept(1, 2, 0.03) is None
    assert source.ssrc == 2


@pytest.mark.parametrize("goodbye", [True, False])
def test_one_that_was_there_before_comes_back_after_a_goodbye_or_a_while(goodbye: bool) -> None:
    source = ActiveSource()
    source.accept(1, 10, 0.0)
    source.accept(2, 20, 1.0)
    assert source.accept(1, 11, 1.1) is None
    if goodbye:
        assert source.leave(2) is True
    again = source.accept(1, 12, 1.15 if goodbye else 1.21)
    assert again is not None
    assert source.accept(1, 13, 1.3) == again + 1


def test_it_is_silent_after_so_long_and_no_sooner() -> None:
    source = ActiveSource()
    source.accept(1, 10, 0.0)
    source.accept(2, 20, 1.0)
    assert source.accept(1, 11, 1.0 + SILENT_SECONDS - 0.001) is None
    assert source.accept(1, 11, 1.0 + SILENT_SECONDS) is not None


def test_a_goodbye_in_any_order() -> None:
    source = ActiveSource()
    # Before there was anything, of another one, and of the one that goes on all the same.
    assert source.leave(1) is False
    assert source.accept(1, 10, 0.0) == 10
    assert not source.leave(9)
    assert source.leave(1)
    assert source.accept(1, 11, 0.1) == 11
    # That of the one before comes after its successor.
    assert source.accept(2, 20, 0.2) is not None
    assert not source.leave(1)
    assert source.accept(2, 21, 0.3) is not None


@pytest.mark.parametrize("number", [40_000, 60, 1011, 10, 5, 65_000])
def test_numbers_that_begin_again_after_a_goodbye_are_believed_at_once(number: int) -> None:
    source = ActiveSource()
    assert source.accept(1, 10, 0.0) == 10
    assert source.leave(1)
    begins = source.accept(1, number, 0.5)
    # No packet of before is waited for, and none is taken for late.
    assert begins is not None
    assert begins > 10 + 3000
    assert begins & 0xFFFF == number
    assert source.accept(1, number + 1, 0.52) == begins + 1
    # It has not left any more: what is elsewhere may be anything.
    assert source.accept(1, (number + 30_000) & 0xFFFF, 0.54) is None


def test_what_a_goodbye_has_overtaken_is_still_of_before() -> None:
    source = ActiveSource()
    assert [source.accept(1, n, 0.0) for n in (10, 12)] == [10, 12]
    assert source.leave(1)
    assert source.accept(1, 11, 0.01) == 11
    begins = source.accept(1, 40_000, 0.02)
    assert begins is not None
    assert source.accept(1, 40_001, 0.04) == begins + 1


def test_a_straggler_of_one_that_has_left_silences_nobody() -> None:
    source = ActiveSource()
    source.accept(1, 10, 0.0)
    source.accept(2, 20, 0.01)
    assert not source.leave(1)
    assert source.accept(1, 11, 0.02) is None
    assert source.accept(2, 21, 0.03) is not None


def test_sources_without_end() -> None:
    source = ActiveSource()
    numbers = [source.accept(ssrc, ssrc & 0xFFFF, 0.0) for ssrc in range(2000)]
    assert None not in numbers
    assert numbers == sorted(numbers, key=lambda number: number or 0)
    assert len(source._former) <= 16


# The router


def packet(ssrc: int, kind: int, mid: str | None = None) -> RtpPacket:
    made = RtpPacket(payload_type=kind, ssrc=ssrc)
    made.extensions.mid = mid
    return made


def test_a_source_that_nobody_has_signaled_is_found_by_its_section() -> None:
    table: Any = RtpRouter()
    router.install(SimpleNamespace(_rtp_router=table))
    one, two = object(), object()
    table.register_receiver(one, ssrcs=[1], payload_types=[96], mid="a")
    table.register_receiver(two, ssrcs=[], payload_types=[96], mid="b")
    assert table.route_rtp(packet(1, 96)) is one
    # Either could be meant, until the section is named.
    assert table.route_rtp(packet(7, 96)) is None
    assert table.route_rtp(packet(7, 96, "b")) is two
    assert table.route_rtp(packet(7, 96)) is two
    # A section that takes over a source, and one that there is not.
    assert table.route_rtp(packet(1, 96, "b")) is two
    assert table.route_rtp(packet(1, 96, "nowhere")) is two
    # What nobody can decode counts where it belongs, and nowhere else.
    assert table.route_rtp(packet(7, 126)) is two
    assert table.route_rtp(packet(8, 126)) is None


def test_what_is_under_way_of_a_track_that_has_ended_is_not_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    loop = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    table: Any = RtpRouter()
    router.install(SimpleNamespace(_rtp_router=table))
    first, second, third = object(), object(), object()
    table.register_receiver(first, ssrcs=[1], payload_types=[96], mid="a")
    assert table.route_rtp(packet(2, 96, "a")) is first
    table.unregister_receiver(first)
    table.register_receiver(second, ssrcs=[3], payload_types=[96], mid="a")
    for late in (1, 2):
        assert table.route_rtp(packet(late, 96, "a")) is None
        assert table.route_rtcp(RtcpByePacket(sources=[late])) == set()
    assert table.route_rtp(packet(3, 96, "a")) is second
    table.unregister_receiver(second)
    # Some use a source again: at once where they say so, and otherwise after a while.
    table.register_receiver(third, ssrcs=[1], payload_types=[96], mid="a")
    assert table.route_rtp(packet(1, 96, "a")) is third
    assert table.route_rtp(packet(2, 96, "a")) is None
    now += router.STRAGGLING_SECONDS
    assert table.route_rtp(packet(2, 96, "a")) is third
    for ssrc in range(5000):
        table.route_rtp(packet(ssrc, 96, "a"))
        table.unregister_receiver(object())
    table.unregister_receiver(third)
    assert len(table._over) <= router.MOST_SOURCES


def test_a_router_has_a_bound() -> None:
    table: Any = RtpRouter()
    router.install(SimpleNamespace(_rtp_router=table))
    table.register_receiver(object(), ssrcs=[], payload_types=[96], mid="a")
    for ssrc in range(5000):
        assert table.route_rtp(packet(ssrc, 96)) is not None
    assert len(table.ssrc_table) <= 256


# Reports


class Receiver:
    def __init__(self) -> None:
        self._RTCRtpReceiver__remote_streams: dict[int, Any] = {}
        self._RTCRtpReceiver__active_ssrc: dict[int, Any] = {}


def test_jitter_is_none_where_a_clock_wraps_or_leaps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("aiortc.rtcrtpreceiver.time.time", lambda: now)
    receiver, reception = Receiver(), Reception()
    for number in range(200):
        now = 1000 + number * 0.02
        made = RtpPacket(
            sequence_number=number,
            timestamp=((1 << 32) - 48_000 + number * 960 + (number > 100) * 10**9) % (1 << 32),
            ssrc=5,
        )
        reception.note(receiver, made, 48_000)
    [stream] = receiver._RTCRtpReceiver__remote_streams.values()
    assert stream.jitter <= 1
    assert stream.packets_lost == 0


@pytest.mark.parametrize("elsewhere", [40_000, 0, 64_000])
def test_nothing_is_lost_where_numbers_begin_again(elsewhere: int) -> None:
    receiver, reception = Receiver(), Reception()
    numbers = [*range(60_000, 60_100), *range(elsewhere, elsewhere + 100)]
    for number in numbers:
        reception.note(receiver, RtpPacket(sequence_number=number, ssrc=5), 48_000)
    [stream] = receiver._RTCRtpReceiver__remote_streams.values()
    assert (stream.packets_expected, stream.packets_lost) == (200, 0)
    assert stream.fraction_lost == 0
    # What is lost afterwards is.
    lost = RtpPacket(sequence_number=elsewhere + 103, ssrc=5)
    reception.note(receiver, lost, 48_000)
    assert (stream.packets_expected, stream.packets_lost) == (204, 3)


def test_no_more_sources_are_reported_than_fit() -> None:
    receiver, reception = Receiver(), Reception()
    for ssrc in range(100):
        reception.note(receiver, RtpPacket(ssrc=ssrc), 48_000)
    assert list(receiver._RTCRtpReceiver__remote_streams) == list(range(92, 100))
    assert list(receiver._RTCRtpReceiver__active_ssrc) == list(range(92, 100))

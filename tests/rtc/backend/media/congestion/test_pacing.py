"""When packets may go, and with which numbers."""

from __future__ import annotations

import pytest
from aiortc.rtcrtpparameters import (
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket

from trio_rtc.rtc.backend.media.congestion.media_pacer import FACTOR, MediaPacer
from trio_rtc.rtc.backend.media.congestion.numbered_packets import (
    TIME_URI,
    URI,
    NumberedExtensions,
    Places,
    places,
    stamped,
)


def departures(pacer: MediaPacer, sizes: list[int], now: float) -> list[float]:
    """When packets go that are there now."""
    for size in sizes:
        pacer.add(bytes(size), now)
    times = []
    while (wait := pacer.wait(now)) is not None:
        now += wait
        while pacer.take(now) is not None:
            times.append(now)
    return times


def test_a_picture_goes_at_its_pace() -> None:
    pacer = MediaPacer(1e6 / FACTOR)
    times = departures(pacer, [1250] * 20, 5.0)
    # Each takes 10 ms, and may be half of that early.
    assert times == pytest.approx([5.0 + n / 100 for n in range(20)], abs=0.006)
    assert pacer.backlog(times[-1]) == pytest.approx(0.01, abs=0.006)


def test_small_ones_go_together() -> None:
    pacer = MediaPacer(1e6 / FACTOR)
    times = departures(pacer, [100] * 20, 5.0)
    assert len(set(times)) < 6


def test_no_time_is_saved_up() -> None:
    pacer = MediaPacer(1e6 / FACTOR)
    departures(pacer, [1250], 0.0)
    times = departures(pacer, [1250] * 5, 60.0)
    assert times[-1] - times[0] == pytest.approx(0.04, abs=0.006)


def test_who_comes_late_for_packets_sends_all_that_was_due() -> None:
    pacer = MediaPacer(1e6 / FACTOR)
    for _ in range(20):
        pacer.add(bytes(1250), 0.0)
    assert pacer.take(0.0)
    gone = 0
    while pacer.take(0.1):
        gone += 1
    assert gone == 10
    # What is late is not what the path has not carried.
    assert pacer.backlog(0.1) == pytest.approx(0.1, abs=0.011)
    assert pacer.backlog(0.2) == 0


def test_what_waits_goes_quicker_when_there_is_room() -> None:
    pacer = MediaPacer(5e5)
    for _ in range(10):
        pacer.add(bytes(1250), 0.0)
    before = pacer.backlog(0.0)
    pacer.follow(5e6)
    assert pacer.backlog(0.0) == pytest.approx(before / 10)
    pacer.clear()
    assert pacer.backlog(0.0) == 0
    assert pacer.take(0.0) is None


def test_what_cannot_be_made_smaller_goes_all_the_same() -> None:
    """As of an encoder that makes 4 Mbit/s at least, at the beginning of a call."""
    pacer, longest = MediaPacer(5e5), 0.0
    for millisecond in range(5000):
        now = millisecond / 1000
        pacer.add(bytes(500), now)
        while pacer.take(now) is not None:
            pass
        longest = max(longest, pacer.backlog(now))
    assert 0.2 < longest < 0.35


def parameters(**ids: int) -> RTCRtpSendParameters:
    uris = {"number": URI, "time": TIME_URI, "mid": "urn:ietf:params:rtp-hdrext:sdes:mid"}
    return RTCRtpSendParameters(
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=number, uri=uris[name])
            for name, number in ids.items()
        ]
    )


@pytest.mark.parametrize(
    "ids", [{"number": 4, "time": 3, "mid": 1}, {"mid": 1, "number": 14}, {"number": 2}]
)
def test_a_number_is_written_where_there_is_place(ids: dict[str, int]) -> None:
    extensions, theirs = NumberedExtensions(), HeaderExtensionsMap()
    extensions.configure(parameters(**ids))
    theirs.configure(parameters(**ids))
    packet = RtpPacket(payload_type=97, sequence_number=5, ssrc=9, payload=b"picture")
    packet.extensions = HeaderExtensions(mid="0", abs_send_time=77)
    data = packet.serialize(extensions)
    at = places(data, ids["number"], ids.get("time"))
    assert bool(at.time) == ("time" in ids)
    read = RtpPacket.parse(stamped(data, at, 0xABCD, 65.5), theirs)
    assert read.extensions.transport_sequence_number == 0xABCD
    # A second and a half of the 64 that it counts.
    assert read.extensions.abs_send_time == (3 << 17 if "time" in ids else None)
    assert (read.payload, read.extensions.mid) == (b"picture", "0" if "mid" in ids else None)


def test_there_is_no_place_where_none_was_agreed_on() -> None:
    extensions = NumberedExtensions()
    extensions.configure(parameters(mid=1))
    packet = RtpPacket(payload=b"picture")
    packet.extensions = HeaderExtensions(mid="0")
    assert places(packet.serialize(extensions), 4, None) == Places(0, 0)
    assert places(RtpPacket(payload=b"picture").serialize(), 4, None) == Places(0, 0)

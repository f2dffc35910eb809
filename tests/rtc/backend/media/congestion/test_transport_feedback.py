"""Transport-wide feedback, from and to bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.media.congestion.transport_feedback import (
    TransportFeedback,
    split_compound,
)

#: As steps from one packet to the next: quick ones, slow ones, those that overtake, and losses.
STEPS = st.lists(
    st.one_of(
        st.none(), st.integers(0, 255), st.integers(-0x8000, 0x7FFF), st.just(8), st.just(None)
    ),
    max_size=120,
)


def feedback(steps: list[int | None], begin: int = 1_000_000) -> TransportFeedback:
    arrivals: list[int | None] = [begin]
    last = begin
    for step in steps:
        last += step or 0
        arrivals.append(None if step is None else last)
    return TransportFeedback(0x01020304, 0xA0B0C0D0, 7, 65_530, tuple(arrivals))


@given(STEPS)
def test_what_is_written_is_read(steps: list[int | None]) -> None:
    told = feedback(steps)
    data = bytes(told)
    assert len(data) % 4 == 0
    assert len(data) == 4 * (int.from_bytes(data[2:4]) + 1)
    assert TransportFeedback.parse(data) == told


@given(STEPS, st.data())
def test_what_is_cut_short_is_an_error(steps: list[int | None], data: st.DataObject) -> None:
    whole = bytes(feedback(steps))
    cut = whole[: data.draw(st.integers(0, len(whole) - 4))]
    with pytest.raises(ValueError, match="transport-wide feedback"):
        TransportFeedback.parse(bytes([cut[0] & ~0x20]) + cut[1:] if cut else cut)


@given(st.binary(min_size=20, max_size=80))
def test_what_is_anything_is_read_or_an_error(data: bytes) -> None:
    try:
        told = TransportFeedback.parse(data)
    except ValueError:
        return
    assert len(told.arrivals) == int.from_bytes(data[14:16])


@pytest.mark.parametrize(
    ("arrivals", "chunks", "deltas"),
    [
        # One run of packets with small deltas.
        ([1024 + 4 * n for n in range(20)], [0x2014], bytes([0] + [4] * 19)),
        # A run of losses between two that came; ended by one with a large delta.
        (
            [1024, *[None] * 20, 1024 + 400],
            [0x8000 | 1 << 13, 0x0007, 0x4000 | 1],
            b"\0" + struct.pack("!h", 400),
        ),
        # One that overtook has a negative delta.
        ([1028, 1024], [0xC000 | 1 << 12 | 2 << 10], b"\4" + struct.pack("!h", -4)),
    ],
)
def test_the_form(arrivals: list[int | None], chunks: list[int], deltas: bytes) -> None:
    data = bytes(TransportFeedback(1, 2, 3, 4, tuple(arrivals)))
    body = struct.pack(f"!{len(chunks)}H", *chunks) + deltas
    padding = -len(body) % 4
    # Version, padding, and format 15; type 205; a reference time of 4 * 64 ms.
    header = struct.pack(
        "!BBH", 0xAF if padding else 0x8F, 205, (20 + len(body) + padding) // 4 - 1
    )
    fixed = struct.pack("!LLHHL", 1, 2, 4, len(arrivals), 4 << 8 | 3)
    assert data[:20] == header + fixed
    assert data[20 : 20 + len(body)] == body
    assert data[20 + len(body) :] == bytes(padding)[1:] + bytes([padding] if padding else [])


def test_the_reference_time_wraps() -> None:
    told = feedback([4, 4], begin=(1 << 32) - 4)
    # The second is after the wrap.
    assert TransportFeedback.parse(bytes(told)).arrivals == ((1 << 32) - 4, 1 << 32, (1 << 32) + 4)
    later = feedback([4], begin=(1 << 32) + 1024)
    assert TransportFeedback.parse(bytes(later)).arrivals == (1024, 1028)


def test_a_step_that_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="too long a time"):
        bytes(TransportFeedback(1, 2, 3, 4, (0, 0x8000)))


def test_it_is_found_in_a_compound_packet() -> None:
    report = struct.pack("!BBHL", 0x80, 201, 1, 5)
    nack = struct.pack("!BBHLLL", 0x81, 205, 3, 5, 6, 7 << 16)
    one, other = bytes(feedback([4, 4])), bytes(feedback([None, 3, 600]))
    assert one[0] & 0x20
    assert split_compound(report + one + nack + other) == ([one, other], report + nack)
    assert split_compound(report + nack) == ([], report + nack)
    # What is cut short is left to whoever says so.
    assert split_compound(report + one[:-4]) == ([], report + one[:-4])
    assert split_compound(b"\x80") == ([], b"\x80")


def test_others_of_its_format_are_none() -> None:
    other = struct.pack("!BBHL", 0x8F, 206, 1, 5)
    assert split_compound(other) == ([], other)
    # The shortest that there may be; what it lacks is said when it is read.
    short = struct.pack("!BBH", 0x8F, 205, 0)
    assert split_compound(short) == ([short], b"")
    with pytest.raises(ValueError, match="cut short"):
        TransportFeedback.parse(short)
    with pytest.raises(ValueError, match="of no packet"):
        TransportFeedback.parse(struct.pack("!BBHLLHHL", 0x8F, 205, 4, 1, 2, 3, 0, 0))

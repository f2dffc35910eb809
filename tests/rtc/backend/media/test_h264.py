"""Access units of H.264 from containers, as they are sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.media.encoded.h264 import AccessUnits, BadH264, join, split, takes

SPS = bytes.fromhex("6764001facd9405005bb011000000300100000030300f1831960")
PPS = bytes.fromhex("68ebecb22c")
OTHER_PPS = bytes.fromhex("6848ecb22c")
IDR = b"\x65\x88\x84\x21"
SLICE = b"\x41\x9a\x22\x33"
DELIMITER = b"\x09\xf0"

#: A NAL unit ends with the bit that ends it, and has nothing that looks like a start code.
units = st.lists(
    st.binary(min_size=1, max_size=40)
    .map(lambda data: bytes([data[0] & 0x60 | data[0] % 5 + 1]) + data[1:].replace(b"\0", b"\1"))
    .map(lambda data: data + b"\x80"),
    min_size=1,
    max_size=6,
)


def configuration(size: int = 4) -> bytes:
    return (
        bytes([1, *SPS[1:4], 0xFC | size - 1, 0xE1])
        + len(SPS).to_bytes(2)
        + SPS
        + b"\1"
        + len(PPS).to_bytes(2)
        + PPS
    )


def with_lengths(size: int, *parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(size) + part for part in parts)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_lengths_become_start_codes_and_parameter_sets_are_repeated(size: int) -> None:
    stream = AccessUnits(configuration(size))
    assert stream.profile_level_id == "64001f"
    for _ in range(2):
        data, is_key = stream.convert(with_lengths(size, IDR, SLICE))
        assert (list(split(data)), is_key) == ([SPS, PPS, IDR, SLICE], True)
    assert stream.convert(with_lengths(size, SLICE)) == (join([SLICE]), False)


def test_start_codes_stay_and_what_is_there_is_not_repeated() -> None:
    stream = AccessUnits(join([SPS, PPS]))
    whole = b"\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\0\1" + IDR
    assert stream.convert(whole) == (whole, True)
    assert stream.convert(b"\0\0\1" + SLICE) == (b"\0\0\1" + SLICE, False)
    assert list(split(stream.convert(join([DELIMITER, IDR]))[0])) == [DELIMITER, SPS, PPS, IDR]


def test_parameter_sets_that_come_later_take_the_place_of_those_before() -> None:
    stream = AccessUnits(b"")
    assert stream.profile_level_id is None
    assert stream.convert(join([IDR])) == (join([IDR]), True)
    stream.convert(join([SPS, PPS, IDR]))
    changed = SPS[:-1] + b"\x61"
    data, _ = stream.convert(join([changed, OTHER_PPS, IDR]))
    # The picture parameter set with the other id is still one that may be referred to.
    assert list(split(data)) == [PPS, changed, OTHER_PPS, IDR]
    assert list(split(stream.convert(join([IDR]))[0])) == [changed, PPS, OTHER_PPS, IDR]


@given(units, st.sampled_from([1, 2, 4]))
def test_both_forms_say_the_same(parts: list[bytes], size: int) -> None:
    by_length = AccessUnits(configuration(size)).convert(with_lengths(size, *parts))
    by_code = AccessUnits(join([SPS, PPS])).convert(join(parts))
    assert list(split(by_length[0])) == list(split(by_code[0]))
    assert by_length[1] == by_code[1]


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    for extradata in (b"", configuration(), b"\1" + data):
        try:
            AccessUnits(extradata).convert(data)
        except BadH264:
            continue


def test_what_is_cut_off() -> None:
    with pytest.raises(BadH264, match="cut off"):
        AccessUnits(configuration()[:20])
    with pytest.raises(BadH264, match="longer than its access unit"):
        AccessUnits(configuration()).convert(b"\0\0\0\x09" + IDR)


@pytest.mark.parametrize(
    ("offered", "ours", "is_taken"),
    [
        ("42e01f", "42c028", True),
        ("42001f", "42e01f", True),
        ("42e01f", "42001f", False),
        ("4d001f", "42c01e", True),
        ("42e01f", "4d0028", False),
        ("64001f", "640028", True),
        ("640c1f", "640028", False),
        ("64001f", "4d401f", True),
        ("64001f", "640c1f", True),
        ("42e01f", "f4001f", False),
        ("f4001f", "640028", True),
        ("64001f", "f4001f", False),
        ("nonsense", "42e01f", False),
    ],
)
def test_which_profile_takes_which(offered: str, ours: str, *, is_taken: bool) -> None:
    assert takes(offered, ours) is is_taken

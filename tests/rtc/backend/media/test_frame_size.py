"""How large a picture is, before it is decoded."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.media.receiving.pictures.frame_size import (
    MAX_SPS_COUNT,
    BadPicture,
    coded_size,
)
from trio_rtc.rtc.backend.media.receiving.pictures.picture_limit import MAX_UNDECODED, PictureLimit

START = b"\x00\x00\x00\x01"


def encoded(codec: str, width: int, height: int, **options: str) -> list[bytes]:
    """Two pictures that an encoder has made: one that stands by itself, and one that does not."""
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height = width, height
    context.pix_fmt = options.pop("pix_fmt", "yuv420p")
    context.time_base = Fraction(1, 30)
    context.options = options
    frames = [av.VideoFrame(width, height, context.pix_fmt) for _ in range(2)]
    packets = []
    for time, frame in enumerate(frames):
        frame.pts = time
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)]


def vp8_key_frame(width: int, height: int) -> bytes:
    start, _ = encoded("libvpx", 64, 64)
    return start[:6] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + start[10:]


class Bits:
    """The bits of a parameter set."""

    def __init__(self) -> None:
        self.bits = ""

    def number(self, value: int, size: int) -> Bits:
        self.bits += f"{value:0{size}b}"
        return self

    def exp_golomb(self, *values: int) -> Bits:
        for value in values:
            digits = f"{value + 1:b}"
            self.bits += "0" * (len(digits) - 1) + digits
        return self

    def __bytes__(self) -> bytes:
        data = int((self.bits + "1").ljust(-(-(len(self.bits) + 1) // 8) * 8, "0"), 2)
        raw = data.to_bytes(-(-(len(self.bits) + 1) // 8), "big")
        # Section 7.4.1: three bytes that could be a start code get one in between.
        escaped, zeros = bytearray(), 0
        for byte in raw:
            if zeros == 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(escaped)


def sps(width_in_mbs: int, height_in_mbs: int) -> bytes:
    """The smallest parameter set for a size in blocks of 16 pixels, and a start code."""
    bits = Bits().number(66, 8).number(0, 8).number(31, 8).exp_golomb(0, 0, 2, 1).number(0, 1)
    bits.exp_golomb(width_in_mbs - 1, height_in_mbs - 1).number(1, 1).number(0, 3)
    return START + b"\x67" + bytes(bits)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (176, 144), (1920, 1080), (2, 16382)])
def test_vp8(width: int, height: int) -> None:
    first, second = encoded("libvpx", width, height)
    assert coded_size("VP8", first) == (width, height)
    assert coded_size("vp8", second) is None


def test_vp8_whose_size_is_scaled() -> None:
    assert coded_size("VP8", vp8_key_frame(0xC000 | 640, 0x4000 | 480)) == (640, 480)


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "baseline"},
        {"profile": "high"},
        {"profile": "high422", "pix_fmt": "yuv422p"},
        {"profile": "high444", "pix_fmt": "yuv444p"},
        {"x264-params": "cqm=jvt"},
        {"x264-params": "interlaced=1"},
        {"x264-params": "stitchable=1:annexb=1"},
    ],
)
@pytest.mark.parametrize(("width", "height"), [(64, 64), (642, 484), (1920, 1080)])
def test_h264(width: int, height: int, options: dict[str, str]) -> None:
    first, second = encoded("libx264", width, height, **options)
    lines = 32 if "interlaced=1" in options.values() else 16
    # In whole blocks, as a decoder makes room for it.
    assert coded_size("H264", first) == (-(-width // 16) * 16, -(-height // lines) * lines)
    assert coded_size("H264", second) is None


def test_h264_with_frame_numbers_of_the_second_kind() -> None:
    bits = Bits().number(77, 8).number(0, 8).number(31, 8).exp_golomb(0, 0, 1).number(0, 1)
    bits.exp_golomb(5, 7, 3, 1, 2, 3, 1).number(0, 1).exp_golomb(9, 4).number(0, 1)
    assert coded_size("H264", START + b"\x67" + bytes(bits)) == (160, 160)


def test_the_largest_of_several_parameter_sets_counts() -> None:
    sets = sps(20, 10) + sps(500, 400) + sps(10, 10)
    assert coded_size("H264", sets + START + b"\x65" + bytes(20)) == (8000, 6400)
    # With the shorter start code, and in the middle of something else.
    assert coded_size("H264", START + b"\x65ab" + sps(500, 400)[1:]) == (8000, 6400)
    assert coded_size("H264", START + b"\x27" + sps(30, 20)[5:]) == (480, 320)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        ("VP8", vp8_key_frame(64, 64)[:9]),
        ("VP8", b"\x00"),
        ("VP8", b"\x10\x02\x00\x9d\x01\x2b\x40\x00\x40\x00"),
        ("H264", START + b"\x67"),
        ("H264", sps(20, 10)[:-2]),
        ("H264", START + b"\x67\x42\x00\x1f" + bytes(2) + b"\x03" + bytes(40)),
        ("H264", sps(2, 2) * (MAX_SPS_COUNT + 1)),
    ],
    # What an encoder makes is different in each process, and is no name for a test.
    ids=range(7),
)
def test_what_should_tell_and_does_not(codec: str, data: bytes) -> None:
    with pytest.raises(BadPicture):
        coded_size(codec, data)


def test_nothing_to_tell() -> None:
    assert coded_size("VP8", b"") is None
    assert coded_size("H264", b"") is None
    assert coded_size("VP9", vp8_key_frame(64, 64)) is None


@given(st.sampled_from(["VP8", "H264"]), st.binary(max_size=200))
def test_nothing_else_goes_wrong(codec: str, data: bytes) -> None:
    for prefix in (b"", vp8_key_frame(64, 64)[:6], START + b"\x67", START + b"\x67\x64\x00\x1f"):
        try:
            size = coded_size(codec, prefix + data)
        except BadPicture:
            continue
        assert size is None or min(size) >= 0


class Receiver:
    """The part of aiortc's receiver that matters here, with a queue that nobody empties."""

    def __init__(self) -> None:
        self.decoded: list[Any] = []
        self.asked = 0
        self._RTCRtpReceiver__decoder_queue: Any = SimpleNamespace(
            put=self.decoded.append, qsize=lambda: len(self.decoded)
        )
        self._RTCRtpReceiver__decoder_error = SimpleNamespace(set=self.ask)

    def ask(self) -> None:
        self.asked += 1

    def receive(self, data: bytes, codec: str = "VP8") -> None:
        task = SimpleNamespace(name=codec), SimpleNamespace(data=data)
        self._RTCRtpReceiver__decoder_queue.put(task)

    def end(self) -> None:
        self._RTCRtpReceiver__decoder_queue.put(None)


def watched(limit: PictureLimit) -> Receiver:
    receiver: Any = Receiver()
    limit.watch(receiver)
    found: Receiver = receiver
    return found


DELTA = b"\x01abc"


def test_what_builds_on_a_picture_that_is_too_large_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limit = PictureLimit(640 * 480)
    receiver: Any = watched(limit)
    receiver.receive(vp8_key_frame(640, 480))
    receiver.receive(DELTA)
    assert len(receiver.decoded) == 2
    for _ in range(3):
        receiver.receive(vp8_key_frame(641, 480))
        receiver.receive(DELTA)
    receiver.receive(b"\x00")
    assert len(receiver.decoded) == 2
    assert limit.refused(receiver) == 7
    receiver.receive(vp8_key_frame(320, 240))
    receiver.receive(DELTA)
    assert len(receiver.decoded) == 4
    # Said once.
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "641 by 480" in caplog.text
    # Asked for one that is smaller, once in a while.
    assert receiver.asked == 1


def test_all_tracks_of_a_connection_together() -> None:
    limit = PictureLimit(1000 * 1000)
    receivers = [watched(limit) for _ in range(6)]
    for receiver in receivers:
        receiver.receive(vp8_key_frame(1000, 1000))
    assert [len(receiver.decoded) for receiver in receivers] == [1, 1, 1, 1, 0, 0]
    # A smaller one makes room, and so does the end of a track.
    receivers[0].receive(vp8_key_frame(100, 100))
    receivers[4].receive(vp8_key_frame(990, 1000))
    assert len(receivers[4].decoded) == 1
    receivers[1].end()
    receivers[5].receive(vp8_key_frame(1000, 1000))
    assert len(receivers[5].decoded) == 1


def test_a_decoder_that_lags() -> None:
    limit = PictureLimit(1000 * 1000)
    receiver: Any = watched(limit)
    receiver.receive(vp8_key_frame(640, 480))
    for _ in range(MAX_UNDECODED + 40):
        receiver.receive(DELTA)
    assert len(receiver.decoded) == MAX_UNDECODED
    assert limit.refused(receiver) == 41
    assert receiver.asked == 2
    # Where there is room again, it goes on with a picture that stands by itself.
    receiver.decoded.clear()
    receiver.receive(DELTA)
    assert not receiver.decoded
    receiver.receive(vp8_key_frame(640, 480))
    receiver.receive(DELTA)
    assert len(receiver.decoded) == 2

"""Frame sizes as encoded pictures tell them, read before a decoder makes room for them.

No I/O. VP8: RFC 6386, section 9.1. H.264: ITU-T H.264, sections 7.3.2.1.1 and 7.4.2.1.1, and
annex B. What comes of FFmpeg's own reading afterwards is never larger than what is found here.
"""

from __future__ import annotations

import re
from typing import Final

MAX_SPS_BYTES: Final = 4096
MAX_SPS_COUNT: Final = 32
"""Ids that there are for sequence parameter sets; nobody sends more of them with one picture."""

_VP8_START_CODE: Final = b"\x9d\x01\x2a"
_VP8_KEY_FRAME_HEADER: Final = 10

#: A start code and the header of a sequence parameter set (type 7), whatever its other bits are.
_SPS: Final = re.compile(rb"\x00\x00\x01[\x07\x27\x47\x67\x87\xa7\xc7\xe7]")
_END_OF_NAL: Final = re.compile(rb"\x00\x00[\x00\x01]")

#: Profiles whose parameter sets tell of chroma formats and scaling lists.
_HIGH_PROFILES: Final = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))


class BadPicture(ValueError):
    """What should tell the size of a picture is cut off, or something else."""


def coded_size(codec: str, data: bytes) -> tuple[int, int] | None:
    """Width and height of the largest picture that this one makes a decoder ready for, in pixels.

    Args:
        codec: its name in RTP, such as ``VP8``.
        data: all of one encoded picture; H.264 with start codes.

    Returns:
        None where it tells of no size: that of the pictures before it still holds, or the codec is
        another one.

    Raises:
        BadPicture: it begins as if it told, and does not.
    """
    match codec.upper():
        case "VP8":
            return _vp8_size(data)
        case "H264":
            return _h264_size(data)
    return None


def _vp8_size(data: bytes) -> tuple[int, int] | None:
    if not data or data[0] & 1:
        return None
    if len(data) < _VP8_KEY_FRAME_HEADER or data[3:6] != _VP8_START_CODE:
        raise BadPicture("a key frame has no header")
    # The upper two bits of each tell how it is to be scaled when it is shown.
    width = int.from_bytes(data[6:8], "little") & 0x3FFF
    height = int.from_bytes(data[8:10], "little") & 0x3FFF
    return width, height


def _h264_size(data: bytes) -> tuple[int, int] | None:
    largest = None
    for number, found in enumerate(_SPS.finditer(data)):
        if number >= MAX_SPS_COUNT:
            raise BadPicture(f"there are more than {MAX_SPS_COUNT} parameter sets")
        start = found.end()
        window = data[start : start + MAX_SPS_BYTES]
        end = _END_OF_NAL.search(window)
        size = _sps_size(window[: end.start()] if end else window)
        largest = size if largest is None else max(largest, size, key=lambda s: s[0] * s[1])
    return largest


def _sps_size(escaped: bytes) -> tuple[int, int]:
    sps = _Bits(escaped.replace(b"\x00\x00\x03", b"\x00\x00"))
    profile = sps.number(8)
    sps.number(16)  # constraint flags, level
    sps.exp_golomb()  # id
    if profile in _HIGH_PROFILES:
        _skip_formats(sps)
    sps.exp_golomb()  # log2_max_frame_num_minus4
    order_type = sps.exp_golomb()
    if order_type == 0:
        sps.exp_golomb()
    elif order_type == 1:
        sps.number(1)
        # Numbers with a sign have the same length as those without.
        sps.exp_golomb()
        sps.exp_golomb()
        for _ in range(sps.exp_golomb()):
            sps.exp_golomb()
    sps.exp_golomb()  # max_num_ref_frames
    sps.number(1)  # gaps_in_frame_num_value_allowed_flag
    width = 16 * (sps.exp_golomb() + 1)
    height = 16 * (sps.exp_golomb() + 1)
    frame_mbs_only = sps.number(1)
    return width, height * (2 - frame_mbs_only)


def _skip_formats(sps: _Bits) -> None:
    chroma_format = sps.exp_golomb()
    if chroma_format == 3:
        sps.number(1)  # separate_colour_plane_flag
    sps.exp_golomb()  # bit_depth_luma_minus8
    sps.exp_golomb()  # bit_depth_chroma_minus8
    sps.number(1)  # qpprime_y_zero_transform_bypass_flag
    if not sps.number(1):
        return
    for index in range(8 if chroma_format != 3 else 12):
        if sps.number(1):
            _skip_scaling_list(sps, 16 if index < 6 else 64)


def _skip_scaling_list(sps: _Bits, size: int) -> None:
    scale = 8
    for _ in range(size):
        scale = (scale + sps.signed_exp_golomb()) % 256
        if not scale:
            return


class _Bits:
    def __init__(self, data: bytes):
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def number(self, count: int) -> int:
        end = self._at + count
        if end > len(self._bits):
            raise BadPicture("a parameter set is cut off")
        bits = self._bits[self._at : end]
        self._at = end
        return int(bits, 2)

    def exp_golomb(self) -> int:
        """A number of section 9.1."""
        one = self._bits.find("1", self._at)
        zeros = one - self._at
        if one < 0 or zeros > 32:
            raise BadPicture("a parameter set is cut off")
        self._at = one
        return self.number(zeros + 1) - 1

    def signed_exp_golomb(self) -> int:
        """One of section 9.1.1."""
        number = self.exp_golomb()
        return (number + 1) // 2 if number % 2 else -(number // 2)

"""H.264 access units as RTP wants them, whatever container they come from.

No I/O. With start codes (ITU-T H.264, annex B) or lengths in front (ISO/IEC 14496-15, AVCC); both
come out with start codes, and with the parameter sets before each picture that stands by itself, so
that whoever joins can decode it (RFC 6184, section 8.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

START_CODE: Final = b"\0\0\0\1"

IDR: Final = 5
SPS: Final = 7
PPS: Final = 8

#: Which profiles can decode what is in one (ITU-T H.264, annex A.2, and RFC 6184, section 8.1).
_TAKEN_BY: Final = {
    "constrained baseline": ("constrained baseline", "baseline", "main", "high", "high 4:4:4"),
    "baseline": ("baseline",),
    "main": ("main", "high", "high 4:4:4"),
    "constrained high": ("constrained high", "high", "high 4:4:4"),
    "high": ("high", "high 4:4:4"),
}


class BadH264(ValueError):
    """What is said to be H.264 cannot be read."""


class AccessUnits:
    """Access units of one stream.

    Args:
        extradata: what its container says of it, in either form; may be empty.

    Raises:
        BadH264: that cannot be read.
    """

    def __init__(self, extradata: bytes):
        #: Bytes of a length in front of a NAL unit; 0 where there are start codes.
        self._length_size = 0
        self._parameters: dict[tuple[int, int], bytes] = {}
        if extradata[:1] == b"\1":
            units = self._read_configuration(extradata)
        else:
            units = list(split(extradata))
        self._learn(units)

    @property
    def profile_level_id(self) -> str | None:
        """That of its first sequence parameter set; None if there is none yet."""
        for (kind, _), unit in self._parameters.items():
            if kind == SPS:
                return unit[1:4].hex()
        return None

    @property
    def parameter_sets(self) -> bytes:
        """Its parameter sets, with start codes."""
        return join([self._parameters[key] for key in sorted(self._parameters)])

    def convert(self, data: bytes) -> tuple[bytes, bool]:
        """An access unit with start codes, and whether it stands by itself.

        Raises:
            BadH264: it cannot be read.
        """
        units = self._units(data)
        kinds = [unit[0] & 0x1F for unit in units]
        self._learn(units)
        if IDR not in kinds:
            return (join(units) if self._length_size else data), False
        own = {_key(unit) for unit in units if unit[0] & 0x1F in (SPS, PPS)}
        missing = [self._parameters[key] for key in sorted(self._parameters) if key not in own]
        if missing:
            # Behind the delimiter (type 9), if there is one, and before all else.
            place = 1 if kinds[0] == 9 else 0
            units[place:place] = missing
        elif not self._length_size:
            return data, True
        return join(units), True

    def _units(self, data: bytes) -> list[bytes]:
        if not self._length_size:
            return list(split(data))
        units, place = [], 0
        while place < len(data):
            end = place + self._length_size
            size = int.from_bytes(data[place:end])
            if end + size > len(data):
                raise BadH264("a NAL unit is longer than its access unit")
            if size:
                units.append(data[end : end + size])
            place = end + size
        return units

    def _read_configuration(self, data: bytes) -> list[bytes]:
        """The parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
        units, place = [], 6
        try:
            self._length_size = (data[4] & 3) + 1
            for kind in (SPS, PPS):
                count = data[5] & 0x1F if kind == SPS else data[place]
                place += kind == PPS
                for _ in range(count):
                    size = int.from_bytes(data[place : place + 2])
                    units.append(data[place + 2 : place + 2 + size])
                    place += 2 + size
        except IndexError as error:
            raise BadH264("the description of a stream of H.264 is cut off") from error
        if place > len(data) or not all(units):
            raise BadH264("the description of a stream of H.264 is cut off")
        return units

    def _learn(self, units: Sequence[bytes]) -> None:
        for unit in units:
            if unit[0] & 0x1F in (SPS, PPS) and len(unit) > 3:
                self._parameters[_key(unit)] = unit


def split(data: bytes) -> Iterator[bytes]:
    """The NAL units of what has start codes (annex B.2)."""
    place = data.find(b"\0\0\1")
    while place >= 0:
        begin = place + 3
        place = data.find(b"\0\0\1", begin)
        unit = data[begin : place if place >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit


def join(units: Sequence[bytes]) -> bytes:
    """NAL units with start codes."""
    return b"".join(START_CODE + unit for unit in units)


def takes(offered: str, ours: str) -> bool:
    """Whether who decodes one ``profile-level-id`` decodes another.

    The level is left out: browsers say 3.1, whatever they decode.
    """
    return _profile(offered) in _TAKEN_BY.get(_profile(ours), (_profile(ours),))


def _profile(profile_level_id: str) -> str:
    """A profile's name, or something that stands for none that is known (RFC 6184, table 5)."""
    try:
        profile, constraints = bytes.fromhex(profile_level_id)[:2]
    except ValueError:
        return profile_level_id
    match profile:
        case 66:
            return "constrained baseline" if constraints & 0x40 else "baseline"
        case 77:
            return "constrained baseline" if constraints & 0x80 else "main"
        case 100:
            return "constrained high" if constraints & 0x0C == 0x0C else "high"
        case 244:
            # What Chromium says of its decoder, and all that stands for High.
            return "high 4:4:4"
    return f"{profile}"


def _key(unit: bytes) -> tuple[int, int]:
    """Which parameter set a NAL unit is: another of this kind with this id takes its place."""
    kind = unit[0] & 0x1F
    # An SPS has profile, constraints and level before its id (7.3.2.1.1), a PPS nothing.
    return kind, _exp_golomb(unit[4:12] if kind == SPS else unit[1:9])


def _exp_golomb(data: bytes) -> int:
    """The first number in Exp-Golomb code (section 9.1)."""
    bits = f"{int.from_bytes(data):0{8 * len(data)}b}"
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1

"""Changes to the packets of media on their way, for `cutting.change_media`."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable

Change = Callable[[bytes], Iterable[bytes]]


def numbered() -> Callable[[bytes], int]:
    """The place of an RTP packet among those of its source."""
    first: dict[bytes, int] = {}

    def place(data: bytes) -> int:
        number: int = struct.unpack_from("!H", data, 2)[0]
        return (number - first.setdefault(data[8:12], number)) & 0xFFFF

    return place


def changed(data: bytes, *, timestamp: int = 0, ssrc: bytes | None = None) -> bytes:
    """A packet whose timestamp is so much later, or of another source."""
    [old] = struct.unpack_from("!I", data, 4)
    now = struct.pack("!I", (old + timestamp) & 0xFFFF_FFFF)
    return data[:4] + now + (ssrc or data[8:12]) + data[12:]


def losing(part: float, seed: int = 1) -> Change:
    """Lose packets at random, those that are sent again as well."""
    chance = random.Random(seed)
    return lambda data: [data] * (chance.random() >= part)


def stepping(step: int, every: int) -> Change:
    """Have the clock of a source leap, at each so manyth of its timestamps."""
    seen: dict[bytes, int] = {}

    def change(data: bytes) -> Iterable[bytes]:
        number = seen.setdefault(data[4:8], len(seen))
        return [changed(data, timestamp=number // every * step)]

    return change


def wrapping(ticks: int) -> Change:
    """Have the clock of a source wrap so long after its beginning."""
    base: list[int] = []

    def change(data: bytes) -> Iterable[bytes]:
        if not base:
            base.append(struct.unpack_from("!I", data, 4)[0])
        return [changed(data, timestamp=-base[0] - ticks)]

    return change


def with_strange_packets() -> Change:
    """Put others in between: of an unknown type, and without a payload; each has its number."""
    place = numbered()
    late: dict[bytes, int] = {}

    def change(data: bytes) -> Iterable[bytes]:
        [number] = struct.unpack_from("!H", data, 2)
        source = data[8:12]

        def numbered_so(more: int) -> bytes:
            return struct.pack("!H", (number + late.get(source, 0) + more) & 0xFFFF)

        out = [data[:2] + numbered_so(0) + data[4:]]
        if place(data) % 10 == 9:
            is_unknown = place(data) % 20 == 9
            head = bytes([0x80, 126 if is_unknown else data[1] & 0x7F])
            out.append(head + numbered_so(1) + data[4:12] + b"what is this?" * is_unknown)
            late[source] = late.get(source, 0) + 1
        return out

    return change

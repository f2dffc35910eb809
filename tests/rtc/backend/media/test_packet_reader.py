"""What is kept for a reader of encoded pictures that lags."""

from __future__ import annotations

from typing import Any

import pytest
from av.packet import Packet

from trio_rtc.rtc.backend.media.encoded.encoded_packets import make_packet
from trio_rtc.rtc.backend.media.tracks import MOST_BYTES, PACKETS, PacketReader


class Asked:
    """A source of pictures, which counts how often it was asked for a keyframe."""

    kind = "video"
    keys = 0

    def ask_key(self) -> None:
        self.keys += 1


def picture(number: int, size: int, *, is_key: bool = False) -> Packet[Any]:
    return make_packet(bytes(size), number * 3000, 90_000, is_key=is_key, length=3000)


@pytest.mark.parametrize(
    ("size", "kept"), [(1000, PACKETS), (1 << 20, 16), (MOST_BYTES - 1, 1), (MOST_BYTES + 1, 1)]
)
def test_a_reader_that_lags_has_a_limit_in_packets_and_in_bytes(size: int, kept: int) -> None:
    source: Any = Asked()
    reader = PacketReader(source, PACKETS)
    reader.put(picture(0, size, is_key=True))
    for number in range(1, kept):
        reader.put(picture(number, size))
    assert (len(reader.waiting), reader.dropped, source.keys) == (kept, 0, 0)
    reader.put(picture(kept, size))
    # What comes next builds on what is gone.
    assert (len(reader.waiting), reader.dropped, source.keys) == (0, kept + 1, 1)
    reader.put(picture(kept + 1, size))
    assert not reader.waiting
    reader.put(picture(kept + 2, size, is_key=True))
    assert len(reader.waiting) == 1
    assert source.keys == 1

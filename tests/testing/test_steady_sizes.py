"""Signatures, whose size is left to chance, change no packet: alone, and where TURN has them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from trio_rtc.testing.network.steady_sizes import steady_length


def handshake(message: int, size: int, cuts: tuple[int, ...] = ()) -> bytes:
    """A message, in as many fragments as the cuts make of it."""
    records = b""
    for start, end in pairwise((0, *cuts, size)):
        sizes = size.to_bytes(3) + bytes(2) + start.to_bytes(3) + (end - start).to_bytes(3)
        body = bytes([message]) + sizes + bytes(end - start)
        records += b"\x16\xfe\xfd" + bytes(8) + len(body).to_bytes(2) + body
    return records


def flight(signature: int) -> bytes:
    """What a server says first: its hello, its certificate, its key and the end."""
    certificate = handshake(11, 280 + signature, (110, 341))
    key = handshake(12, 40 + signature)
    return handshake(2, 96) + certificate + key + handshake(14, 0)


def filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def channel(data: bytes) -> bytes:
    return b"\x40\x00" + len(data).to_bytes(2) + data


def indication(data: bytes) -> bytes:
    peer = b"\x00\x12\x00\x08" + bytes(8)
    attributes = peer + b"\x00\x13" + len(data).to_bytes(2) + filled(data)
    return b"\x00\x16" + len(attributes).to_bytes(2) + bytes(16) + attributes


@pytest.mark.parametrize(
    ("carry", "is_stream"),
    [
        (lambda data: data, False),
        (channel, False),
        (indication, False),
        (lambda data: filled(channel(data)) + filled(channel(b"\x17" * 40)), True),
        (lambda data: filled(channel(b"\x17" * 41)) + filled(channel(data)), True),
    ],
    ids=["alone", "channel data", "indication", "before others, over TCP", "after others"],
)
def test_each_signature_counts_alike(carry: Callable[[bytes], bytes], is_stream: bool) -> None:
    carried = [carry(flight(signature)) for signature in (70, 71, 72)]
    [size] = {steady_length(data, is_stream=is_stream) for data in carried}
    assert size >= len(carried[-1])


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\x16", b"GET / HTTP/1.1\r\n\r\n", channel(b"\x16" * 30)[:20], bytes(40),
     channel(b"\x80" * 99), indication(b"\x17" * 13), b"\x17" * 1200, handshake(2, 80)],
)  # fmt: skip
def test_all_else_is_as_long_as_it_is(data: bytes) -> None:
    assert steady_length(data) == len(data)

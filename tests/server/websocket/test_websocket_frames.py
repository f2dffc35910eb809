"""Frames that break a rule: each ends its connection with a code that tells which."""

from __future__ import annotations

import ssl
import struct

import pytest
import trio
import trio.testing

from trio_rtc.server.context import Context

from ..ws_client import frame, text
from .websocket_serving import send_what_is_taken, serving, stream_pair

#: What a client sends, and how the server closes.
BAD = {
    "unmasked": (b"\x81\x01a", 1002, "protocol_error"),
    "reserved_opcode": (b"\x83\x80\0\0\0\0", 1002, "protocol_error"),
    "reserved_control": (b"\x8b\x80\0\0\0\0", 1002, "protocol_error"),
    "rsv1": (b"\xc1\x80\0\0\0\0", 1002, "protocol_error"),
    "rsv2": (b"\xa1\x80\0\0\0\0", 1002, "protocol_error"),
    "rsv3": (b"\x91\x80\0\0\0\0", 1002, "protocol_error"),
    "long_ping": (b"\x89\xfe\x00\x7e" + bytes(4 + 126), 1002, "protocol_error"),
    "fragmented_ping": (b"\x09\x80\0\0\0\0", 1002, "protocol_error"),
    "fragmented_close": (b"\x08\x80\0\0\0\0", 1002, "protocol_error"),
    "continuation_of_nothing": (frame(0, b"x"), 1002, "protocol_error"),
    "two_beginnings": (text("a", fin=False) + text("b"), 1002, "protocol_error"),
    "binary": (frame(2, b"x"), 1003, "not_text"),
    "binary_fragment": (frame(2, b"x", fin=False), 1003, "not_text"),
    "bad_utf8": (text(b"\xff"), 1007, "not_utf8"),
    "cut_utf8": (text(b"\xe2\x82"), 1007, "not_utf8"),
    "surrogate": (text(b"\xed\xa0\x80"), 1007, "not_utf8"),
    "overlong": (text(b"\xc0\xaf"), 1007, "not_utf8"),
    "bad_utf8_in_fragments": (text(b"\xe2", fin=False) + frame(0, b"("), 1007, "not_utf8"),
    "too_big": (b"\x81\xff" + struct.pack("!Q", 262_145), 1009, "message_too_big"),
    "huge": (b"\x81\xff" + b"\x7f" + b"\xff" * 7, 1009, "message_too_big"),
    "negative": (b"\x81\xff" + b"\xff" * 8, 1009, "message_too_big"),
    "too_big_in_fragments": (
        text(b"x" * 200_000, fin=False) + frame(0, b"x" * 62_145),
        1009,
        "message_too_big",
    ),
    "empty_fragments_for_ever": (
        text("", fin=False) + frame(0, fin=False) * 3000,
        4429,
        "too_fast",
    ),
    "ping_flood": (frame(9, b"x" * 100) * 3000, 4429, "too_fast"),
    "pong_flood": (frame(10) * 3000, 4429, "too_fast"),
    "message_flood": (text("x") * 3000, 4429, "too_fast"),
    "close_of_one_byte": (frame(8, b"x"), 1002, "protocol_error"),
    "close_with_a_bad_code": (frame(8, struct.pack("!H", 1005)), 1002, "protocol_error"),
    "close_with_a_code_of_none": (frame(8, struct.pack("!H", 999)), 1002, "protocol_error"),
    "close_with_bad_utf8": (frame(8, struct.pack("!H", 1000) + b"\xff"), 1007, "not_utf8"),
    "close_within_a_message": (
        text("a", fin=False) + frame(8, struct.pack("!H", 1000)),
        1002,
        "protocol_error",
    ),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1002, "protocol_error"),
}


@pytest.mark.parametrize("kind", ["memory", "tcp", "tls"])
@pytest.mark.parametrize(("data", "code", "reason"), BAD.values(), ids=BAD)
async def test_bad_frames(
    kind: str,
    data: bytes,
    code: int,
    reason: str,
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
    autojump_clock: trio.testing.MockClock,
) -> None:
    if kind != "memory":
        # Sockets know nothing of this clock.
        autojump_clock.autojump_threshold = float("inf")
        autojump_clock.rate = 1
    context = Context()
    async with (
        serving(*await stream_pair(kind, tls), context=context) as speaker,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(send_what_is_taken, speaker, data)
        assert await speaker.closed() == (code, reason)
        nursery.cancel_scope.cancel()
    counted = context.statistics
    limits = {1009: "body_bytes", 4429: "messages_per_second"}
    if code in limits:
        assert (counted.malformed, counted.over_limit[limits[code]]) == (0, 1)
    else:
        assert counted.malformed == 1

"""Both parsers, and the server behind them, with whatever hypothesis makes up.

A few inputs in every run; more than 100 000 with ``-m fuzz``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from unittest import mock

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.at_once import at_once
from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import Admission
from trio_rtc.server.context import Context
from trio_rtc.server.dialects.native.native_dialect import NativeDialect
from trio_rtc.server.hub.hub import Hub
from trio_rtc.wire import native as protocol

from .dialects.test_native_cost import Link
from .harness import memory_server
from .http.test_requests import PIECES as HTTP_PIECES
from .http.test_requests import parse
from .native_client import join
from .ws_client import handshake, text

LIMITS = ServerLimits(head_bytes=200, header_count=6, body_bytes=300, resume_seconds=2)


def examples(few: int, many: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The test in a normal run, and in one for fuzzing; it gets a runner of properties."""

    def run(count: int, **strategies: st.SearchStrategy[Any]) -> Any:
        return lambda check: settings(
            max_examples=count,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(given(**strategies)(check))()

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        both: Callable[..., None] = pytest.mark.parametrize(
            "property_",
            [
                pytest.param(functools.partial(run, few), id="few"),
                pytest.param(functools.partial(run, many), id="many", marks=pytest.mark.fuzz),
            ],
        )(test)
        timed: Callable[..., None] = pytest.mark.timeout(1800)(both)
        return timed

    return decorate


HEADERS = st.builds(
    lambda name, space, value, end: name + b":" + space + value + end,
    st.sampled_from(
        [b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Upgrade", b"Expect",
         b"Sec-WebSocket-Key", b"X"]
    ) | st.binary(max_size=4),
    st.sampled_from([b" ", b"", b"\t", b"  ", b"\r\n "]),
    st.sampled_from([b"5", b"0", b"chunked", b"close", b"keep-alive", b"upgrade", b"websocket"])
    | st.binary(max_size=6),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b""]),
)  # fmt: skip
STREAMS = st.lists(HTTP_PIECES | HEADERS | st.binary(max_size=8), max_size=12).map(b"".join)


@examples(200, 50_000)
def test_any_bytes_are_requests_or_refused(property_: Any) -> None:
    @property_(data=STREAMS, cut=st.integers(0, 400))  # type: ignore[untyped-decorator]
    def check(data: bytes, cut: int) -> None:
        found, status = parse(data, limits=LIMITS)
        assert status in (None, 400, 413, 414, 431, 501, 505)
        assert parse(data[:cut], data[cut:], limits=LIMITS) == (found, status)
        for request in found:
            assert len(request.body) <= LIMITS.body_bytes
            assert len(request.all_headers) <= LIMITS.header_count


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
    | st.sampled_from([0, 1, 2, 2**53 - 1, 2**53, "1", "eA==", "\ud800", "den", [], {}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner,
                                                                max_size=3),
    max_leaves=5,
)  # fmt: skip
TYPES = st.sampled_from(
    ["hello", "resume", "send", "ack", "leave", "welcome", "resumed", "joined", "left", "message",
     "failed", "ice_servers", "error", "new"]
)  # fmt: skip
FIELDS = st.sampled_from(
    ["name", "room", "token", "session", "received", "seq", "to", "data", "data64", "id", "peers",
     "from", "of", "code", "message", "ice_servers", "resume_seconds", "new"]
)  # fmt: skip
NEARLY = st.builds(
    lambda kind, fields: json.dumps({"type": kind, **fields}),
    TYPES | VALUES,
    st.dictionaries(FIELDS, VALUES, max_size=6),
)
RIGHT = st.builds(
    lambda fields: json.dumps(fields),
    st.fixed_dictionaries(
        {"type": st.just("send"), "seq": st.integers(1, 4), "to": st.integers(1, 3),
         "data": st.text(max_size=5)}
    )
    | st.fixed_dictionaries({"type": st.just("ack"), "received": st.integers(0, 4)}),
)  # fmt: skip
BROKEN = st.builds(lambda data, at: data[:at] + data[at + 1 :], NEARLY, st.integers(0, 60))
TEXTS = NEARLY | RIGHT | BROKEN | st.text(max_size=20)


@examples(200, 40_000)
def test_any_text_is_a_message_or_none(property_: Any) -> None:
    @property_(said=TEXTS)  # type: ignore[untyped-decorator]
    def check(said: str) -> None:
        for decode in (protocol.decode_from_client, protocol.decode_from_server):
            try:
                message = decode(said)
            except protocol.BadMessage:
                continue
            again = protocol.encode(message)
            assert decode(again.decode()) == message
            assert msgspec.json.decode(again)["type"] == json.loads(said)["type"]


@examples(100, 10_000)
def test_any_messages_leave_a_dialect_in_order(property_: Any) -> None:
    @property_(said=st.lists(TEXTS, max_size=8))  # type: ignore[untyped-decorator]
    def check(said: list[str]) -> None:
        with mock.patch.object(trio, "current_time", return_value=0.0):
            context = Context(limits=LIMITS)
            hub = Hub(LIMITS, context.statistics)
            dialect = NativeDialect(hub, context)
            alice, bob = (
                at_once(dialect.join(Admission(name=name, room=""), Link(), ""))
                for name in ("alice", "bob")
            )
            assert alice.link is not None
            dialect.receive(alice, alice.link, said)
            dialect.tick(1000)
            assert bob.member.present
            assert len(hub) == 1 + alice.member.present
            assert bob.outbox.next - 1 == len(bob.outbox) <= len(said) + 1


def any_frame(opcode: int, data: bytes, head: int) -> bytes:
    """One that need not be right, masked with zeros."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return bytes([head | opcode]) + length + bytes(4) + data


FRAMES = st.builds(
    any_frame,
    st.sampled_from([0, 1, 1, 1, 2, 3, 8, 9, 10]),
    TEXTS.map(lambda said: said.encode("utf-8", "surrogatepass")) | st.binary(max_size=130),
    st.sampled_from([0x80, 0x80, 0x80, 0x80, 0x00, 0x00, 0xC0]),
)


@examples(40, 8_000)
def test_any_bytes_behind_a_handshake(property_: Any) -> None:
    @property_(  # type: ignore[untyped-decorator]
        said=st.lists(FRAMES | st.binary(max_size=20), max_size=6).map(b"".join),
        hello=st.booleans(),
        cut=st.integers(0, 200),
    )
    def check(said: bytes, hello: bool, cut: int) -> None:
        trio.run(send_all, said, hello, cut, clock=trio.testing.MockClock(autojump_threshold=0))


async def send_all(said: bytes, hello: bool, cut: int) -> None:
    async with memory_server(limits=LIMITS) as server:
        bob = await join(server, "bob")
        client = await server.connect()
        await client.send(handshake() + (text('{"type":"hello","name":"x"}') if hello else b""))
        for part in (said[:cut], said[cut:]):
            with suppress(trio.BrokenResourceError):
                await client.send(part)
            await trio.testing.wait_all_tasks_blocked()
        await bob.say(type="send", seq=1, to=bob.id, data="still here")
        while (await bob.hear()).get("data") != "still here":
            pass
        for stream in (client.stream, bob.stream):
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(5)
        assert server.statistics.connections_open == server.statistics.failures == 0
        assert server.statistics.peers["native"] == 0

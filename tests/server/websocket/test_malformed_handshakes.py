"""Requests for a WebSocket that are almost right, and all that is malformed for many times."""

from __future__ import annotations

import functools
import gc
import tracemalloc
from contextlib import suppress

import pytest
import trio
import trio.testing

from ..dialects.test_malformed_messages import NEVER
from ..harness import MemoryServer, memory_server
from ..http.test_malformed import HEADS
from ..native_client import connect, join, serves
from ..ws_client import KEY, WebSocketClient, handshake, text
from .test_websocket_frames import BAD

#: A path at which there is nothing else.
asking = functools.partial(handshake, "/nothing")
GOOD = asking()

#: What a client sends, and the status that it gets.
HANDSHAKES = {
    "as_it_should_be": (GOOD, 101),
    "no_key": (asking(key=""), 400),
    "empty_key": (asking(key="Sec-WebSocket-Key:\r\n"), 400),
    "short_key": (asking(key="Sec-WebSocket-Key: AAAA\r\n"), 400),
    "long_key": (asking(key="Sec-WebSocket-Key: " + "A" * 5000 + "\r\n"), 400),
    "key_that_is_no_base64": (asking(key="Sec-WebSocket-Key: \xff\r\n"), 400),
    "two_keys": (asking(extra=KEY), 400),
    "no_version": (GOOD.replace(b"Sec-WebSocket-Version: 13\r\n", b""), 400),
    "version_8": (GOOD.replace(b": 13", b": 8"), 426),
    "two_versions": (asking(extra="Sec-WebSocket-Version: 8\r\n"), 400),
    "version_list": (GOOD.replace(b": 13", b": 13, 8"), 426),
    "version_that_is_no_text": (GOOD.replace(b": 13", b": \xff"), 426),
    "no_subprotocol": (asking(subprotocol=None), 400),
    "empty_subprotocol": (asking(subprotocol=""), 400),
    "other_subprotocol": (asking(subprotocol="chat"), 400),
    "subprotocol_in_capitals": (asking(subprotocol="TRIO-RTC.V1"), 400),
    "subprotocol_that_is_no_text": (asking(subprotocol="\xff"), 400),
    "subprotocol_list": (asking(subprotocol="chat, trio-rtc.v1"), 101),
    "second_subprotocol": (asking(extra="Sec-WebSocket-Protocol: chat\r\n"), 101),
    "extension": (asking(extra="Sec-WebSocket-Extensions: permessage-deflate\r\n"), 101),
    "extension_that_is_none": (asking(extra="Sec-WebSocket-Extensions: ;;=\r\n"), 101),
    "extension_that_is_no_text": (asking(extra="Sec-WebSocket-Extensions: \xff\r\n"), 101),
    "host_that_is_no_text": (GOOD.replace(b"Host: x", b"Host: \xff"), 101),
    "origin_that_is_no_text": (asking(extra="Origin: \xff\r\n"), 101),
    "two_origins": (asking(extra="Origin: a\r\nOrigin: b\r\n"), 400),
    "connection_list": (GOOD.replace(b": Upgrade", b": keep-alive, Upgrade"), 101),
    "upgrade_in_capitals": (GOOD.replace(b": websocket", b": WEBSOCKET"), 101),
    "two_upgrades": (asking(extra="Upgrade: h2c\r\n"), 101),
    "upgrade_list": (GOOD.replace(b": websocket", b": h2c, websocket"), 101),
    "other_upgrade": (GOOD.replace(b": websocket", b": h2c"), 404),
    "no_host": (GOOD.replace(b"Host: x\r\n", b""), 400),
    "two_hosts": (asking(extra="Host: y\r\n"), 400),
    "no_connection": (GOOD.replace(b"Connection: Upgrade\r\n", b""), 404),
    "connection_close": (GOOD.replace(b": Upgrade", b": close"), 404),
    "no_upgrade": (GOOD.replace(b"Upgrade: websocket\r\n", b""), 404),
    "post": (GOOD.replace(b"GET", b"POST"), 404),
    "http_1_0": (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"), 404),
    "body": (asking(extra="Content-Length: 2\r\n") + b"xx", 400),
    "chunked": (asking(extra="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 400),
    "both_lengths": (asking(extra="Content-Length: 0\r\nTransfer-Encoding: x\r\n"), 400),
    "folded": (asking(extra="X: y\r\n z\r\n"), 400),
    "bare_lf": (GOOD.replace(b"\r\n", b"\n"), 400),
    "nul": (asking(extra="X: \0\r\n"), 400),
    "long_header": (asking(extra=f"X: {'y' * 65536}\r\n"), 431),
    "many_headers": (asking(extra="X: y\r\n" * 200), 431),
    "long_path": (handshake("/" + "y" * 65536), 414),
    "other_header_twice": (asking(extra="X: y\r\nX: z\r\n"), 101),
    "absolute": (handshake("ws://h:8888/x"), 101),
    "other_path": (handshake("/any/path?x=%00"), 101),
}


@pytest.mark.parametrize(("data", "status"), HANDSHAKES.values(), ids=HANDSHAKES)
@pytest.mark.parametrize("bytewise", [False, True])
async def test_handshakes(data: bytes, status: int, bytewise: bool) -> None:
    if bytewise:
        data = data[:20_000]
    async with memory_server(page=False) as server:
        client = await server.connect()
        with suppress(trio.BrokenResourceError):
            # It may have heard enough before the end.
            for piece in [data[i : i + 1] for i in range(len(data))] if bytewise else [data]:
                await client.send(piece)
        if status == 101:
            head = await client.informational()
            assert head.startswith(b"HTTP/1.1 101 ")
            assert b"\r\nSec-WebSocket-Protocol: trio-rtc.v1" in head
            assert b"Sec-WebSocket-Extensions" not in head
        else:
            answer = await client.answer()
            assert answer is not None
            assert answer.status == status
            assert answer.body.endswith(b".")
            assert answer.header("Access-Control-Allow-Origin") == "*"
            if status == 426:
                assert answer.header("Sec-WebSocket-Version") == "13"
                assert answer.header("Upgrade") == "websocket"
        assert server.statistics.failures == 0
        await client.stream.aclose()
        await serves(server)


async def test_a_refused_handshake_can_be_tried_again_on_the_same_connection() -> None:
    async with memory_server() as server:
        client = WebSocketClient(await server.listener.connect())
        await client.send_raw(handshake(subprotocol="chat"))
        assert b" 400 " in await client.stream.receive_some()
        assert (await client.open()).status_code == 101
        assert server.statistics.malformed == 1
        await client.stream.aclose()


async def misbehave(server: MemoryServer) -> None:
    """Everything that is malformed, each on a connection of its own."""
    for data in [data for _, data, _ in HEADS] + [data for data, _ in HANDSHAKES.values()]:
        client = await server.connect()
        await client.send(data)
        await client.stream.aclose()
    for data, *_ in BAD.values():
        other = await join(server, "x")
        await other.send_raw(data)
        await other.closed()
        await other.aclose()
    for said in NEVER.values():
        other = await connect(server)
        await other.send_raw(text(said))
        await other.closed()
        await other.aclose()


async def test_no_task_is_left_and_the_memory_comes_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        await trio.testing.wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        tracemalloc.start()
        try:
            sizes = []
            for _ in range(4):
                await misbehave(server)
                # Sessions wait for a minute to be resumed.
                await trio.sleep(70)
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
                assert trio.lowlevel.current_statistics().tasks_living == tasks
        finally:
            tracemalloc.stop()
        assert server.statistics.connections_open == server.statistics.websockets_open == 0
        assert server.statistics.peers["native"] == server.statistics.rooms == 0
        assert server.statistics.failures == 0
        # Some 190 connections in each round, of which each has 10 KB and more.
        assert sizes[3] - sizes[1] < 60_000, sizes
        await serves(server)

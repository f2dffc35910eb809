"""An address that wants all of a server's time does not have that of others."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics
from trio_rtc.server.http.shared_reader import AVAILABLE

from ..harness import get, tcp_server
from ..ws_client import handshake, text

REQUESTS = 300

PIPELINED = 32
"""Requests of a connection, so that all take some fifty turns, and few turns answer few of them."""


def connect(port: int, address: str) -> socket.socket:
    """A connection from somewhere else, as a proxy tells it."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(f"PROXY TCP4 {address} 192.0.2.1 5000 80\r\n".encode())
    return sock


async def answer(sock: socket.socket) -> bytes:
    sock.setblocking(False)
    while True:
        await trio.lowlevel.wait_readable(sock)
        try:
            return sock.recv(65536)
        except BlockingIOError:
            continue


@pytest.mark.skipif(not AVAILABLE, reason="this system has no epoll")
@pytest.mark.parametrize("asks", ["for nothing", "for WebSockets"])
async def test_many_requests_of_one_do_not_hold_up_another(asks: str) -> None:
    request = {
        "for nothing": PIPELINED * get("/nothing", version="1.1"),
        "for WebSockets": handshake() + text('{"type":"hello","name":"x","room":"r"}'),
    }[asks]
    statistics = Statistics()
    options: dict[str, Any] = {
        "trusted_proxies": ["127.0.0.1"],
        "proxy_protocol": True,
        "statistics": statistics,
    }
    with trio.fail_after(60), contextlib.ExitStack() as sockets:
        async with tcp_server(limits=ServerLimits(), **options) as port:
            honest = sockets.enter_context(connect(port, "198.51.100.7"))
            honest.sendall(get("/healthz", version="1.1"))
            assert b"ok" in await answer(honest)
            crowd = [sockets.enter_context(connect(port, "203.0.113.9")) for _ in range(REQUESTS)]
            # All of them are served, and wait for a request.
            while statistics.connections < REQUESTS + 1:
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            for other in crowd:
                other.sendall(request)
            await trio.lowlevel.checkpoint()
            honest.sendall(get("/healthz", version="1.1"))
            assert b"ok" in await answer(honest)
            # Of the others, not nearly all have been served by then.
            ready, _, _ = select.select(crowd, [], [], 0)
            assert len(ready) < REQUESTS / 2
            sockets.close()

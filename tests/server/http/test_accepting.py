"""Many connections at once do not wait for a turn each."""

from __future__ import annotations

import gc
import os
import re
import socket
import time
from pathlib import Path

import pytest
import trio

from trio_rtc.server.counters import Statistics
from trio_rtc.server.http.listeners import EagerListener

from ..harness import tcp_server


def knock(port: int, count: int) -> list[socket.socket]:
    """So many connections, which the kernel has made and nobody has accepted yet."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    while _waiting(port) < count:
        time.sleep(0.001)
    return clients


def _waiting(port: int) -> int:
    """How many there are to be accepted: proc_net_tcp(5), of a socket that listens (0A)."""
    listening = re.compile(rf":{port:04X} \w+:0000 0A \w+:(\w+) ")
    found = listening.search(Path("/proc/net/tcp").read_text())
    return int(found[1], 16) if found else 0


async def test_a_server_accepts_them_together() -> None:
    statistics = Statistics()
    with trio.fail_after(60):
        async with tcp_server(statistics=statistics) as port:
            clients = knock(port, 60)
            for _ in range(10):
                await trio.lowlevel.checkpoint()
            assert statistics.connections == 60
            for client in clients:
                client.close()


async def test_more_than_that_have_to_wait_for_the_next_turn() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with EagerListener(listener) as eager:
        clients = knock(listener.socket.getsockname()[1], 100)
        streams = [await eager.accept()]
        for _ in range(16):
            with pytest.raises(StopIteration) as stopped:
                eager.accept().__await__().send(None)
            streams.append(stopped.value.value)
        streams += [await eager.accept() for _ in range(83)]
        with trio.move_on_after(0.05) as scope:
            await eager.accept()
        assert scope.cancelled_caught
        for client, stream in zip(clients, streams, strict=True):
            assert client.getsockname() == stream.socket.getpeername()
            client.close()
            await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await eager.accept()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
async def test_nothing_is_left_of_those_who_were_not_served() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with EagerListener(listener) as eager:
        clients = knock(listener.socket.getsockname()[1], 20)
        await (await eager.accept()).aclose()
    for client in clients:
        client.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

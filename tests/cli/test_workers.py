"""``trio-rtc server --workers``: several processes behave like one server."""

from __future__ import annotations

import itertools
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import httpx
import trio

from trio_rtc.signaling import MessageReceived, Signaling, open_signaling

from ..processes import Command, command
from ..redis_server import needs_redis

pytestmark = needs_redis

SERVER = ["server", "--workers", "2", "--port", "0", "--host", "127.0.0.1"]


async def port_of(server: Command) -> int:
    match = re.search(r":(\d+)$", await server.line("listening on"))
    assert match is not None
    return int(match[1])


async def metric(port: int, name: str) -> float:
    """What all workers have counted."""
    async with httpx.AsyncClient(timeout=60) as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    assert found is not None, text
    return float(found[1])


async def until_metric(port: int, name: str, value: float) -> None:
    with trio.fail_after(200):
        while await metric(port, name) != value:  # noqa: ASYNC110
            await trio.sleep(0.1)


async def say_and_hear(one: Signaling, other: Signaling) -> None:
    await one.send(other.peer_id, "x")
    async for event in other:
        if isinstance(event, MessageReceived):
            assert event.data == b"x"
            return


def workers_of(pid: int) -> list[int]:
    """The processes that a process has started, but for Redis."""
    children: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().partition(") ")
            if int(rest.split()[1]) == pid and "redis" not in name and "valkey" not in name:
                children.append(int(stat.parent.name))
    return children


async def test_workers_are_one_server() -> None:
    async with command(*SERVER) as server, trio.open_nursery() as nursery:
        port = await port_of(server)
        url = f"ws://127.0.0.1:{port}"
        clients: list[Signaling] = []

        async def stay(name: str, task_status: trio.TaskStatus[None]) -> None:
            async with open_signaling(url, name=name) as signaling:
                clients.append(signaling)
                task_status.started()
                await trio.sleep_forever()

        for number in range(12):
            await nursery.start(stay, f"{number}")
        await until_metric(port, 'trio_rtc_joined_total{protocol="native"}', 12)
        assert await metric(port, "trio_rtc_cluster_servers") == 2
        for one, other in itertools.pairwise(clients):
            await one.wait_for_peer(other.peer_id)
            await say_and_hear(one, other)
        # One ends by a fault of its own: another takes its place, and its clients go on.
        killed, _ = workers_of(server.process.pid)
        os.kill(killed, signal.SIGKILL)
        for one, other in itertools.pairwise(clients):
            await say_and_hear(other, one)
        server.process.send_signal(signal.SIGTERM)
        assert await server.exit_status() == 0
        nursery.cancel_scope.cancel()


async def test_a_worker_that_cannot_serve_ends_all() -> None:
    async with command(*SERVER, "--cluster", "unix:///nowhere") as server:
        assert await server.exit_status() == 1
        assert "no connection to /nowhere" in server.errors

"""A network with a signaling server and a STUN and TURN server on it, and peers on its hosts."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.processes import Command, Event, python
from tests.waiting import until

from .hosts import SERVER, Host, Network, open_network

URL = f"ws://{SERVER}:8888"
STUN = (f"stun:{SERVER}:3478",)
TURN = (f"turn:{SERVER}:3478?transport=udp", "alice", "secret")
TURN_TCP = (f"turn:{SERVER}:3478?transport=tcp", "alice", "secret")


def answers(process: trio.Process, port: int) -> bool:
    """Whether it has the port, in its own network, for TCP and for UDP."""
    assert process.returncode is None
    return all(
        re.search(
            rf"^ *\d+: \w+:{port:04X} ", Path(f"/proc/{process.pid}/net/{kind}").read_text(), re.M
        )
        for kind in ("tcp", "udp")
    )


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    """A network whose servers run during the test."""
    with open_network() as network, tempfile.TemporaryDirectory() as folder:
        coturn = await trio.lowlevel.open_process(
            [
                *network.server.prefix, "turnserver", "-n", "--listening-ip", SERVER,
                "--relay-ip", SERVER, "--lt-cred-mech", "--user", "alice:secret",
                "--realm", "test", "--no-tls", "--no-dtls", "--no-cli", "--simple-log",
                "--log-file", f"{folder}/log", "--pidfile", f"{folder}/pid",
                "--userdb", f"{folder}/db",
            ],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with python(
                "-m", "trio_rtc", "server", "--host", SERVER, prefix=network.server.prefix
            ) as server:
                await server.line("listening on")
                await until(partial(answers, coturn, 3478))
                yield network
        finally:
            coturn.kill()
            with trio.CancelScope(shield=True):
                await coturn.wait()


@asynccontextmanager
async def peer(
    host: Host, name: str, *servers: tuple[str, ...], call: str | None = None, **options: object
) -> AsyncIterator[Command]:
    """A peer on a host, signed in."""
    arguments = {
        "url": URL, "name": name, "call": call, "options": {"ice_servers": servers, **options}
    }  # fmt: skip
    async with python(
        "-X", "dev", "-m", "tests.network.peer", json.dumps(arguments),
        stdin=subprocess.PIPE, prefix=host.prefix,
    ) as running:  # fmt: skip
        await running.event("signed_in")
        yield running


async def stats(caller: Command) -> Event:
    """What it tells of itself when it is asked."""
    seen = len(told(caller, "stats"))
    await caller.type("stats\n")
    while len(told(caller, "stats")) == seen:
        await caller.news()
    return told(caller, "stats")[-1]


async def pair(caller: Command) -> tuple[str, str]:
    """The types of the candidates in use."""
    local, remote = (await stats(caller))["pair"]
    return local, remote


def told(peer: Command, name: str) -> list[Event]:
    """The events of a name so far."""
    return [event for event in peer.events if event["event"] == name]


async def counts_on(caller: Command, by: int = 5) -> None:
    """Messages go both ways, and none is missing."""
    await caller.event("counted", number=len(told(caller, "counted")) + by)
    numbers = [event["number"] for event in told(caller, "counted")]
    assert numbers == list(range(len(numbers)))

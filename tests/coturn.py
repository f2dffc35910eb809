"""A real coturn on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from aioice.stun import Class, Message, Method

from .listening import listening
from .ports import free_port

TURNSERVER = shutil.which("turnserver")

needs_coturn = pytest.mark.skipif(
    TURNSERVER is None and "CI" not in os.environ,
    reason="coturn is not installed (Debian: apt-get install coturn)",
)


@asynccontextmanager
async def coturn(folder: Path, *options: str, address: str = "127.0.0.1") -> AsyncIterator[int]:
    """Run it during the block, without TLS; gives its port. It logs to ``coturn.log``."""
    port = free_port(address)
    files = [
        "--pidfile", str(folder / "coturn.pid"), "--userdb", str(folder / "coturn.db"),
        "--log-file", "stdout", "--simple-log",
    ]  # fmt: skip
    async with started(
        folder, "-n", "--listening-ip", address, "--listening-port", str(port),
        "--relay-ip", address, "--no-tls", "--no-dtls", "--no-cli", *files, *options,
        awaited=(address, port),
    ):  # fmt: skip
        await answers(address, port)
        yield port


async def answers(address: str, port: int) -> None:
    """Return once it answers over UDP as well, which its threads begin with at their own time."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with trio.fail_after(100), trio.socket.socket(family, socket.SOCK_DGRAM) as sock:
        await sock.connect((address, port))
        while True:
            with trio.move_on_after(0.2), suppress(ConnectionRefusedError):
                await sock.send(bytes(Message(Method.BINDING, Class.REQUEST)))
                await sock.recv(1500)
                return
            await trio.sleep(0.02)


@asynccontextmanager
async def started(folder: Path, *options: str, awaited: tuple[str, int]) -> AsyncIterator[None]:
    """Run it with just these options, once it listens on TCP there."""
    assert TURNSERVER is not None
    async with listening([TURNSERVER, *options], folder, folder / "coturn.log", awaited):
        yield

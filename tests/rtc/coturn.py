"""A real coturn on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from aioice.ice import get_host_addresses

from trio_rtc.rtc import IceServer

TURNSERVER = shutil.which("turnserver")

needs_coturn = pytest.mark.skipif(
    TURNSERVER is None and "CI" not in os.environ,
    reason="coturn is not installed (Debian: apt-get install coturn)",
)


def host_address() -> str:
    """An address of this machine that ICE uses."""
    addresses = get_host_addresses(use_ipv4=True, use_ipv6=False)
    if not addresses:
        pytest.skip("this machine has no network interface but loopback")
    return addresses[0]


@dataclass(frozen=True)
class Coturn:
    address: str
    port: int

    @property
    def stun(self) -> str:
        return f"stun:{self.address}:{self.port}"

    def turn(self, transport: str = "udp", *, credential: str = "secret") -> IceServer:
        url = f"turn:{self.address}:{self.port}?transport={transport}"
        return IceServer(url, username="alice", credential=credential)


@asynccontextmanager
async def coturn(folder: Path) -> AsyncIterator[Coturn]:
    """Run it during the block, for the user ``alice`` with the password ``secret``."""
    assert TURNSERVER is not None
    address = host_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    command = [
        TURNSERVER, "-n", "--listening-ip", address, "--listening-port", str(port),
        "--relay-ip", address, "--lt-cred-mech", "--user", "alice:secret", "--realm", "test",
        "--no-tls", "--no-dtls", "--no-cli", "--log-file", str(folder / "coturn.log"),
        "--simple-log", "--pidfile", str(folder / "coturn.pid"),
        "--userdb", str(folder / "coturn.db"),
    ]  # fmt: skip
    process = await trio.lowlevel.open_process(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with trio.fail_after(20):
            # It listens on TCP last.
            while True:
                try:
                    stream = await trio.open_tcp_stream(address, port)
                    break
                except OSError:
                    await trio.sleep(0.05)
            await stream.aclose()
        yield Coturn(address, port)
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()

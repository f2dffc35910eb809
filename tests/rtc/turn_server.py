"""coturn as an ICE server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from trio_rtc.rtc import IceServer
from trio_rtc.rtc.backend.ice.host_addresses import host_addresses

from ..coturn import coturn


def host_address() -> str:
    """An IPv4 address of this machine that ICE uses."""
    return next(address for address in host_addresses() if ":" not in address)


@dataclass(frozen=True)
class TurnServer:
    address: str
    port: int

    @property
    def stun(self) -> str:
        return f"stun:{self.address}:{self.port}"

    def turn(self, transport: str = "udp", *, credential: str = "secret") -> IceServer:
        url = f"turn:{self.address}:{self.port}?transport={transport}"
        return IceServer(url, username="alice", credential=credential)


@asynccontextmanager
async def turn_server(folder: Path) -> AsyncIterator[TurnServer]:
    """coturn for the user ``alice`` with the password ``secret``, on such an address."""
    address = host_address()
    users = ["--lt-cred-mech", "--user", "alice:secret", "--realm", "test"]
    if address.startswith("127."):
        users.append("--allow-loopback-peers")
    async with coturn(folder, *users, address=address) as port:
        yield TurnServer(address, port)

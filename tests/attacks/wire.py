"""What attackers send, and the sockets that they do it on."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import trio

from tests.server.ws_client import frame, handshake, text

GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)

#: As many as a message may have, of what JSON makes longest of the fewest bytes.
LONG_NAME: Final = '"' * 512


def attacker_address() -> str | None:
    """An address of this machine that is not loopback's, which all would share; None without one.

    What is sent from it to loopback stays in this machine.
    """
    if sys.platform != "linux":
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        # Nothing is sent: the kernel is asked for a route (RFC 5737).
        probe.connect(("192.0.2.1", 9))
        address = str(probe.getsockname()[0])
        return None if address.startswith("127.") else address
    return None


ATTACKER: Final = attacker_address()

#: As in ``linux/in.h``.
_IP_BIND_ADDRESS_NO_PORT: Final = 24

__all__ = ["frame", "handshake", "text"]


def say(**fields: object) -> bytes:
    """A message of the native protocol, in a frame."""
    return text(json.dumps(fields, separators=(",", ":")))


def hello(name: str, room: str) -> bytes:
    return handshake() + say(type="hello", name=name, room=room)


@asynccontextmanager
async def connection(port: int, *, small: bool = False) -> AsyncIterator[trio.SocketStream]:
    """A connection; with ``small`` its kernel takes next to nothing that it does not read."""
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if ATTACKER is not None:
        # The port is chosen with the connection: there may be as many as with any address.
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        await sock.bind((ATTACKER, 0))
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with suppress(OSError):
        await sock.connect(("127.0.0.1", port))
        async with trio.SocketStream(sock) as stream:
            yield stream
        return
    sock.close()
    raise trio.BrokenResourceError


async def again(fn: Callable[[], Awaitable[None]], pause: float = 0.05) -> None:
    """Do it again and again, whatever the server does about it."""
    while True:
        try:
            await fn()
        except* GONE:
            # Also of one that has tasks: otherwise the attack would be over.
            pass
        await trio.sleep(pause)


async def many(count: int, fn: Callable[[int], Awaitable[None]], *, pause: float = 0.05) -> None:
    """So many that do it again and again."""
    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(again, lambda number=number: fn(number), pause)
            if number % 50 == 49:
                await trio.sleep(0.02)


async def read_all(stream: trio.SocketStream) -> None:
    """Take in what comes, until the end."""
    while await stream.receive_some(65536):
        pass


async def read_for(stream: trio.SocketStream, seconds: float) -> bytes:
    """What comes in a time."""
    data = b""
    with trio.move_on_after(seconds):
        while piece := await stream.receive_some(65536):
            data += piece
    return data


async def welcomed(stream: trio.SocketStream) -> dict[str, object]:
    """The welcome, after a hello; what comes right behind it is dropped."""
    data = b""
    while b'"type":"welcome"' not in data or not data.endswith(b"}"):
        piece = await stream.receive_some(65536)
        if not piece:
            raise trio.BrokenResourceError
        data += piece
    begin = data.index(b'{"type":"welcome"')
    welcome, _ = json.JSONDecoder().raw_decode(data[begin:].decode("utf-8", "replace"))
    assert isinstance(welcome, dict)
    return welcome

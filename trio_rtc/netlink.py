"""Netlink: the kernel tells when addresses of this machine, or ways out of it, are others.

That is Linux's (rtnetlink(7)); elsewhere, and where a sandbox allows no such socket, whoever waits
looks once a second.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

POLL_SECONDS: Final = 1.0
"""How often to look where nobody tells."""

SETTLE_SECONDS: Final = 0.02
"""What belongs together, as an address and its route, comes within this time."""

# Of <linux/rtnetlink.h>: IPv4 addresses and routes, IPv6 addresses and routes.
_GROUPS: Final = 0x10 | 0x40 | 0x100 | 0x400
_LARGEST: Final = 64 * 1024


@asynccontextmanager
async def open_address_changes() -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Begin to listen; gives a function that waits until something may have changed since."""
    sock = _open()
    if sock is None:
        yield partial(trio.sleep, POLL_SECONDS)
        return
    with sock:
        yield partial(_wait, sock)


def _open() -> trio.socket.SocketType | None:
    if sys.platform != "linux":
        return None
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        return None
    return trio.socket.from_stdlib_socket(sock)


async def _wait(sock: trio.socket.SocketType) -> None:
    try:
        await sock.recv(_LARGEST)
        with trio.move_on_after(SETTLE_SECONDS):
            while True:
                await sock.recv(_LARGEST)
    except OSError:
        # More than there is room for (ENOBUFS): something has changed, whatever it was.
        await trio.sleep(SETTLE_SECONDS)

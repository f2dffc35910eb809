"""UDP datagrams: of the other side only, and many of them for one turn of the loop.

asyncio waits for the socket before each datagram, and receives into 256 KiB; aioice then takes
each for STUN until that fails, and what is none for the other side's, whoever has sent it. What
this needs of them that is not public is listed in `ledger`, but for asyncio's `_read_ready`:
without that, as on another loop, datagrams come one at a time.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sized
from typing import Any, Final

import aioice
from aioice import stun
from aioice.ice import StunProtocol

from ..patches import can
from .bursts import receive_together

RECEIVE_BUFFER: Final = 4 * 1024 * 1024
"""Bytes asked of the kernel for a socket, which gives as much as ``net.core.rmem_max`` lets it.

What is lost on a fast path is lost here, while Python is busy.
"""

AT_ONCE: Final = 64
"""Datagrams that are received before anybody else has a turn."""

LONE: Final = 0.0005
"""Seconds after one that came alone, after which the next is expected to come alone as well."""

UNLOOKED: Final = 7
"""Datagrams in a row that count as lone ones by their times alone. Where a turn of the loop takes
longer than `LONE`, others may wait behind each of them."""

_LONGEST: Final = 64 * 1024
_LAST_OF_STUN: Final = 3
"""The first byte of what is STUN (RFC 7983, section 7); all else is for the transports above."""


def protect(agent: aioice.Connection) -> None:
    """Have no datagram of a stranger go further than the sockets that an agent has by now.

    It could end a DTLS handshake, in which an alert is not authenticated yet, and would count
    as a sign of life.
    """
    for protocol in agent._protocols:
        if "datagram_received" not in vars(protocol) and can("datagrams"):
            protocol.datagram_received = _SourceFilter(protocol).receive  # type: ignore[method-assign]


def quicken(protocol: Any) -> None:
    """Receive quickly what comes on the socket of this one, if it has one."""
    transport: Any = protocol.transport
    sock = transport.get_extra_info("socket")
    # A relay has no socket of its own; and the way may be one that was in use before.
    if sock is None or isinstance(
        getattr(protocol.datagram_received, "__self__", None), _DatagramReader
    ):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if hasattr(transport, "_read_ready") and can("datagrams"):
        transport.max_size = _LONGEST
        protocol.datagram_received = _DatagramReader(protocol).receive


def addresses_of_peer(agent: aioice.Connection) -> set[tuple[str, int]]:
    """Where the other side of an agent may send from.

    A check that is kept until its description is there has been found genuine, too.
    """
    return {
        *((known._network_host, known.port) for known in agent._remote_candidates),
        *(address for _, address, _ in agent._early_checks),
    }


class _SourceFilter:
    def __init__(self, protocol: StunProtocol):
        self._protocol = protocol
        self._agent = protocol.receiver
        self._receive_stun = protocol.datagram_received
        self._known: set[tuple[str, int]] = set()

    def receive(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        assert isinstance(data, bytes)
        if data and data[0] > _LAST_OF_STUN:
            if addr[:2] in self._known or self._comes_to_be_known(addr):
                self._agent.data_received(data, self._protocol.local_candidate.component)
        elif is_stun(data):
            self._receive_stun(data, addr)

    def _comes_to_be_known(self, addr: tuple[Any, ...]) -> bool:
        """Whether the other side has told of this address, or has sent a check from there."""
        self._known = addresses_of_peer(self._agent)
        return addr[:2] in self._known


class _DatagramReader:
    def __init__(self, protocol: Any):
        self._read_ready: Any = protocol.transport._read_ready
        bursts = receive_together(protocol.transport)
        self._waiting: Sized = () if bursts is None else bursts.waiting
        self._receive = protocol.datagram_received
        self._clock = asyncio.get_running_loop().time
        self._received = 0
        self._is_reading = False
        self._last = 0.0
        self._came_alone = False
        self._unlooked = 0

    def receive(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Take a datagram, and those that wait behind it."""
        self._received += 1
        self._receive(data, addr)
        if self._is_reading:
            return
        now = self._clock()
        # To look in vain for another one takes a tenth of the time that this one takes.
        is_lone = self._came_alone and now - self._last >= LONE and self._unlooked < UNLOOKED
        self._unlooked = self._unlooked + 1 if is_lone else 0
        if self._waiting or not is_lone:
            before = self._received
            self._is_reading = True
            try:
                self._read_on()
            finally:
                self._is_reading = False
            self._came_alone = self._received == before
        self._last = now

    def _read_on(self) -> None:
        left = AT_ONCE - 1
        # The kernel tells of nothing that has been received, and not been asked for.
        while left > 0 or self._waiting:
            left -= 1
            before = self._received
            # If there is another one, it comes to `receive`.
            self._read_ready()
            if self._received == before:
                return


def is_stun(data: bytes) -> bool:
    """Whether a STUN message can be read. aioice 0.13 fails on some that anybody can send."""
    try:
        stun.parse_message(data)
    except (ValueError, LookupError, struct.error):
        return False
    return True

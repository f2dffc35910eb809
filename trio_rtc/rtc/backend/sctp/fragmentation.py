"""IP fragmentation of what is sent, allowed or not (RFC 791, 2.3; RFC 8200, 4.5)."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aioice.candidate import Candidate
from aiortc import RTCIceTransport

from ..patches import can

# Of Linux's <linux/in.h> and <linux/in6.h>; Python has no names for them.
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_ALLOWED: Final = 0
_FORBIDDEN: Final = 3
"""What is larger than the device takes is an error, and what the kernel believes of the path does
not count."""


@contextmanager
def unfragmented(transport: RTCIceTransport) -> Iterator[bool]:
    """A block in which what is sent on the pair in use is not fragmented.

    It gives whether that can be had: not on a relay, which may do so further on, nor while
    something waits to be sent, nor on other systems than Linux. After the block it is fragmented if
    need be, here or further on: what is sent then has been found to fit, until the path changes.
    """
    sock = _socket(transport)
    if sock is None:
        yield False
        return
    option = (
        (socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER)
        if sock.family == socket.AF_INET6
        else (socket.IPPROTO_IP, _IP_MTU_DISCOVER)
    )
    sock.setsockopt(*option, _FORBIDDEN)
    try:
        yield True
    finally:
        sock.setsockopt(*option, _ALLOWED)


def _socket(transport: RTCIceTransport) -> socket.socket | None:
    if sys.platform != "linux" or not can("path_mtu"):
        return None
    pair = transport._connection._nominated.get(1)
    if pair is None or _is_relayed(pair.local_candidate) or _is_relayed(pair.remote_candidate):
        return None
    protocol: Any = pair.protocol
    if protocol.transport.is_closing() or protocol.transport.get_write_buffer_size():
        return None
    found: socket.socket = protocol.transport.get_extra_info("socket")
    return found


def _is_relayed(candidate: Candidate) -> bool:
    return candidate.type == "relay"

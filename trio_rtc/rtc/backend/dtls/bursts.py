"""Bursts of UDP datagrams in one system call (UDP segmentation and receive offload, Linux).

A system call, and the way of a datagram through the kernel, take as long as all the rest of a
packet of 1 400 bytes. What cannot be had is not missed: then datagrams go, and come, one by one.
What this needs of asyncio that is not public is listed in `ledger`.
"""

from __future__ import annotations

import socket
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any, Final

# Of Linux's <linux/udp.h>; Python has no names for them.
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104

_SEND_SIZE: Final = Struct("@H")
_RECEIVED_SIZE: Final = Struct("@i")
_ANCILLARY: Final = socket.CMSG_SPACE(_RECEIVED_SIZE.size) if sys.platform != "win32" else 0

MOST_SEGMENTS: Final = 64
"""Datagrams that a kernel takes in one call, at most."""

MOST_BYTES: Final = 65_000
"""Their bytes: together they are one packet of IP at first."""

Address = tuple[Any, ...]


class BurstSender:
    """Sends datagrams over a transport of asyncio's, together where that is possible."""

    def __init__(self, transport: Any):
        self._transport = transport
        # A relay has none, that of a simulation cannot do it, and on TCP there are no datagrams.
        sock: Any = getattr(transport.get_extra_info("socket"), "_sock", None)
        is_udp = (
            sys.platform == "linux"
            and hasattr(sock, "sendmsg")
            and sock.type == socket.SOCK_DGRAM
            and transport.get_extra_info("peername") is None
        )
        self._sendmsg: Any = sock.sendmsg if is_udp else None

    @property
    def is_possible(self) -> bool:
        """Whether they go together, as far as is known."""
        return self._sendmsg is not None

    def send(self, datagrams: Sequence[bytes], address: Address) -> None:
        """Send datagrams to one address. Those that cannot be sent are lost, as on any network."""
        transport = self._transport
        for run in runs(datagrams):
            if len(run) == 1 or not self._send_run(run, address):
                for datagram in run:
                    transport.sendto(datagram, address)

    def _send_run(self, run: Sequence[bytes], address: Address) -> bool:
        transport = self._transport
        if self._sendmsg is None or transport.is_closing() or transport.get_write_buffer_size():
            # What waits there goes first.
            return False
        size = _SEND_SIZE.pack(len(run[0]))
        try:
            self._sendmsg(run, [(socket.IPPROTO_UDP, _UDP_SEGMENT, size)], 0, address)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            # The kernel, or the device, does not do it, or not with datagrams of this size.
            self._sendmsg = None
            return False
        return True


def runs(datagrams: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Datagrams in runs that may go together: of one size, but for a last one that is smaller."""
    begin = size = total = 0
    ends = False
    for at, datagram in enumerate(datagrams):
        length = len(datagram)
        if at > begin and (
            ends or length > size or at - begin >= MOST_SEGMENTS or total + length > MOST_BYTES
        ):
            yield datagrams[begin:at]
            begin = at
        if at == begin:
            size, total, ends = length, 0, False
        total += length
        ends = length < size
    if begin < len(datagrams):
        yield datagrams[begin:]


class BurstSocket:
    """A socket as asyncio's transport of datagrams uses it, that receives several in one call.

    Attributes:
        waiting: what has been received, and not been asked for.
    """

    def __init__(self, sock: Any):
        self._sock = sock
        self._recvmsg = sock.recvmsg
        self.sendto = sock.sendto
        self.send = sock.send
        self.waiting: deque[tuple[bytes, Address]] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recvfrom(self, size: int) -> tuple[bytes, Address]:
        """The next datagram, and where it comes from."""
        if self.waiting:
            return self.waiting.popleft()
        data, ancillary, _, address = self._recvmsg(size, _ANCILLARY)
        if ancillary:
            for level, kind, value in ancillary:
                if level == socket.IPPROTO_UDP and kind == _UDP_GRO:
                    (length,) = _RECEIVED_SIZE.unpack(value)
                    if 0 < length < len(data):
                        parts = [data[at : at + length] for at in range(0, len(data), length)]
                        self.waiting.extend([(part, address) for part in parts[1:]])
                        data = parts[0]
        return data, address


def receive_together(transport: Any) -> BurstSocket | None:
    """Have a transport of asyncio's receive several datagrams in one call, where it can."""
    sock: Any = getattr(transport, "_sock", None)
    if isinstance(sock, BurstSocket):
        return sock
    if sys.platform != "linux" or not hasattr(sock, "recvmsg"):
        return None
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError:
        return None
    transport._sock = bursts = BurstSocket(sock)
    return bursts

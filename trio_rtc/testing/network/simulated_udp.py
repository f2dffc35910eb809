"""A UDP socket of a simulated host."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...world import Address

if TYPE_CHECKING:
    from .host import Host


class UdpSocket:
    """A socket of a host (`world.DatagramSocket`)."""

    def __init__(self, host: Host, address: Address, receive: Callable[[bytes, Address], None]):
        self.address = address
        self.dont_fragment = False
        self.receive = receive
        self._host = host

    def send(self, data: bytes, to: Address) -> None:
        self._host.send_datagram(self, data, to)

    def close(self) -> None:
        if self._host.udp.get(self.address) is self:
            del self._host.udp[self.address]

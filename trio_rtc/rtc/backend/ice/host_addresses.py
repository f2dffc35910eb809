"""Host addresses for candidates: those of the network, and on a machine without one those it has.

RFC 8445, section 5.1.1.1, has no candidates of the loopback interface. With no other address there
would be no call at all then, although both peers may be on this machine: in a build that is shut
off, or on a laptop offline. So these are used where nothing else can be, after IPv6 addresses of a
link, for which aioice 0.13 has no use either. What this needs of aiortc and aioice that is not
public is listed in `ledger`.
"""

from __future__ import annotations

import ipaddress
from typing import Any

import aioice
from aioice import TransportPolicy
from aiortc import RTCDtlsTransport, RTCPeerConnection

from ....world import world
from ..patches import can


def host_addresses() -> list[str]:
    """Addresses to bind to, as text; those of a link come with its name: ``fe80::1%eth0``."""
    network, link, loopback = [], [], []
    for interface, text in world().interfaces():
        address = ipaddress.ip_address(text)
        if address.is_loopback:
            loopback.append(text)
        elif address.version == 6 and address.is_link_local:
            link.append(f"{text}%{interface}")
        else:
            network.append(text)
    return network or link or loopback


def install(connection: RTCPeerConnection) -> None:
    """Have the transports that a connection makes gather these."""
    if not can("host_addresses"):
        return
    private: Any = connection
    create = private._RTCPeerConnection__createDtlsTransport

    def create_gathering() -> RTCDtlsTransport:
        transport: RTCDtlsTransport = create()
        gather_from(transport.transport.iceGatherer._connection)
        return transport

    private._RTCPeerConnection__createDtlsTransport = create_gathering


def gather_from(agent: aioice.Connection) -> None:
    """Have an ICE agent gather these."""
    private: Any = agent
    gather = private.get_component_candidates

    async def gather_ours(component: int, addresses: list[str], timeout: int = 5) -> Any:
        # With relays only there are none.
        is_all = private._transport_policy == TransportPolicy.ALL
        return await gather(component, host_addresses() if is_all else addresses, timeout)

    if can("host_addresses"):
        private.get_component_candidates = gather_ours

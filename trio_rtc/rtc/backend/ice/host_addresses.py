"""Host addresses for candidates: those of the network, and on a machine without one those it has.

RFC 8445, section 5.1.1.1, has no candidates of the loopback interface. With no other address there
would be no call at all then, although both peers may be on this machine: in a build that is shut
off, or on a laptop offline. So these are used where nothing else can be, after IPv6 addresses of a
link, for which aioice 0.13 has no use either. Ports, interfaces and the addresses that are told can
be chosen. What this needs of aiortc and aioice that is not public is listed in `ledger`.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

import aioice
from aioice import TransportPolicy
from aioice.candidate import Candidate
from aioice.ice import StunProtocol
from aiortc import RTCDtlsTransport, RTCIceCandidate, RTCPeerConnection

from ....errors import CallError
from ....world import world
from ...ice_credentials import IceCredentials
from ...ice_gather_options import IceGatherOptions
from ..patches import can
from .ice_tcp import listen
from .mdns import HiddenAddresses
from .udp_mux import attach, attach_tcp
from .udp_socket import open_udp

logger = logging.getLogger("trio_rtc.rtc")

DEFAULTS = IceGatherOptions()


def host_addresses(options: IceGatherOptions = DEFAULTS) -> list[str]:
    """Addresses to bind to, as text; those of a link come with its name: ``fe80::1%eth0``."""
    network, link, loopback = [], [], []
    for interface, text in world().interfaces():
        if not options.is_used(interface, text):
            continue
        address = ipaddress.ip_address(text)
        if address.is_loopback:
            loopback.append(text)
        elif address.version == 6 and address.is_link_local:
            link.append(f"{text}%{interface}")
        else:
            network.append(text)
    return network or link or loopback


def install(
    connection: RTCPeerConnection, options: IceGatherOptions, credentials: IceCredentials | None
) -> None:
    """Have the transports that a connection makes gather these, and use these credentials.

    Raises:
        CallError: ``not_possible``: this release of aioice takes no credentials of ours.
    """
    if not can("host_addresses"):
        if credentials is not None:
            raise CallError("aioice takes no credentials", code="not_possible", fault="local")
        return
    private: Any = connection
    create = private._RTCPeerConnection__createDtlsTransport

    def create_gathering() -> RTCDtlsTransport:
        transport: RTCDtlsTransport = create()
        agent: Any = transport.transport.iceGatherer._connection
        gather_from(agent, options)
        if credentials is not None:
            agent._local_username = credentials.username_fragment
            agent._local_password = credentials.password
        return transport

    private._RTCPeerConnection__createDtlsTransport = create_gathering


def gather_from(agent: aioice.Connection, options: IceGatherOptions) -> None:
    """Have an ICE agent gather these."""
    if can("host_addresses"):
        private: Any = agent
        gathering = private.get_component_candidates = _Gathering(agent, options)
        private.gather_candidates = gathering.gather_once
        if options.udp_mux is not None:
            # aioice's four letters would not be unique among thousands.
            private._local_username = world().random_hex(8)


def options_of(agent: aioice.Connection) -> IceGatherOptions:
    """By what an agent gathers."""
    gathering = agent.get_component_candidates
    return gathering.options if isinstance(gathering, _Gathering) else DEFAULTS


def gathered(agent: aioice.Connection) -> list[str]:
    """The addresses that `host_addresses` gave when an agent gathered."""
    gathering = agent.get_component_candidates
    return gathering.own if isinstance(gathering, _Gathering) else []


def told(agent: aioice.Connection, candidate: RTCIceCandidate) -> RTCIceCandidate | None:
    """What others are told in place of a candidate of an agent's; None: nothing."""
    gathering = agent.get_component_candidates
    if not isinstance(gathering, _Gathering) or gathering.hidden is None:
        return candidate
    return gathering.hidden.told(candidate)


class _Gathering:
    """Stands in the place of an agent's own method."""

    def __init__(self, agent: aioice.Connection, options: IceGatherOptions):
        self.options = options
        self.hidden = HiddenAddresses(agent) if options.mdns else None
        self.own: list[str] = []
        self._agent: Any = agent
        self._gather = agent.get_component_candidates

    async def gather_once(self) -> None:
        """Gather, for the one component there is. aioice lists the addresses of the machine before.

        That takes a millisecond, and one of a call's set-up is enough.
        """
        agent = self._agent
        if not agent._local_candidates_start:
            agent._local_candidates_start = True
            agent._local_candidates += await self(1, [])
            agent._local_candidates_end = True

    async def __call__(self, component: int, addresses: list[str], timeout: int = 5) -> Any:
        # With relays only there are none.
        if self._agent._transport_policy != TransportPolicy.ALL:
            return await self._gather(component, addresses, timeout)
        options = self.options
        self.own = own = host_addresses(options)
        if options.interfaces and not own:
            logger.warning("no address of this machine is on %s", ", ".join(options.interfaces))
        if options.udp_ports is None and options.udp_mux is None:
            candidates = await self._gather(component, own, timeout)
        else:
            bound = [await self._bind(address) for address in own]
            candidates = [candidate for candidate in bound if candidate is not None]
        # A simulated network has no listening sockets of asyncio's.
        if options.tcp and world().network is None:
            passive = [await self._listen(address) for address in own]
            candidates += [candidate for candidate in passive if candidate is not None]
        if self.hidden is not None:
            await self.hidden.publish(own)
        for candidate in candidates:
            if candidate.type == "host":
                candidate.host = options.told(candidate.host)
        return candidates

    async def _bind(self, address: str) -> Candidate | None:
        """A host candidate on one of the ports."""
        agent = self._agent
        for port in self.options.ports(world().uniform):
            try:
                protocol = await self._open(address, port)
            except OSError:
                continue
            agent._protocols.append(protocol)
            return protocol.local_candidate
        first, last = self.options.udp_ports or (self.options.udp_mux,) * 2
        logger.warning("no UDP port from %d to %d is free at %s", first, last, address)
        return None

    async def _listen(self, address: str) -> Candidate | None:
        """A passive candidate of TCP; None if there can be none."""
        port = self.options.udp_mux
        if port is None:
            return await listen(self._agent, address, self.options)
        try:
            return await attach_tcp(self._agent, address, port)
        except OSError as error:
            logger.warning("no TCP port %d at %s: %s", port, address, error)
            return None

    async def _open(self, address: str, port: int) -> StunProtocol:
        """A socket, or a share of one.

        Raises:
            OSError: it is taken.
        """
        agent = self._agent
        if self.options.udp_mux is not None:
            return await attach(agent, address, port)
        return await open_udp(agent, address, port)

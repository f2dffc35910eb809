"""Asking a STUN server for our address, as it sees it (RFC 8489).

aioice 0.13 asks over IPv4 only, and fails on an answer without an address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import StunProtocol
from aioice.stun import Class, Message, Method


async def reflexive_candidate(
    protocol: StunProtocol, host: str, port: int
) -> tuple[Candidate, None]:
    """The candidate that a server has for one of our sockets.

    Raises:
        OSError: the server has no address that the socket can reach, or tells of none.
        TransactionError: it refuses, or does not answer.
    """
    local = protocol.local_candidate
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, family=_family(local.host), type=socket.SOCK_DGRAM
    )
    response, _ = await protocol.request(
        Message(Method.BINDING, Class.REQUEST), (str(found[0][4][0]), port)
    )
    # Servers of before RFC 5389 have only the other one.
    names = ("XOR-MAPPED-ADDRESS", "MAPPED-ADDRESS")
    mapped = next((response.attributes[n] for n in names if n in response.attributes), None)
    if mapped is None or not mapped[1] or ipaddress.ip_address(mapped[0]).is_unspecified:
        raise ConnectionError("its answer has no address")
    return (
        Candidate(
            foundation=candidate_foundation("srflx", "udp", local.host),
            component=local.component,
            transport=local.transport,
            priority=candidate_priority(local.component, "srflx"),
            host=mapped[0],
            port=mapped[1],
            type="srflx",
            related_address=local.host,
            related_port=local.port,
        ),
        None,
    )


def can_reach(protocol: StunProtocol, host: str) -> bool:
    """Whether a socket can reach a server, as far as its name tells."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return True
    return version == ipaddress.ip_address(protocol.local_candidate.host).version


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET

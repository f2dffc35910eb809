"""mDNS candidates: names for host addresses (draft-ietf-mmusic-mdns-ice-candidates, RFC 6762).

Whoever is told a name that ends in ``.local`` learns nothing by it, and whoever is on the same link
can ask for its address. aioice 0.13 answers for names and asks for them, once, and of IPv4.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

import aioice
import dns.message
import dns.name
import dns.rdatatype
from aioice.ice import get_or_create_mdns_protocol
from aioice.mdns import MDNS_ADDRESS, MDNS_PORT, MDnsProtocol, is_mdns_hostname
from aiortc import RTCIceCandidate

from ....world import world

logger = logging.getLogger("trio_rtc.rtc")

ASK_AFTER: Final = (0.0, 0.25, 0.3)
"""Seconds to the first question that we add to aioice's, to the next, and so on: it waits for 1 s,
and what is sent to all is the first to be lost on a busy wireless network."""


class HiddenAddresses:
    """The names of one agent, and what is told in place of its candidates."""

    def __init__(self, agent: Any):
        self._agent = agent
        self._names: dict[str, str | None] = {}

    async def publish(self, addresses: Iterable[str]) -> None:
        """Answer for a name of each address, while the agent is there."""
        self._names = {address.partition("%")[0]: None for address in addresses}
        try:
            if world().network is not None:
                raise OSError("a simulated network has no multicast")
            protocol = await _protocol_of(self._agent)
            self._withdraw_at_the_end(protocol)
            for address in self._names:
                name = f"{world().random_uuid()}.local"
                await protocol.publish(name, address)
                self._names[address] = name
        except OSError as error:
            logger.warning("addresses cannot be hidden behind names, and are not told: %s", error)

    def _withdraw_at_the_end(self, protocol: MDnsProtocol) -> None:
        close = self._agent.close

        async def close_all() -> None:
            for name in self._names.values():
                if name is not None:
                    protocol.zone.delete_node(dns.name.from_text(name))
            await close()

        self._agent.close = close_all

    def told(self, candidate: RTCIceCandidate) -> RTCIceCandidate | None:
        """What others are told instead of a local candidate; None: nothing, it has no name."""
        is_host = candidate.type == "host"
        base = candidate.ip if is_host else candidate.relatedAddress or ""
        if base not in self._names:
            # It is one to tell instead of ours.
            return candidate
        name = self._names[base]
        # aioice makes a hash of the address, and there are few that it may be.
        known = name or str(list(self._names).index(base))
        told = replace(candidate, foundation=f"{known[:8]}{candidate.type}{candidate.protocol}")
        if not is_host:
            return replace(told, relatedAddress=_unspecified(base), relatedPort=9)
        return None if name is None else replace(told, ip=name)


def _unspecified(address: str) -> str:
    return "::" if ":" in address else "0.0.0.0"


def can_resolve(name: str) -> bool:
    """Whether there is anybody to ask for a name; for an address there is no need."""
    return not is_mdns_hostname(name) or world().network is None


@asynccontextmanager
async def asking(agent: Any, name: str) -> AsyncIterator[None]:
    """Ask for a name again while aioice waits for its address, and for one of IPv6."""
    keep_by_loop()
    task = asyncio.get_running_loop().create_task(_ask(agent, name))
    try:
        yield
    finally:
        task.cancel()


async def _protocol_of(agent: Any) -> MDnsProtocol:
    keep_by_loop()
    return await get_or_create_mdns_protocol(agent)


def keep_by_loop() -> None:
    """Have aioice keep its lock and socket for each loop: a thread may run one after another."""
    ice: Any = aioice.ice
    if not isinstance(ice._mdns, _KeptByLoop):
        ice._mdns = _KeptByLoop()


class _KeptByLoop:
    """Attributes that each event loop has for itself."""

    def __init__(self) -> None:
        vars(self)["_of"] = weakref.WeakKeyDictionary()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mine(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._mine(), name, value)

    def _mine(self) -> SimpleNamespace:
        mine: SimpleNamespace = vars(self)["_of"].setdefault(
            asyncio.get_running_loop(), SimpleNamespace()
        )
        return mine


async def _ask(agent: Any, name: str) -> None:
    if not is_mdns_hostname(name):
        return
    try:
        protocol = await _protocol_of(agent)
    except OSError:
        return
    for pause in ASK_AFTER:
        await asyncio.sleep(pause)
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            if dns.name.from_text(name) in protocol.queries:
                question = dns.message.make_query(name, kind)
                question.id = question.flags = 0
                protocol.transport.sendto(question.to_wire(), (MDNS_ADDRESS, MDNS_PORT))

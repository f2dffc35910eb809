"""Hosted peers as a dialect: they speak to the server by function calls."""

from __future__ import annotations

import logging

import trio

from ....faults import FaultLog, caught
from ....wire.close_codes import CloseCode
from ....wire.names import clean_text
from ...authorize import Admission
from ...context import Context
from ...hub.engine import HubEngine
from ...hub.hub import Member
from ..dialect import Dialect, Endpoints
from ..membership import TAKEN, Membership
from ..refusal import Refused
from .hosted_peer import HostedPeer, PeerHost

logger = logging.getLogger("trio_rtc.server")

PROTOCOL = "hosted"


def _address(peer: HostedPeer) -> bytes:
    """Its room and its name."""
    return f"{peer.room}\0{peer.name}".encode("utf-8", "surrogateescape")


class HostedDialect(Dialect):
    """Makes peers that programs in this process speak for."""

    def __init__(self, hub: HubEngine, context: Context, host: PeerHost):
        self._hub = hub
        self._context = context
        self._host = host
        self._peers: Membership[HostedPeer] = Membership(
            PROTOCOL, hub, context, lambda peer: None, unique=_address
        )
        self._count = 0
        self._faults = FaultLog(logger)
        # Of two who ask for the same name at the same time, the second one finds it.
        self._opening = trio.Lock()

    @property
    def endpoints(self) -> Endpoints:
        """None: nobody speaks to it from outside."""
        return Endpoints()

    def tick(self, now: float) -> bool:
        """Nothing is due: nobody of them stays for a time."""
        return False

    async def find_or_open(self, name: str, room: str, client_network: str) -> Member:
        """The member of a room with this name, which is made if there is none.

        Args:
            name: what it is called.
            room: where.
            client_network: of the client that asks, whose place it takes.

        Raises:
            Refused: there is no place for it.
        """
        name = clean_text(name)
        async with self._opening:
            while True:
                if (member := await self._hub.find_named(name, room)) is not None:
                    return member
                try:
                    return (await self._open(name, room, client_network)).member
                except Refused as refused:
                    # Another server has made it meanwhile.
                    if refused.code != TAKEN:
                        raise

    async def _open(self, name: str, room: str, client_network: str) -> HostedPeer:
        if self._count >= self._host.max_peers:
            why = "there is no place for another publisher"
            raise Refused(CloseCode.NO_PLACE, why, "hosted_peers")
        account = self._context.memory.open()
        peer = HostedPeer(
            name, room, client_network, account, self._hub.send, self._hub.others, self._leave
        )
        try:
            await self._peers.join(peer, peer, Admission(name=peer.name, room=room))
        except BaseException:
            account.close()
            raise
        self._count += 1
        self._context.start_soon(self._run, peer)
        return peer

    async def _run(self, peer: HostedPeer) -> None:
        try:
            with caught(lambda error: self._faults.report(f"the peer {peer.member.name!r}", error)):
                await self._host.program(peer)
        finally:
            self._count -= 1
            self._leave(peer)

    def _leave(self, peer: HostedPeer) -> None:
        if peer.member.present:
            self._peers.leave(peer)

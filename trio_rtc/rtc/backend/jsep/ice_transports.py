"""ICE transports of one connection, and their restarts (RFC 8839, section 4.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from aiortc import RTCIceTransport, RTCPeerConnection
from aiortc.sdp import SessionDescription as ParsedDescription

from ...bridge.ownership import Owner
from ..ice.restartable import RestartableIceTransport
from ..patches import can
from ..sctp import association as sctp
from .candidates import LocalCandidates, transports
from .sections import Sections

logger = logging.getLogger("trio_rtc.rtc")


class RestartableIceTransports:
    """One for each transport that is in use.

    Args:
        on_states: is called when a restart of ICE begins or ends.

    Attributes:
        restart_wanted: whether the next offer is to bring new ICE agents.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        owner: Owner,
        sections: Sections,
        candidates: LocalCandidates,
        on_states: Callable[[], None],
    ):
        self._pc = connection
        self._owner = owner
        self._sections = sections
        self._candidates = candidates
        self._on_states = on_states
        self._paths: dict[RTCIceTransport, RestartableIceTransport] = {}
        self.restart_wanted = False

    def all(self) -> list[RestartableIceTransport]:
        """Those of the transports that there are."""
        if not can("path"):
            return []
        return [self.of(transport) for transport in self._sections.ice_transports()]

    def of(self, transport: RTCIceTransport) -> RestartableIceTransport:
        """That of a transport."""
        if transport not in self._paths:
            self._paths[transport] = RestartableIceTransport(transport, self._on_path)
        return self._paths[transport]

    def _on_path(self) -> None:
        if not self.is_restarting:
            sctp.begin_anew(self._pc)
        self._on_states()

    async def check_consent(self) -> bool:
        """Ask on all paths at once; tell whether anything came meanwhile."""
        paths = self.all()
        before = sum(path.received for path in paths)
        await asyncio.gather(*(path.check() for path in paths))
        return sum(path.received for path in paths) > before

    @property
    def is_restarting(self) -> bool:
        """Whether new ICE agents are looking for a way."""
        return any(path.is_restarting for path in self._paths.values())

    async def begin_restart(self) -> None:
        """Before an offer: make the agents that it is to bring, if it is."""
        if self.restart_wanted:
            self.restart_wanted = False
            for path in self.all():
                if path.remote is not None:
                    await self._restart(path)

    async def _restart(self, path: RestartableIceTransport) -> None:
        await path.restart()
        self._candidates.begin_again(path.transport)

    async def abandon_restart(self) -> bool:
        """Keep the agents there are; tell whether there were to be others."""
        abandoned = False
        for path in self._paths.values():
            if path.is_restarting:
                await path.abandon()
                abandoned = True
        return abandoned

    def _by_mid(self, parsed: ParsedDescription) -> Mapping[str, RestartableIceTransport]:
        """The paths that a description of the other side tells the credentials of."""
        if not can("path"):
            return {}
        found: dict[RestartableIceTransport, str] = {}
        mids = (str(media.rtp.muxId) for media in parsed.media)
        for _, mid, transport in transports(self._pc, mids):
            # In a bundle the first section speaks for all.
            found.setdefault(self.of(transport), mid)
        return {mid: path for path, mid in found.items()}

    async def follow(self, kind: str, parsed: ParsedDescription) -> None:
        """Before a description: the agents that its credentials are for (RFC 8839, 4.4.1.1.1)."""
        ice = {media.rtp.muxId: media.ice for media in parsed.media}
        for mid, path in self._by_mid(parsed).items():
            remote = ice[mid]
            if path.remote is None or remote is None:
                continue
            if kind == "offer" and path.remote != remote:
                self.restart_wanted = False
                await self._restart(path)
                path.expect(remote)
            elif kind == "answer" and path.is_restarting and path.remote != remote:
                path.expect(remote)
            elif kind == "answer" and path.is_restarting:
                logger.warning("the other side does not restart ICE")
                await self.abandon_restart()

    def learn(self, parsed: ParsedDescription) -> None:
        """After a description: whom each agent has to find."""
        by_mid = self._by_mid(parsed)
        for media in parsed.media:
            path = by_mid.get(media.rtp.muxId)
            if path is not None and media.ice is not None:
                path.remote = media.ice
                if path.is_restarting:
                    self._owner.start(path.connect())

    async def close(self) -> None:
        """Look for no other way."""
        for path in self._paths.values():
            await path.close()

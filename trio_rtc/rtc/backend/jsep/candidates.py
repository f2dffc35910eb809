"""Local candidates: told as they are found, each under its media section."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from typing import Any

from aiortc import RTCIceCandidate, RTCIceGatherer, RTCIceTransport, RTCPeerConnection

from ....wire.messages import IceCandidate
from ...ice_server import IceServer
from ..dtls.datagrams import protect
from ..ice import host_addresses
from ..ice.trickle import Trickle, connect_again
from ..patches import can
from . import descriptions
from .descriptions import FoundCandidates
from .section_text import mids_of


def transports(
    connection: RTCPeerConnection, mids: Iterable[str], over: Collection[str] = ()
) -> Iterator[tuple[int, str, RTCIceTransport]]:
    """The media sections of a description, by their numbers and ids, and the transport of each.

    Args:
        connection: that of aiortc.
        mids: the ids of all of them, in their order.
        over: the ids of those that are rejected, and have none.
    """
    by_mid = {
        transceiver.mid: transceiver.receiver.transport.transport
        for transceiver in connection.getTransceivers()
    }
    if connection.sctp is not None:
        by_mid[connection.sctp.mid] = connection.sctp.transport.transport
    for number, mid in enumerate(mids):
        if mid in by_mid and mid not in over:
            yield number, mid, by_mid[mid]


class LocalCandidates:
    """Tells the candidates of a connection.

    Args:
        on_candidate: is told each, and the end of them for each transport.
        on_late: is called after one that was found after the description was applied.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        ice_servers: Sequence[IceServer],
        *,
        relay_only: bool,
        on_candidate: Callable[[IceCandidate], None],
        on_late: Callable[[], None],
    ):
        self.connection = connection
        self.ice_servers = ice_servers
        self.relay_only = relay_only
        self.on_candidate = on_candidate
        self.on_late = on_late
        self.over: Collection[str] = ()
        self.ended: set[RTCIceTransport] = set()
        self._told: dict[RTCIceTransport, _Section] = {}

    def found(self, sdp: str) -> dict[str, FoundCandidates]:
        """What has been found so far, by the ids of the sections of the local description."""
        return {
            mid: FoundCandidates(_told(transport.iceGatherer), transport in self.ended)
            for _, mid, transport in transports(self.connection, mids_of(sdp), self.over)
        }

    @property
    def is_complete(self) -> bool:
        """Whether all sections that are described have all candidates that they will have."""
        return bool(self._told) and self.ended.issuperset(self._told)

    def notify(self, sdp: str) -> None:
        """Tell those of every transport that the local description has brought."""
        for index, mid, transport in transports(self.connection, mids_of(sdp), self.over):
            # In a bundle the first section speaks for all (RFC 9429, section 4.1.19).
            if transport not in self._told:
                section = self._told[transport] = _Section(self, mid, index, transport)
                section.notify_gathered()
                if self.ice_servers and can("trickle"):
                    section.start_trickle()
                else:
                    section.notify_end()

    def begin_again(self, transport: RTCIceTransport) -> None:
        """The candidates of a transport are others now: those of a new ICE agent."""
        section = self._told.pop(transport, None)
        if section is not None:
            section.stop()
        self.ended.discard(transport)


def _told(gatherer: RTCIceGatherer) -> list[RTCIceCandidate]:
    """What others are told of the candidates found so far."""
    agent = gatherer._connection
    candidates = (host_addresses.told(agent, each) for each in gatherer.getLocalCandidates())
    return [candidate for candidate in candidates if candidate is not None]


class _Section:
    def __init__(
        self, candidates: LocalCandidates, mid: str, index: int, transport: RTCIceTransport
    ):
        self._candidates = candidates
        self._mid = mid
        self._index = index
        self._transport = transport
        self._gatherer = transport.iceGatherer
        self._ufrag = self._gatherer.getLocalParameters().usernameFragment or ""
        # aiortc does not even begin to connect with nothing to connect from.
        self._has_begun = bool(self._gatherer.getLocalCandidates())
        self._tasks: list[asyncio.Task[None]] = []

    def notify_gathered(self) -> None:
        protect(self._gatherer._connection)
        for candidate in _told(self._gatherer):
            self._notify(candidate)

    def notify_end(self) -> None:
        self._candidates.ended.add(self._transport)
        self._candidates.on_candidate(
            descriptions.end_of_candidates(self._mid, self._index, self._ufrag)
        )

    def start_trickle(self) -> None:
        self._start(self._trickle())

    async def _trickle(self) -> None:
        candidates = self._candidates
        await Trickle(
            self._gatherer,
            candidates.ice_servers,
            relay_only=candidates.relay_only,
            on_candidate=self._take,
        ).run()
        self.notify_end()
        candidates.on_late()

    def _take(self, candidate: RTCIceCandidate) -> None:
        # A relay has something like a socket.
        protect(self._gatherer._connection)
        if (told := host_addresses.told(self._gatherer._connection, candidate)) is not None:
            self._notify(told)
        self._candidates.on_late()
        if not self._has_begun:
            self._has_begun = True
            self._start(connect_again(self._candidates.connection))

    def _notify(self, candidate: RTCIceCandidate) -> None:
        self._candidates.on_candidate(
            descriptions.print_candidate(candidate, self._mid, self._index, self._ufrag)
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        # The tasks belong to the connection, which ends them.
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

"""Full trickle (RFC 8838): STUN and TURN servers are asked while the call is being set up.

aiortc asks one of each before it says a word. Here its gatherer only binds host addresses; every
server is asked in the background, and what it finds joins the ICE agent when it is there. What
this needs of aiortc and aioice that is not public is listed in `ledger`; without it, gathering
is aiortc's own.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from aioice.candidate import Candidate
from aioice.ice import StunProtocol, relayed_candidate
from aioice.stun import TransactionError, TransactionFailed
from aiortc import RTCIceCandidate, RTCIceGatherer, RTCPeerConnection
from aiortc.rtcicetransport import candidate_from_aioice

from ...ice_server import IceServer
from ...ice_url import parse_ice_url
from .checks import candidates_to_come, close_with_sockets
from .host_addresses import options_of
from .reflexive import can_reach, reflexive_candidate
from .relay import hasten

if TYPE_CHECKING:
    from aioice import Connection

logger = logging.getLogger("trio_rtc.rtc")

ANSWER_SECONDS = 5.0
"""How long a server may take to answer; candidates that come later are not waited for."""


class Trickle:
    """Asks servers for the candidates of one transport.

    Args:
        gatherer: of the transport; it has bound its host addresses.
        servers: whom to ask, all of them.
        relay_only: whether only TURN servers are of use.
        on_candidate: is told each candidate when it is found.
    """

    def __init__(
        self,
        gatherer: RTCIceGatherer,
        servers: Sequence[IceServer],
        *,
        relay_only: bool,
        on_candidate: Callable[[RTCIceCandidate], None],
    ):
        self._connection: Connection = gatherer._connection
        # Also that of a connection that is never answered, whose checks never begin.
        close_with_sockets(self._connection)
        self._servers = servers
        self._relay_only = relay_only
        self._on_candidate = on_candidate

    async def run(self) -> None:
        """Ask all servers at once; return when each has answered, or cannot be waited for."""
        with candidates_to_come(self._connection):
            async with asyncio.TaskGroup() as group:
                for server in self._servers:
                    for url in server.url_list:
                        for query in self._queries(server, url):
                            group.create_task(self._ask(url, query))

    def _queries(
        self, server: IceServer, url: str
    ) -> list[Awaitable[tuple[Candidate, StunProtocol | None]]]:
        where = parse_ice_url(url)
        if not where.is_spoken:
            logger.warning("%s is not asked: only TURN over TCP can be had with TLS", url)
            return []
        if where.is_turn:
            return [
                relayed_candidate(
                    component=1,
                    hide_related_address=self._relay_only,
                    protocol_factory=lambda: StunProtocol(self._connection),
                    turn_server=(where.host, where.port),
                    turn_username=server.username,
                    turn_password=server.credential,
                    turn_ssl=where.scheme == "turns",
                    turn_transport=where.transport,
                )
            ]
        if self._relay_only:
            return []
        return [
            reflexive_candidate(protocol, where.host, where.port)
            for protocol in self._connection._protocols
            if protocol.local_candidate.transport == "udp" and can_reach(protocol, where.host)
        ]

    async def _ask(self, url: str, query: Awaitable[tuple[Candidate, StunProtocol | None]]) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                candidate, relay = await query
        except TransactionFailed as error:
            # An error response is the server's word, and most often about the credentials.
            code, reason = error.response.attributes.get("ERROR-CODE", (0, "no reason given"))
            logger.warning(
                "%s refuses us: %s %s", url, code, reason, extra={"code": "ice_server_refused"}
            )
        except ssl.SSLCertVerificationError as error:
            logger.warning(
                "%s shows a certificate that is not taken: %s",
                url,
                error.verify_message,
                extra={"code": "ice_server_untrusted"},
            )
        except (TransactionError, OSError, TimeoutError) as error:
            logger.info("%s gives no candidate: %s", url, str(error) or "no answer in time")
        else:
            await self._add(candidate, relay)

    async def _add(self, candidate: Candidate, relay: StunProtocol | None) -> None:
        connection = self._connection
        if connection._closing:
            if relay is not None:
                await relay.close()
            return
        if relay is not None:
            hasten(relay)
            connection._protocols.append(relay)
            for remote in connection._remote_candidates:
                connection._pair_remote_candidate(remote)
            connection.sort_check_list()
        elif self._is_redundant(candidate):
            return
        connection._local_candidates.append(candidate)
        self._on_candidate(candidate_from_aioice(candidate))

    def _is_redundant(self, found: Candidate) -> bool:
        """Whether others know it already (RFC 8445, section 5.1.3).

        So it is without a NAT, and with two servers that agree. Who hides an address behind a name
        can be reached by it only as a server sees it.
        """
        hides = options_of(self._connection).mdns
        return any(
            (known.host, known.port) == (found.host, found.port)
            and (known.type == found.type or not hides)
            for known in self._connection._local_candidates
        )


def connect_again(connection: RTCPeerConnection) -> Coroutine[Any, Any, None]:
    """Have aiortc begin what it did not for lack of any local candidate (relay only)."""
    connect: Callable[[], Coroutine[Any, Any, None]] = connection._RTCPeerConnection__connect  # type: ignore[attr-defined]
    return connect()

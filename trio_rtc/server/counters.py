"""Counters of what a server has done so far."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

from .limits import ServerLimits

PROTOCOLS: Final = ("classic", "native", "whip", "whep", "peerjs")


@dataclass(slots=True)
class Statistics:
    """Counted up by the server to which it is given; read it at any time.

    Attributes:
        connections: accepted so far.
        connections_open: open now.
        requests: HTTP requests answered or upgraded so far.
        websockets: WebSocket handshakes that succeeded so far.
        websockets_open: WebSocket connections that are open now.
        joined: peers that have joined so far, by protocol.
        peers: present now, by protocol.
        rooms: there are now.
        messages: put into a mailbox so far.
        message_bytes: the size of these.
        resumed: sessions that went on with a new connection so far.
        late: connections so far that were held up, and came after a later one of their session.
        refused: joins that were not authorized, and requests from an origin that is not allowed.
        malformed: requests, frames and messages so far that broke a rule of their protocol.
        failures: connections so far that ended by an error of the server.
        memory_bytes: kept for others now: mail, unfinished messages, what is not sent yet.
        cluster_up: 1 if the Redis of a cluster answers, otherwise 0.
        cluster_servers: how many servers a cluster has now.
        cluster_batches: scripts that Redis has run so far.
        cluster_operations: what these have done.
        cluster_seconds: how long the answers took, all together.
        cluster_fenced: sessions so far that had gone on elsewhere without this server's knowledge.
        cluster_lost: sessions so far of which Redis has forgotten something.
        cluster_connections: connections to Redis so far.
        cluster_generation: how often another Redis has taken over, or the same has started again.
        over_limit: how often somebody went over a limit so far, by its name in `ServerLimits`.
    """

    connections: int = 0
    connections_open: int = 0
    requests: int = 0
    websockets: int = 0
    websockets_open: int = 0
    joined: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PROTOCOLS, 0))
    peers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PROTOCOLS, 0))
    rooms: int = 0
    messages: int = 0
    message_bytes: int = 0
    resumed: int = 0
    late: int = 0
    refused: int = 0
    malformed: int = 0
    failures: int = 0
    memory_bytes: int = 0
    cluster_up: int = 0
    cluster_servers: int = 0
    cluster_batches: int = 0
    cluster_operations: int = 0
    cluster_seconds: float = 0.0
    cluster_fenced: int = 0
    cluster_lost: int = 0
    cluster_connections: int = 0
    cluster_generation: int = 0
    over_limit: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((limit.name for limit in fields(ServerLimits)), 0)
    )

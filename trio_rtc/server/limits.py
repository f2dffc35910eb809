"""Limits of what a server puts up with."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """The limits of `serve_signaling`: whoever goes over one is told so, or closed.

    Attributes:
        head_bytes: the size of a request line and its headers. Over it: 414 or 431.
        header_count: how many headers a request has. Over it: 431.
        body_bytes: the size of a message: of a request's body, or of all frames of a WebSocket
            message. Over it: 413, or a close with 1009.
        mailbox_messages: how many messages wait for one peer; one over it: 503 to its sender,
            or ``mailbox_full``. Also how many notices wait: a peer that does not fetch even
            these is logged out.
        mailbox_bytes: the same, in bytes.
        memory_bytes: the same for the whole server: all that waits for anybody, and all messages
            that have not arrived as a whole. Each peer and each connection may have an eighth of
            what is left of it. Over it also: 503, a close with 1013, or the end of a connection
            that does not read.
        peers: how many peers there are. Over it: 503, or a close with 4503.
        peers_per_address: how many of them come from one IP address. Over it the same.
        joins_per_second: how many peers join from one IP address, over time. Over it the same:
            whoever is in the room hears of each. Also how many sessions are resumed from there,
            beside these; over it: a close with 4429.
        joins_burst: by how many an address may go over that from which nobody has joined lately.
        rooms: how many rooms there are. Over it the same.
        room_peers: how many peers are in one room of a cluster, on all of its servers. Over it the
            same. A server alone does not look at it.
        connections_per_address: how many connections one IP address has. Over it: 429.
        requests_per_second: how many HTTP requests come from one IP address, over time, whatever
            they ask for. Over it: 429, or the end of the connection.
        requests_burst: by how many an address may go over that from which none have come lately.
        messages_per_second: how many messages a peer sends, over time. Over it: 429, or a close
            with 4429. WebSocket frames of any kind count as messages.
        messages_burst: by how many messages a peer that was silent may go over that.
        request_seconds: how long a client may take to send a request. Over it: 408, and nothing
            to one that has not even begun.
        handshake_seconds: how long a client may take for the handshake of TLS, and for the first
            message on a WebSocket. Over it: a close with 4408.
        idle_seconds: how long a connection may stay open between two requests. Over it: it is
            closed without a word.
        send_seconds: how long a client may take to accept an answer, or 64 KiB of messages.
        ping_seconds: after how much time a WebSocket client is pinged (again).
        pong_seconds: how long it may take to answer that. Over it: a close with 4408.
        poll_seconds: how long a GET of a classic peer hangs when there is nothing to tell. What
            stands between client and server lets nothing be silent for much longer.
        absent_seconds: how long a classic peer may go without a hanging GET; then it is logged
            out.
        resume_seconds: how long a native peer may go without a connection; then it has left.

    Raises:
        ValueError: one of them is not above 0.
    """

    head_bytes: int = 16 * 1024
    header_count: int = 100
    body_bytes: int = 256 * 1024
    mailbox_messages: int = 4096
    mailbox_bytes: int = 4 * 1024 * 1024
    memory_bytes: int = 64 * 1024 * 1024
    peers: int = 20_000
    peers_per_address: int = 4096
    joins_per_second: int = 20
    joins_burst: int = 2000
    rooms: int = 20_000
    room_peers: int = 1000
    connections_per_address: int = 4096
    requests_per_second: int = 1000
    requests_burst: int = 5000
    messages_per_second: int = 500
    messages_burst: int = 2000
    request_seconds: float = 20.0
    handshake_seconds: float = 10.0
    idle_seconds: float = 75.0
    send_seconds: float = 20.0
    ping_seconds: float = 20.0
    pong_seconds: float = 20.0
    poll_seconds: float = 25.0
    absent_seconds: float = 30.0
    resume_seconds: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"{field.name} is {value!r}, and not above 0")

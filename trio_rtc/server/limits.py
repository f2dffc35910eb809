"""What a server puts up with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """The limits of `serve_signaling`: whoever goes over one is told so, or closed.

    Attributes:
        head_bytes: the size of a request line and its headers. Over it: 414 or 431.
        header_count: how many headers a request has. Over it: 431.
        body_bytes: the size of a message. Over it: 413.
        mailbox_messages: how many messages wait for one peer; one over it: 503 to its sender.
            Also how many notices wait: a peer that does not fetch even these is logged out.
        mailbox_bytes: the same, in bytes of messages.
        request_seconds: how long a client may take to send a request. Over it: 408.
        idle_seconds: how long a connection may stay open between two requests.
        send_seconds: how long a client may take to accept an answer.
        absent_seconds: how long a classic peer may go without a hanging GET; then it is logged
            out.
    """

    head_bytes: int = 16 * 1024
    header_count: int = 100
    body_bytes: int = 256 * 1024
    mailbox_messages: int = 4096
    mailbox_bytes: int = 4 * 1024 * 1024
    request_seconds: float = 20.0
    idle_seconds: float = 75.0
    send_seconds: float = 20.0
    absent_seconds: float = 30.0

"""Errors: what can go wrong, as one tree of exceptions with machine-readable codes."""

from __future__ import annotations

from typing import ClassVar, Literal

Fault = Literal["local", "remote", "network"]


class TrioRTCError(Exception):
    """The root of all errors of this package.

    Attributes:
        code: a stable, machine-readable name of what happened, such as ``"unknown_peer"``.
        fault: whose it is: ``"local"`` (this program asked for something impossible),
            ``"remote"`` (the server or the peer broke a rule or refused) or ``"network"``
            (nobody did anything wrong, the path between them did not hold).
        default_code: the ``code`` of a class, where an error is given none.
        default_fault: the ``fault`` of a class, where an error is given none.
    """

    default_code: ClassVar[str] = "error"
    default_fault: ClassVar[Fault] = "local"

    def __init__(self, message: str, *, code: str | None = None, fault: Fault | None = None):
        super().__init__(message)
        self.code = code or self.default_code
        self.fault: Fault = fault or self.default_fault


class SignalingError(TrioRTCError):
    """The signaling server refused, or did not speak its protocol."""

    default_code = "signaling_failed"
    default_fault: ClassVar[Fault] = "remote"


class SignalingLost(SignalingError):
    """The session with the signaling server has ended: nothing can be sent or received."""

    default_code = "signaling_lost"
    default_fault: ClassVar[Fault] = "network"


class UnknownPeer(SignalingError):
    """No peer of this id or name is signed in."""

    default_code = "unknown_peer"
    default_fault: ClassVar[Fault] = "local"


class CallError(TrioRTCError):
    """A call could not be set up, or has ended."""

    default_code = "call_failed"
    default_fault: ClassVar[Fault] = "remote"


class NegotiationError(TrioRTCError):
    """A description, a candidate or another message between the peers cannot be used."""

    default_code = "bad_message"
    default_fault: ClassVar[Fault] = "remote"


class BadIceServer(TrioRTCError, ValueError):
    """What was given as a STUN or TURN server is not one."""

    default_code = "bad_ice_server"


class MessageTooLarge(TrioRTCError):
    """A message is over the limit of whoever would have to take it. The channel lives on."""

    default_code = "message_too_large"


class MediaError(TrioRTCError):
    """A media source or a recording cannot be opened, read or written."""

    default_code = "media_failed"


class FileError(TrioRTCError):
    """Files cannot be sent or received. What has arrived whole is there, and nothing half."""

    default_code = "file_failed"


class ForwardError(TrioRTCError):
    """A connection cannot be forwarded."""

    default_code = "forward_failed"


class SerializationError(TrioRTCError, ValueError):
    """A value has no form that the other side reads, or what came is not in the agreed form."""

    default_code = "bad_value"

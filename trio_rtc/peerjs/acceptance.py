"""Acceptance of a connection by a PeerJS server, and what its end means. No I/O.

PeerJS's own server greets a new client with OPEN, and says nothing to one whose connection before
it still remembers. What it refuses it tells with an ERROR, an ID-TAKEN or an INVALID-KEY, and then
closes. So a connection that has been opened is

    ASKED       nothing has been said yet
    PRESUMED    a ping has been answered, and no refusal came before: a server that says no OPEN
    ACCEPTED    there was an OPEN, or what another peer says
    REFUSED     there was a refusal

and a refusal counts from the first two only: later it is a remark.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, auto

from ..errors import NegotiationError
from ..signaling.reconnecting import ConnectionEnd
from ..text import one_line
from ..wire import peerjs as wire
from ..wire.close_codes import PASSING, PEERJS_FINAL, REFUSING
from ..wire.peerjs import Envelope

#: What a server says instead of OPEN: what that is here, and in words.
REFUSALS = {
    "ID-TAKEN": ("id_taken", "the id is taken"),
    "INVALID-KEY": ("invalid_key", "the key is not the server's"),
    "ERROR": ("refused", "it refuses"),
}


class Standing(Enum):
    """What a server has said to a connection; see above."""

    ASKED = auto()
    PRESUMED = auto()
    ACCEPTED = auto()
    REFUSED = auto()


class Acceptance:
    """Follows one connection.

    Args:
        may_be_silent: whether the server may accept it without a word.
    """

    def __init__(self, *, may_be_silent: bool):
        self._may_be_silent = may_be_silent
        self._refusal = ConnectionEnd("")
        self._remark = ""
        self.standing = Standing.ASKED

    @property
    def is_up(self) -> bool:
        """Whether the server takes what is said on it."""
        return self.standing in (Standing.PRESUMED, Standing.ACCEPTED)

    @property
    def awaits_pong(self) -> bool:
        """Whether a ping would tell more."""
        return self._may_be_silent and self.standing is Standing.ASKED

    def pong(self) -> None:
        """A ping has been answered."""
        if self.awaits_pong:
            self.standing = Standing.PRESUMED

    def receive(self, message: Envelope) -> str:
        """Take in a message; gives what it says, if it is a remark of the server's."""
        refusal = REFUSALS.get(message.type)
        if refusal is None:
            if self.standing is not Standing.REFUSED:
                self.standing = Standing.ACCEPTED
            return ""
        code, words = refusal
        words = _said(message) or words
        if message.type == "ERROR" and self.standing is Standing.ACCEPTED:
            self._remark = words
            return words
        self.standing = Standing.REFUSED
        self._refusal = ConnectionEnd(words, code, final=True)
        return ""

    def closed(self, code: int, why: str) -> ConnectionEnd:
        """It has been closed, or has broken off."""
        if self.standing is Standing.REFUSED:
            refusal = self._refusal
            return ConnectionEnd(refusal.why, refusal.code, final=code not in PASSING)
        if code in PEERJS_FINAL:
            return ConnectionEnd(self._remark or why, PEERJS_FINAL[code], final=True)
        if self.standing is Standing.ASKED and code in REFUSING:
            return ConnectionEnd(why, "refused", final=True)
        return ConnectionEnd(why)

    def silent(self, seconds: float) -> ConnectionEnd:
        """Nothing has come for so long."""
        if self.standing is Standing.REFUSED:
            return self._refusal
        return ConnectionEnd(f"the server said nothing for {seconds:.0f} s", "not_peerjs_server")


def _said(message: Envelope) -> str:
    with suppress(NegotiationError):
        return one_line(wire.decode_payload(message, wire.ErrorPayload).msg)
    return ""

"""A WHIP session as the server keeps it: what has come from the peer that is called. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ....errors import NegotiationError
from ....wire.messages import Authenticate, Bye, IceCandidate, Message, SessionDescription, decode
from ....wire.rate import TokenBucket
from ....wire.whip import MAX_CANDIDATES
from ....wire.whip_sdp import candidates_of, credentials_of, with_candidates
from ....world import world
from ...hub.hub import Mailbox, MailboxFull, Member, Relayed
from ...hub.memory import OVERHEAD, Account
from ...hub.presence import Presence

KEY_BYTES: Final = 24
"""Of randomness in the URL of a session, which is all that its client shows for itself."""

STRANGERS: Final = 16
"""Peers that call somebody who cannot be called, and are still to be told."""


@dataclass(frozen=True, slots=True)
class Called:
    """The peer that a session calls, on whichever server it is."""

    id: int
    name: str


class WhipSession(Mailbox):
    """A client of WHIP or WHEP, and its call with a peer.

    It is also its mailbox: it takes what the peer that is called says, and turns others away.

    Attributes:
        key: the last segment of its URL.
        client_network: where it comes from; see `addresses.client_network`.
        called: the peer that is called.
        offer: the last offer.
        answer: the peer's answer to it; None until there is one.
        generation: counts restarts of ICE; the ``ETag`` tells it.
        ended: why it is over, in one sentence; None while it is not.
        strangers: ids of others who call this peer, to be told that it cannot be.
    """

    member: Member

    def __init__(
        self,
        client_network: str,
        called: Called,
        offer: str,
        account: Account,
        bucket: TokenBucket,
        on_news: Callable[[WhipSession], None],
        key: str | None = None,
    ):
        self.key = key or world().random_token(KEY_BYTES)
        self.client_network = client_network
        self.called = called
        self.offer = offer
        self.answer: str | None = None
        self.generation = 1
        self.ended: str | None = None
        self.strangers: list[int] = []
        self.bucket = bucket
        self.account = account
        self._candidates: list[IceCandidate] = []
        self._has_all = False
        #: Bytes counted for the answer and its candidates.
        self._kept = 0
        self._on_news = on_news

    @property
    def etag(self) -> str:
        """Which generation of ICE this is (RFC 9725, section 4.3.1)."""
        return f'"{self.generation}"'

    @property
    def is_complete(self) -> bool:
        """Whether the answer and all its candidates are there."""
        return self.answer is not None and self._has_all

    @property
    def whole_answer(self) -> str:
        """The answer with the candidates that have come."""
        assert self.answer is not None
        ends = [IceCandidate(candidate="")] if self._has_all else []
        return with_candidates(self.answer, [*self._candidates, *ends])

    def begin_restart(self, offer: str) -> None:
        """Another offer is made, whose answer is to come."""
        self.offer = offer
        self.answer = None
        self._candidates.clear()
        self._has_all = False
        self.account.add(-self._kept)
        self._kept = 0

    # As a mailbox. None of these may call the hub.

    def put_message(self, message: Relayed) -> None:
        """Take in what a peer says.

        Raises:
            MailboxFull: there is no place for it, or it cannot be called.
        """
        try:
            said = decode(message.body)
        except NegotiationError:
            return
        if message.sender != self.called.id:
            self._turn_away(message.sender, said)
        elif self.ended is None:
            self._take(said, len(message.body))

    def _turn_away(self, sender: int, said: Message) -> None:
        if isinstance(said, SessionDescription) and said.type == "offer":
            if len(self.strangers) >= STRANGERS:
                raise MailboxFull("mailbox_messages")
            self.strangers.append(sender)
            self._on_news(self)

    def _take(self, said: Message, size: int) -> None:
        if isinstance(said, Bye):
            self.end(f"{self.called.name} has hung up{f': {said.reason}' if said.reason else ''}.")
        elif isinstance(said, IceCandidate):
            if len(self._candidates) >= MAX_CANDIDATES:
                return
            self._account_for(size)
            if said.is_end:
                self._has_all = True
            else:
                self._candidates.append(said)
        elif isinstance(said, Authenticate):
            # The client could not answer.
            return
        elif said.type == "answer" and self.answer is None:
            self._account_for(size)
            try:
                credentials_of(said.sdp)
            except NegotiationError:
                self.end(f"{self.called.name} has sent no answer that can be used.")
                return
            self.answer = said.sdp
            self._has_all = self._has_all or _has_end(said.sdp)
        elif said.type == "offer":
            # There is no way to bring an offer to the client: the peer takes it back by itself.
            return
        self._on_news(self)

    def _account_for(self, size: int) -> None:
        if not self.account.take(OVERHEAD + size):
            raise MailboxFull("memory_bytes")
        self._kept += OVERHEAD + size

    def put_notice(self, notice: Presence) -> None:
        """Note it if the peer that is called has left; what others do is all the same."""
        if notice.id == self.called.id and not notice.connected:
            self.end(f"{self.called.name} has left the server.")

    def end(self, why: str) -> None:
        """Note that it is over."""
        if self.ended is None:
            self.ended = why
            self._on_news(self)

    def close(self, code: int | None = None) -> None:
        """It is a member no more."""
        self.account.close()
        self.end("The session is over.")


def _has_end(sdp: str) -> bool:
    return "a=end-of-candidates" in sdp


def fragment_candidates(session: WhipSession) -> list[IceCandidate]:
    """The candidates of the other side, for the answer to a restart."""
    return candidates_of(session.whole_answer)

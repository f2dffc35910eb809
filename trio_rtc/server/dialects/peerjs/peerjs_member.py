"""A member whose protocol is PeerJS's. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from ....errors import NegotiationError
from ....wire import peerjs as wire
from ....wire.close_codes import REASONS, CloseCode
from ....wire.peerjs import Envelope
from ...hub.hub import Mailbox, MailboxFull, Member, Relayed
from ...hub.member_link import MemberLink
from ...hub.memory import OVERHEAD, Memory
from ...hub.presence import Presence
from ...limits import ServerLimits
from ...scheduling.flush_batches import FlushBatch
from .translation import Translator

PROTOCOL: Final = "peerjs"

#: What it takes to remember another member: how the two speak, and what it is called.
_REMEMBERED: Final = 16 * OVERHEAD


class PeerLink(MemberLink, Protocol):
    """A connection that tells how much waits on it."""

    @property
    def unsent(self) -> int: ...


class PeerJSMember(Mailbox):
    """The mailbox of a member: what comes is sent at once, or refused.

    Args:
        id: its own, on the wire and for whoever calls it.
        room: where it is, and where the id is its own.
        token: what it has to show to go on with another connection, if it has no subject.
        client_network: where it joined from; see `addresses.client_network`.
        address_of: how another member, by its id in the hub, is called by this one.

    Attributes:
        key: the room and the id.
        link: its connection.
        subject: who it is, if its token tells.
        attempt: which of a program's attempts its connection came of, if the program tells.
        farewell: with which code that is closed when the member is removed.
        translators: what it says to members of other dialects, by their id in the hub.
        addresses: what it calls them, for as long as they are there.
    """

    member: Member

    def __init__(
        self,
        id: str,  # noqa: A002
        room: str,
        token: str,
        client_network: str,
        limits: ServerLimits,
        flush_batch: FlushBatch,
        memory: Memory,
        address_of: Callable[[PeerJSMember, int], str],
    ):
        self.id = id
        self.room = room
        self.key = room, id
        self.token = token
        self.subject: str | None = None
        self.attempt: tuple[str, int] | None = None
        self.client_network = client_network
        self.link: PeerLink | None = None
        self.farewell = CloseCode.SESSION_LOST
        self.translators: dict[int, Translator] = {}
        self.addresses: dict[int, str] = {}
        self._by_connection: dict[str, int] = {}
        self._limits = limits
        self._flush_batch = flush_batch
        self._memory = memory
        self._account = memory.open()
        self._address_of = address_of

    def notify(
        self,
        type: str,  # noqa: A002
        payload: msgspec.Struct | msgspec.UnsetType = msgspec.UNSET,
        *,
        src: str | None = None,
    ) -> None:
        """Say something to it."""
        dst = None if src is None else self.id
        self._send(wire.encode(type, src=src, dst=dst, payload=payload))

    def connect(self, link: PeerLink) -> None:
        """Begin with a connection, or go on with another one."""
        if self.link is not None:
            self.link.close(CloseCode.SUPERSEDED, REASONS[CloseCode.SUPERSEDED])
            # What a client sends is counted over all its connections.
            link.bucket = self.link.bucket
        self.link = link
        self.notify("OPEN")

    def _send(self, data: bytes) -> None:
        if self.link is not None:
            self.link.send(data)
            self._flush_batch.mark(self.link)

    def translator(self, other: int) -> Translator:
        """What it and this member of another dialect understand each other by.

        Raises:
            MailboxFull: too much is remembered of others already.
        """
        if (translator := self.translators.get(other)) is None:
            if not self._account.take(_REMEMBERED):
                raise MailboxFull("memory_bytes")
            translator = self.translators[other] = Translator()
        return translator

    def to_classic(self, other: int, envelope: Envelope) -> bytes | None:
        """What a message of it is for a member of another dialect; see `Translator.to_classic`.

        Raises:
            MailboxFull: as `translator`.
            NegotiationError: the message is malformed.
        """
        translator = self.translator(other)
        before = translator.connection
        body = translator.to_classic(envelope)
        self._follow(other, before, translator.connection)
        return body

    def _follow(self, other: int, before: str | None, now: str | None) -> None:
        """Know whose connection is which."""
        if before != now:
            if before is not None and self._by_connection.get(before) == other:
                del self._by_connection[before]
            if now is not None:
                # Nobody takes over a connection by its id.
                self._by_connection.setdefault(now, other)

    def whose(self, envelope: Envelope) -> int | None:
        """The member of another dialect with whom a message continues a connection, if one does.

        By now somebody else may have its name, or its number for a name.
        """
        if envelope.type not in ("ANSWER", "CANDIDATE") or not self._by_connection:
            return None
        try:
            connection = wire.decode_payload(envelope, wire.Addressed).connection_id
        except NegotiationError:
            return None
        other = self._by_connection.get(connection)
        return other if other is not None and self.addresses.get(other) == envelope.dst else None

    # The hub's mailbox.

    def put_message(self, message: Relayed) -> None:
        """Send a message on.

        Raises:
            MailboxFull: it does not take what it has been sent already.
        """
        if self.link is not None and (
            self.link.unsent + len(message.body) > self._limits.mailbox_bytes
        ):
            raise MailboxFull("mailbox_bytes")
        if self.link is not None and not self._memory.allows(self.link.unsent, len(message.body)):
            raise MailboxFull("memory_bytes")
        if message.protocol == PROTOCOL:
            self._send(message.body)
            return
        src = self._address_of(self, message.sender)
        translator = self.translator(message.sender)
        self.addresses[message.sender] = src
        before = translator.connection
        told = translator.to_peerjs(message.body)
        self._follow(message.sender, before, translator.connection)
        for type_, payload in told:
            self.notify(type_, payload, src=src)

    def put_notice(self, notice: Presence) -> None:
        """PeerJS knows no presence; whoever has gone is not remembered."""
        if not notice.connected:
            if (translator := self.translators.pop(notice.id, None)) is not None:
                self._follow(notice.id, translator.connection, None)
                self._account.add(-_REMEMBERED)
            self.addresses.pop(notice.id, None)

    def close(self, code: int | None = None) -> None:
        """The member has been removed, or goes on elsewhere."""
        self._account.close()
        if self.link is not None:
            self.link.close(code or self.farewell, REASONS[code or self.farewell])


def verbatim(sender: PeerJSMember, envelope: Envelope) -> Relayed:
    """What one PeerJS client says to another: as it was said, but for who says it."""
    body = wire.encode(envelope.type, src=sender.id, dst=envelope.dst, payload=envelope.payload)
    return Relayed(sender.member.id, body, protocol=PROTOCOL)

"""A member whose protocol is the native one, with or without a connection. No I/O."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from typing import Protocol

import msgspec
import trio

from ....wire import native as protocol
from ....wire.close_codes import REASONS, CloseCode
from ....wire.rate import TokenBucket
from ....wire.session import Inbox, Outbox, SessionFault
from ....world import world
from ...authorize import JoinRequest
from ...hub.hub import Mailbox, MailboxFull, Member, Relayed
from ...hub.mail import FULL
from ...hub.member_link import MemberLink
from ...hub.memory import OVERHEAD, Account
from ...hub.presence import Presence
from ...limits import ServerLimits
from ...scheduling.flush_batches import FlushBatch
from ...websocket.unsent import UnsentMessages

SECRET_BYTES = 32

_ice_servers: msgspec.json.Decoder[list[protocol.IceServerEntry]] = msgspec.json.Decoder(
    list[protocol.IceServerEntry]
)


class SessionLink(MemberLink, Protocol):
    """One that takes by itself what there is to send of a session."""

    def send_from(self, unsent: UnsentMessages) -> None: ...


class Session(Mailbox):
    """The mailbox of a member, which sends what it can and keeps what is not acknowledged.

    Args:
        client_network: where the member joined from; see `addresses.client_network`.
        key: that of a session which was on another server.

    Attributes:
        secret: what resumes the session: 256 random bits; empty for one of another server.
        key: a digest of it: how long it takes to find it tells nothing about the secret.
        link: its connection; None if it has none now.
        farewell: with which code the connection is closed when the member is removed.
        attempt: the highest of the resumes so far; 0 for clients that do not count them.
        asked: what it has joined by; None if nobody was asked.
        until: for how long it may go on, in seconds since 1970.
        subject: who it is, if its token tells.
    """

    acknowledges = True
    member: Member

    def __init__(
        self,
        client_network: str,
        limits: ServerLimits,
        flush_batch: FlushBatch,
        account: Account,
        key: bytes = b"",
    ):
        self.client_network = client_network
        self.secret = "" if key else world().random_token(SECRET_BYTES)
        self.key = key or digest(self.secret)
        self.link: SessionLink | None = None
        self.inbox = Inbox()
        self.outbox = Outbox()
        self.bucket = TokenBucket(
            limits.messages_per_second, limits.messages_burst, trio.current_time()
        )
        self.farewell = CloseCode.SESSION_LOST
        self.attempt = 0
        # Of each message of the outbox: the number that its sender has given it, or 0.
        self._numbers: deque[int] = deque()
        self.asked: JoinRequest | None = None
        self.until = math.inf
        self.subject: str | None = None
        self._limits = limits
        self._flush_batch = flush_batch
        self._account = account
        self._unsent: UnsentMessages | None = None

    def put_message(self, message: Relayed) -> None:
        """Send a message, or keep it for later.

        Raises:
            MailboxFull: too much is kept already.
        """
        outbox, limits, body = self.outbox, self._limits, message.body
        if len(outbox) >= limits.mailbox_messages:
            raise MailboxFull("mailbox_messages")
        if outbox.size + len(body) > limits.mailbox_bytes:
            raise MailboxFull("mailbox_bytes")
        text, data64 = protocol.content(body)
        seq, sender = outbox.next, message.sender
        data = protocol.encode(protocol.Message(seq=seq, from_=sender, data=text, data64=data64))
        if not self._account.take(len(data) + OVERHEAD):
            raise MailboxFull("memory_bytes")
        self._keep(data, message.number)

    def put_notice(self, notice: Presence) -> None:
        """Tell who has come or gone.

        Raises:
            MailboxFull: too much is kept already.
        """
        seq = self.outbox.next
        if notice.connected:
            name, spoken = printable(notice.name), protocol.told_protocol(notice.protocol)
            self.notify(protocol.Joined(seq=seq, id=notice.id, name=name, protocol=spoken))
        else:
            self.notify(protocol.Left(seq=seq, id=notice.id))

    def put_failure(self, number: int, to: int, code: str) -> None:
        """Tell that a message of this member has reached nobody.

        Raises:
            MailboxFull: too much is kept already.
        """
        why = f"too much waits for peer {to} already" if code == FULL else f"no peer {to} is here"
        seq = self.outbox.next
        self.notify(protocol.Failed(seq=seq, of=number, to=to, code=code, message=why))

    def put_own(self, body: bytes) -> None:
        """Tell of STUN and TURN servers: see `encode_ice_servers`.

        Raises:
            MailboxFull: too much is kept already.
        """
        servers = _ice_servers.decode(body)
        self.notify(protocol.IceServers(seq=self.outbox.next, ice_servers=servers))

    def restore(self, received: int, acknowledged: int) -> None:
        """Go on as on another server."""
        self.inbox = Inbox(received)
        self.outbox = Outbox(acknowledged)

    def notify(self, message: protocol.Numbered) -> None:
        """Send something that is not for the sender of a message to refuse.

        Raises:
            MailboxFull: too much is kept already.
        """
        # Messages end at half of this: nobody is to be removed for what others send to it.
        if len(self.outbox) >= 2 * self._limits.mailbox_messages:
            raise MailboxFull("mailbox_messages")
        if self.outbox.size >= 2 * self._limits.mailbox_bytes:
            raise MailboxFull("mailbox_bytes")
        if not self._account.allows(OVERHEAD, parts=2):
            raise MailboxFull("memory_bytes")
        data = protocol.encode(message)
        self._account.add(len(data) + OVERHEAD)
        self._keep(data, number=0)

    def _keep(self, data: bytes, number: int) -> None:
        self.outbox.keep(data)
        self._numbers.append(number)
        if self.link is not None:
            self._flush_batch.mark(self.link)

    def acknowledged(self, received: int) -> None:
        """The client has everything up to this number: nothing of it is kept.

        Raises:
            SessionFault: so much was never sent.
        """
        before = self.outbox.acknowledged
        self.outbox.acknowledge(received)
        for _ in range(self.outbox.acknowledged - before):
            self._numbers.popleft()
        kept = self.outbox.size + OVERHEAD * len(self.outbox)
        if self._unsent is not None:
            kept += self._unsent.held
        self._account.add(kept - self._account.size)

    def refused(self, seq: int) -> tuple[int, int] | None:
        """The client has no place for a message: whose it is, and its number there.

        None if there is nobody to be told, or not any more.

        Raises:
            SessionFault: it was never sent.
        """
        if seq >= self.outbox.next:
            raise SessionFault(f"{seq} is refused, {self.outbox.next - 1} was sent last")
        index = seq - self.outbox.acknowledged - 1
        if index < 0 or not self._numbers[index]:
            return None
        number, self._numbers[index] = self._numbers[index], 0
        message = protocol.decode_from_server(self.outbox[seq].decode())
        assert isinstance(message, protocol.Message)
        return message.from_, number

    def acknowledge(self) -> None:
        """Tell what has come."""
        if self.link is not None:
            received = self.inbox.acknowledged()
            self.link.send(protocol.encode(protocol.Ack(received=received)))
            self._flush_batch.mark(self.link)

    def say(self, message: protocol.TokenAccepted | protocol.Pong | protocol.Error) -> None:
        """Send something that has no number, if there is a connection."""
        if self.link is not None and self.link.is_open:
            self.link.send(protocol.encode(message))
            self._flush_batch.mark(self.link)

    def open(self, link: SessionLink, welcome: protocol.Welcome) -> None:
        """Begin with a connection."""
        self._connect(link, welcome)

    def resume(self, link: SessionLink) -> None:
        """Go on with another connection: all that may not have arrived is sent on it again."""
        if self.link is not None:
            self._drop_unsent()
            self.link.close(CloseCode.SUPERSEDED, REASONS[CloseCode.SUPERSEDED])
        self._connect(link, protocol.Resumed(received=self.inbox.acknowledged()))

    def _connect(self, link: SessionLink, first: protocol.Welcome | protocol.Resumed) -> None:
        self.link = link
        # What a client sends is counted over all its connections.
        link.bucket = self.bucket
        link.send(protocol.encode(first))
        self._unsent = UnsentMessages(self.outbox)
        link.send_from(self._unsent)
        self._flush_batch.mark(link)

    def detach(self) -> None:
        """Wait for another connection."""
        self.link = None
        self._drop_unsent()

    def _drop_unsent(self) -> None:
        """Send no more on the present connection than the rest of what is half sent."""
        if self._unsent is not None:
            self._unsent.stop()
            self._unsent = None

    def close(self, code: int | None = None) -> None:
        """The member has been removed, or goes on elsewhere."""
        if self.link is not None:
            self.link.close(code or self.farewell, REASONS[code or self.farewell])
        # What the kernel did not take by now is kept for nobody.
        self._drop_unsent()
        self.outbox.clear()
        self._numbers.clear()
        self._account.close()


def encode_ice_servers(servers: list[protocol.IceServerEntry]) -> bytes:
    """STUN and TURN servers, for `Session.put_own`."""
    return protocol.encode(servers)


def digest(secret: str) -> bytes:
    """What stands for the secret of a session."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def printable(name: str) -> str:
    """A name of the hub as JSON can hold it: bytes that are no UTF-8 are replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

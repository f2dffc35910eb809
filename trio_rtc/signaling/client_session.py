"""A native session as a client has it: what to send on which connection. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from ..errors import MessageTooLarge
from ..wire import native as protocol
from ..wire.session import Inbox, Outbox, SessionFault

OUTBOX_MESSAGES = 256
OUTBOX_BYTES = 1024 * 1024
"""How much may wait for the server's acknowledgement; `ClientSession.has_place` looks at that."""

HELD_MESSAGES = 64 * 1024
HELD_BYTES = 64 * 1024 * 1024
"""How much may wait for ours, whatever the server thinks: over that, the session ends."""

#: The share of the server's mailbox that one message may hold up. The rest is for what comes
#: until the server knows that it is refused.
SHARE = 3 / 4

TRIES = 6
"""On so many connections in a row a message is sent that brings each of them to its end."""

NOBODY = 2**53 - 1
"""An id that no peer has: the largest there may be."""

LEAVE = protocol.encode(protocol.Leave())


class ClientSession:
    """Numbers what is sent, keeps it until the server has it, and takes each message once.

    A message of a peer is acknowledged when it is `accept`ed. One that holds up too many others
    (`is_overdue`) is to be refused, and acknowledged when the server knows that.

    What stands between may not let a message pass, and close each connection on which it comes: so
    that nothing gets through any more. Then the message is withdrawn: in its place one goes to
    nobody, and if the server says that it has reached nobody, the first has not arrived. If the
    server says nothing of the kind, it had the first already.

    Args:
        hello: what opens the session.

    Attributes:
        welcome: the server's answer to that; None before it came.
        ready: whether the connection there is now has been accepted for the session.
        to_send: what is to go out on it, in this order.
        leave_written: whether the server may have heard that the session is left.
        is_stuck: whether nothing gets through, though connections are accepted.
    """

    def __init__(self, hello: protocol.Hello):
        self._hello = hello
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._leaving = False
        self._attempts = 0
        # Refusals that the server may not have yet: their numbers, and what they refuse.
        self._refusals: deque[tuple[int, Sequence[int]]] = deque()
        # The number of the last message that was sent on this connection, and how many ended
        # in a row that had brought nothing of what was sent.
        self._written = 0
        self._tries = 0
        # By number: for whom they were.
        self._withdrawn: dict[int, int] = {}
        self.leave_written = False
        self._token: bytes | None = None
        self.welcome: protocol.Welcome | None = None
        self.ready = False
        self.to_send: deque[bytes] = deque()

    def connected(self) -> None:
        """A connection has been opened."""
        self.ready = False
        first: protocol.Hello | protocol.Resume = self._hello
        if self.welcome is not None:
            self._attempts += 1
            first = protocol.Resume(
                session=self.welcome.session,
                received=self._inbox.acknowledged(),
                attempt=self._attempts,
            )
        self.to_send = deque([protocol.encode(first)])

    def disconnected(self) -> None:
        """It has ended."""
        if self.ready and self._written > self._outbox.acknowledged:
            self._tries += 1
        self.ready = False
        self.to_send.clear()

    @property
    def is_stuck(self) -> bool:
        return self._tries > TRIES

    @property
    def leaving(self) -> bool:
        """Whether the session is to end."""
        return self._leaving

    @property
    def has_place(self) -> bool:
        """Whether another message may be sent now."""
        return len(self._outbox) < OUTBOX_MESSAGES and self._outbox.size < OUTBOX_BYTES

    def send(self, to: int, data: bytes) -> int:
        """Send a message, now or when there is a connection. Returns its number.

        Raises:
            MessageTooLarge: it is over the server's limit.
        """
        seq = self._outbox.next
        text, data64 = protocol.content(data)
        message = protocol.encode(protocol.Send(seq=seq, to=to, data=text, data64=data64))
        limit = None if self.welcome is None else self.welcome.max_message_bytes
        if limit is not None and len(message) > limit:
            raise MessageTooLarge(
                f"a message of {len(data)} bytes takes {len(message)} on its way, "
                f"the server takes {limit}"
            )
        self._outbox.keep(message)
        self._put(message)
        return seq

    def show_token(self, token: str) -> None:
        """Have the session go on by another token, until the server has answered that."""
        self._token = protocol.encode(protocol.Token(token=token))
        self._put(self._token)

    def leave(self) -> None:
        """End the session, after all that was sent before."""
        self._leaving = True
        self._put(LEAVE)

    def written(self, message: bytes) -> None:
        """Something of `to_send` has gone out."""
        following = self._written + 1
        if message is LEAVE:
            self.leave_written = True
        elif following < self._outbox.next and message is self._outbox[following]:
            self._written = following

    def accept(self, seq: int) -> None:
        """A message of a peer has its place, so that it may be acknowledged."""
        self._inbox.release(seq)
        self._acknowledge_if_due()

    def is_overdue(self, seq: int) -> bool:
        """Whether a message that is not accepted holds up more than one may."""
        welcome = self.welcome
        if welcome is None or welcome.mailbox_messages is None or welcome.mailbox_bytes is None:
            # Nor could it be refused.
            return False
        if self._refusals:
            # What comes until the server has that is refused at once.
            return False
        messages, size = self._inbox.since(seq)
        return messages > SHARE * min(welcome.mailbox_messages, HELD_MESSAGES) or (
            size > SHARE * min(welcome.mailbox_bytes, HELD_BYTES)
        )

    def refuse(self, seqs: Sequence[int]) -> None:
        """Have the senders of messages told that there is no place for them."""
        for start in range(0, len(seqs), protocol.REFUSED_AT_ONCE):
            of = list(seqs[start : start + protocol.REFUSED_AT_ONCE])
            self._refusals.append((self._outbox.next, of))
            message = protocol.encode(protocol.Refuse(seq=self._outbox.next, of=of))
            self._outbox.keep(message)
            self._put(message)

    def acknowledge(self) -> None:
        """Tell the server what has come, if anything has."""
        if self.ready and self._inbox.ack_pending:
            received = self._inbox.acknowledged()
            self.to_send.append(protocol.encode(protocol.Ack(received=received)))

    def receive(self, text: str) -> protocol.FromServer | None:
        """Take in what the server says; None if it is nothing new.

        Raises:
            BadMessage: it is nothing that a server may say.
            SessionFault: its numbers are wrong.
        """
        try:
            message = protocol.decode_from_server(text)
        except protocol.UnknownType:
            # A later server may have more to say, though none of it with a number.
            return None
        match message:
            case protocol.Welcome() if self.welcome is None:
                self.welcome = message
                self._go_on()
            case protocol.Resumed(received=received) if self.welcome is not None:
                self._acknowledged(received)
                self._go_on()
            case protocol.Error(code="token_refused"):
                self._token = None
            case protocol.Error() | protocol.Pong():
                pass
            case protocol.Welcome() | protocol.Resumed():
                raise protocol.BadMessage("the session is open already")
            case _ if not self.ready:
                raise protocol.BadMessage("the session is not open yet")
            case protocol.TokenAccepted():
                self._token = None
            case protocol.Ack(received=received):
                self._acknowledged(received)
            case protocol.Failed(of=of) if of in self._withdrawn:
                if not self._take(message, len(text.encode())):
                    return None
                return _undeliverable(message, self._withdrawn.pop(of))
            case _:
                return message if self._take(message, len(text.encode())) else None
        return message

    def _take(self, message: protocol.Numbered, size: int) -> bool:
        hold = isinstance(message, protocol.Message)
        is_new = self._inbox.take(message.seq, size, hold=hold)
        if self._inbox.held > HELD_MESSAGES or self._inbox.held_bytes > HELD_BYTES:
            raise SessionFault(
                f"it sends on though {self._inbox.held} messages wait to be acknowledged, "
                f"{self._inbox.held_bytes} bytes"
            )
        self._acknowledge_if_due()
        return is_new

    def _acknowledged(self, received: int) -> None:
        before = self._outbox.acknowledged
        self._outbox.acknowledge(received)
        if self._outbox.acknowledged > before:
            self._tries = 0
        while self._refusals and self._refusals[0][0] <= self._outbox.acknowledged:
            for seq in self._refusals.popleft()[1]:
                self._inbox.release(seq)
        self._acknowledge_if_due()

    def _acknowledge_if_due(self) -> None:
        if self._inbox.ack_due:
            self.acknowledge()

    def _go_on(self) -> None:
        self.ready = True
        if self._tries == TRIES:
            self._withdraw(self._outbox.acknowledged + 1)
        self._written = self._outbox.acknowledged
        self.to_send.extend(self._outbox)
        if self._token is not None:
            self.to_send.append(self._token)
        if self._leaving:
            self.to_send.append(LEAVE)

    def _withdraw(self, seq: int) -> None:
        message = protocol.decode_from_client(self._outbox[seq].decode())
        if isinstance(message, protocol.Send):
            self._withdrawn[seq] = message.to
            instead = protocol.Send(seq=seq, to=NOBODY, data="")
            self._outbox.replace(seq, protocol.encode(instead))

    def _put(self, message: bytes) -> None:
        if self.ready:
            self.to_send.append(message)


def _undeliverable(failed: protocol.Failed, to: int) -> protocol.Failed:
    """What the failure of one to nobody means for the one in whose place it was sent."""
    why = f"each of {TRIES} connections was closed on which it was sent"
    return msgspec.structs.replace(failed, to=to, code="undeliverable", message=why)

"""A native session as a client has it: what to send on which connection. No I/O."""

from __future__ import annotations

from collections import deque

from .. import protocol
from ..errors import MessageTooLarge
from ..session import Inbox, Outbox

OUTBOX_MESSAGES = 256
OUTBOX_BYTES = 1024 * 1024
"""How much may wait for the server's acknowledgement; `ClientSession.has_place` looks at that."""


class ClientSession:
    """Numbers what is sent, keeps it until the server has it, and takes each message once.

    Args:
        hello: what opens the session.

    Attributes:
        welcome: the server's answer to that; None before it came.
        ready: whether the connection there is now has been accepted for the session.
        to_send: what is to go out on it, in this order.
    """

    def __init__(self, hello: protocol.Hello):
        self._hello = hello
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._leaving = False
        self.welcome: protocol.Welcome | None = None
        self.ready = False
        self.to_send: deque[bytes] = deque()

    def connected(self) -> None:
        """A connection has been opened."""
        self.ready = False
        first: protocol.Hello | protocol.Resume = self._hello
        if self.welcome is not None:
            received = self._inbox.acknowledged()
            first = protocol.Resume(session=self.welcome.session, received=received)
        self.to_send = deque([protocol.encode(first)])

    def disconnected(self) -> None:
        """It has ended."""
        self.ready = False
        self.to_send.clear()

    @property
    def has_place(self) -> bool:
        """Whether another message may be sent now."""
        return len(self._outbox) < OUTBOX_MESSAGES and self._outbox.size < OUTBOX_BYTES

    def send(self, to: int, data: bytes) -> None:
        """Send a message, now or when there is a connection.

        Raises:
            MessageTooLarge: it is over the server's limit.
        """
        seq = self._outbox.next
        message = protocol.encode(protocol.Send(seq=seq, to=to, **protocol.content(data)))
        limit = None if self.welcome is None else self.welcome.max_message_bytes
        if limit is not None and len(message) > limit:
            raise MessageTooLarge(
                f"a message of {len(data)} bytes takes {len(message)} on its way, "
                f"the server takes {limit}"
            )
        self._outbox.keep(message)
        self._put(message)

    def leave(self) -> None:
        """End the session, after all that was sent before."""
        self._leaving = True
        self._put(protocol.encode(protocol.Leave()))

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
                self._outbox.acknowledge(received)
                self._go_on()
            case protocol.Error():
                pass
            case protocol.Welcome() | protocol.Resumed():
                raise protocol.BadMessage("the session is open already")
            case _ if not self.ready:
                raise protocol.BadMessage("the session is not open yet")
            case protocol.Ack(received=received):
                self._outbox.acknowledge(received)
            case _:
                is_new = self._inbox.take(message.seq, len(text))
                if self._inbox.ack_due:
                    self.acknowledge()
                return message if is_new else None
        return message

    def _go_on(self) -> None:
        self.ready = True
        self.to_send.extend(self._outbox)
        if self._leaving:
            self.to_send.append(protocol.encode(protocol.Leave()))

    def _put(self, message: bytes) -> None:
        if self.ready:
            self.to_send.append(message)

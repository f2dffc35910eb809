"""Sessions of the native protocol: client and server, over connections that fail in every way.

What the two sides do is the real thing; what carries their bytes is a list.
"""

from __future__ import annotations

from collections import deque
from unittest import mock

import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.server.at_once import at_once
from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import Admission
from trio_rtc.server.context import Context
from trio_rtc.server.counters import Statistics
from trio_rtc.server.dialects.native import native_dialect as native
from trio_rtc.server.dialects.native.native_member import Session
from trio_rtc.server.dialects.refusal import Refused
from trio_rtc.server.hub.hub import Hub
from trio_rtc.server.websocket.unsent import UnsentMessages
from trio_rtc.signaling.client_session import ClientSession
from trio_rtc.wire import native as protocol
from trio_rtc.wire.close_codes import CloseCode
from trio_rtc.wire.rate import TokenBucket

LIMITS = ServerLimits(mailbox_messages=8, resume_seconds=60)


def text_of(frame: bytes) -> bytes:
    """The text in a frame of a server."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


class Connection:
    """What is on its way, and how far it got. It is the server's `Link`."""

    def __init__(self, dialect: native.NativeDialect):
        self.dialect = dialect
        self.bucket = TokenBucket(1, 1, 0)
        self.to_server: deque[bytes] = deque()
        self.to_client: deque[bytes | int] = deque()
        self.session: Session | None = None
        self.is_open = True
        self.unsent: UnsentMessages | None = None
        self.part = b""

    def send(self, message: bytes) -> None:
        if self.is_open:
            self.to_client.append(message)

    def send_from(self, unsent: UnsentMessages) -> None:
        self.unsent = unsent

    def flush(self) -> None:
        while self.unsent is not None and (frame := self.unsent.read(1)):
            self.unsent.sent(len(frame))
            self.part += frame
            if not self.unsent.midway:
                self.send(text_of(self.part))
                self.part = b""

    def close(self, code: int, reason: str) -> None:
        if self.is_open:
            self.flush()
            self.to_client.append(code)
        self.is_open = False

    fail = close

    def server_reads(self) -> None:
        text = self.to_server.popleft().decode()
        if self.session is not None:
            self.dialect.receive(self.session, self, [text])
            return
        first = protocol.decode_from_client(text)
        try:
            if isinstance(first, protocol.Hello):
                admission = Admission(name=first.name, room="")
                self.session = at_once(self.dialect.join(admission, self, "here"))
            else:
                assert isinstance(first, protocol.Resume)
                self.session = at_once(self.dialect.resume(first, self))
        except Refused as refused:
            self.dialect._refuse(self, refused)

    def server_notices(self) -> None:
        """The server finds out that there is nobody any more."""
        self.is_open = False
        if self.session is not None:
            self.dialect.detach(self.session, self)


PLACES = 1
"""How many messages wait in a client for its program to take them."""


class Client:
    """One client, and what it was told.

    Attributes:
        placed: messages that wait for the program: sender and content.
        waiting: messages for which there is no place, by their number.
        sent: what it sent, in order: receiver, number of the message, content.
        received: sender and content.
        failed: numbers of messages that it knows not to have arrived.
        ended: why its session is over.
    """

    def __init__(self, name: str):
        self.session = ClientSession(protocol.Hello(name=name))
        self.connection: Connection | None = None
        self.sent: list[tuple[int, int, str]] = []
        self.received: list[tuple[int, str]] = []
        self.placed: deque[tuple[int, str]] = deque()
        self.waiting: dict[int, tuple[int, str]] = {}
        self.failed: set[int] = set()
        self.peers: set[int] = set()
        self.ended: int | None = None

    @property
    def id(self) -> int:
        assert self.session.welcome is not None
        return self.session.welcome.id

    def writes(self) -> None:
        assert self.connection is not None
        self.connection.to_server.append(self.session.to_send.popleft())

    def reads(self) -> None:
        assert self.connection is not None
        got = self.connection.to_client.popleft()
        if isinstance(got, int):
            self.loses(got)
            return
        message = self.session.receive(got.decode())
        match message:
            case protocol.Welcome():
                self.peers = {peer.id for peer in message.peers}
            case protocol.Joined():
                assert message.id not in self.peers
                self.peers.add(message.id)
            case protocol.Left():
                self.peers.remove(message.id)
            case protocol.Message():
                self.waiting[message.seq] = message.from_, message.body.decode()
                self.give_places()
            case protocol.Failed():
                assert message.of not in self.failed
                self.failed.add(message.of)
        refused = []
        while self.waiting and self.session.is_overdue(seq := next(iter(self.waiting))):
            del self.waiting[seq]
            refused.append(seq)
        self.session.refuse(refused)

    def give_places(self) -> None:
        while self.waiting and len(self.placed) < PLACES:
            seq = next(iter(self.waiting))
            self.placed.append(self.waiting.pop(seq))
            self.session.accept(seq)

    def takes(self) -> None:
        """The program takes a message."""
        if self.placed:
            self.received.append(self.placed.popleft())
            self.give_places()

    def loses(self, code: int) -> None:
        """Its connection ends; with some codes its session too."""
        self.session.disconnected()
        self.connection = None
        if code in (CloseCode.SESSION_LOST, CloseCode.LEFT):
            self.ended = code
        else:
            # Above all not superseded by one of its own connections, which was late.
            assert code == 1006


indexes = st.integers(0, 5)
some = st.integers(1, 6)


class Sessions(RuleBasedStateMachine):
    """Any order of what clients, server, network and time can do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self._clock = mock.patch.object(trio, "current_time", self.current_time)
        self._clock.start()
        self.clients: list[Client] = []
        self.everybody: list[Client] = []
        self.unnoticed: list[Connection] = []
        self.generation: dict[Client, int] = {}
        self.restarts = 0
        self.start()

    def current_time(self) -> float:
        return self.now

    def start(self) -> None:
        context = Context(limits=LIMITS, statistics=Statistics())
        self.hub = Hub(LIMITS, context.statistics)
        self.dialect = native.NativeDialect(self.hub, context)

    def teardown(self) -> None:
        try:
            self.heal()
            self.check()
        finally:
            self._clock.stop()

    def client(self, index: int) -> Client:
        return self.clients[index % len(self.clients)]

    @initialize()
    def two_clients(self) -> None:
        for _ in range(2):
            self.somebody_comes()
            self.exchange(self.clients[-1])

    @rule()
    @precondition(lambda self: len(self.clients) < 4)
    def somebody_comes(self) -> None:
        client = Client(f"client {len(self.everybody)}")
        self.clients.append(client)
        self.everybody.append(client)
        self.connect(client)

    def connect(self, client: Client) -> None:
        client.session.connected()
        client.connection = Connection(self.dialect)
        if client.session.welcome is None:
            self.generation[client] = self.restarts

    @rule(index=indexes)
    @precondition(lambda self: self.clients)
    def connects_again(self, index: int) -> None:
        client = self.client(index)
        if client.connection is None:
            self.connect(client)

    @rule(index=indexes, to=indexes, count=some)
    @precondition(lambda self: self.clients)
    def send(self, index: int, to: int, count: int) -> None:
        sender, receiver = self.client(index), self.client(to)
        if sender.session.welcome is None or receiver.session.welcome is None:
            return
        for _ in range(count):
            if sender.session.has_place:
                seq = sender.session._outbox.next
                text = f"{sender.id} {seq}"
                sender.session.send(receiver.id, text.encode())
                sender.sent.append((receiver.id, seq, text))

    @rule(index=indexes, count=some)
    @precondition(lambda self: self.clients)
    def client_writes(self, index: int, count: int) -> None:
        client = self.client(index)
        while count and client.connection is not None and client.session.to_send:
            client.writes()
            count -= 1

    @rule(index=indexes, count=some)
    @precondition(lambda self: self.clients)
    def server_reads(self, index: int, count: int) -> None:
        connection = self.client(index).connection
        while count and connection is not None and connection.to_server and connection.is_open:
            connection.server_reads()
            count -= 1

    @rule(index=indexes, count=some)
    @precondition(lambda self: self.clients)
    def client_reads(self, index: int, count: int) -> None:
        client = self.client(index)
        while count and client.connection is not None and client.connection.to_client:
            client.reads()
            count -= 1
        self.forget_ended()

    @rule(index=indexes, count=some)
    @precondition(lambda self: self.clients)
    def program_takes(self, index: int, count: int) -> None:
        for _ in range(count):
            self.client(index).takes()

    @rule(index=indexes)
    @precondition(lambda self: self.clients)
    def acknowledge(self, index: int) -> None:
        client = self.client(index)
        if client.connection is not None:
            client.session.acknowledge()

    @rule(index=indexes, arrives=some)
    @precondition(lambda self: self.clients)
    def cut(self, index: int, arrives: int) -> None:
        """The client notices at once; the server later, and some of what was sent arrives yet."""
        client = self.client(index)
        connection = client.connection
        if connection is None:
            return
        client.loses(1006)
        while len(connection.to_server) > arrives:
            connection.to_server.pop()
        self.unnoticed.append(connection)

    @rule(index=indexes)
    @precondition(lambda self: self.unnoticed)
    def old_connection_is_read(self, index: int) -> None:
        connection = self.unnoticed[index % len(self.unnoticed)]
        if connection.to_server and connection.is_open:
            connection.server_reads()

    @rule(index=indexes)
    @precondition(lambda self: self.unnoticed)
    def old_connection_is_noticed(self, index: int) -> None:
        self.unnoticed.pop(index % len(self.unnoticed)).server_notices()

    @rule(index=indexes)
    @precondition(lambda self: self.clients)
    def server_cuts(self, index: int) -> None:
        """The server notices first."""
        client = self.client(index)
        if client.connection is not None:
            client.connection.server_notices()
            client.loses(1006)

    @rule(index=indexes)
    @precondition(lambda self: self.clients)
    def leave(self, index: int) -> None:
        self.client(index).session.leave()

    @rule(seconds=st.sampled_from([0.5, 1, 5, 20, 70]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.dialect.tick(self.now)

    @rule()
    def server_restarts(self) -> None:
        for client in self.clients:
            if client.connection is not None:
                client.loses(1006)
        self.unnoticed.clear()
        self.restarts += 1
        self.start()

    def forget_ended(self) -> None:
        self.clients = [client for client in self.clients if client.ended is None]

    def exchange(self, client: Client) -> None:
        """Let everything through that is on its way, both ways."""
        busy = True
        while busy:
            busy = False
            while client.connection is not None and client.session.to_send:
                client.writes()
                busy = True
            connection = client.connection
            while connection is not None and connection.to_server and connection.is_open:
                connection.server_reads()
                busy = True
            while client.connection is not None and client.connection.to_client:
                client.reads()
                busy = True
        self.forget_ended()

    def heal(self) -> None:
        """The network works from now on, and what nobody comes back for has expired."""
        for seconds in (1, 1, LIMITS.resume_seconds + 1, 1):
            for client in list(self.clients):
                if client.connection is None:
                    self.connect(client)
                self.exchange(client)
                while client.placed:
                    client.takes()
                client.session.acknowledge()
                self.exchange(client)
            for connection in self.unnoticed:
                connection.server_notices()
            self.now += seconds
            self.dialect.tick(self.now)
        for client in list(self.clients):
            self.exchange(client)
            while client.placed:
                client.takes()

    @invariant()
    def nothing_comes_twice_or_in_another_order(self) -> None:
        for receiver in self.everybody:
            for sender in self.everybody:
                if self.together(sender, receiver):
                    came = [text for from_, text in receiver.received if from_ == sender.id]
                    sent = iter(text for to, _, text in sender.sent if to == receiver.id)
                    assert all(text in sent for text in came), (came, sender.sent)

    def together(self, one: Client, other: Client) -> bool:
        return (
            one.session.welcome is not None
            and other.session.welcome is not None
            and self.generation[one] == self.generation[other]
        )

    def check(self) -> None:
        """Nothing is missing without somebody having been told."""
        for receiver in self.clients:
            for sender in self.clients:
                if self.together(sender, receiver):
                    came = [text for from_, text in receiver.received if from_ == sender.id]
                    assert came == [
                        text
                        for to, seq, text in sender.sent
                        if to == receiver.id and seq not in sender.failed
                    ]
            members = {other.id for other in self.clients if other is not receiver}
            assert receiver.peers == members
            assert len(receiver.session._outbox) == 0


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=200, stateful_step_count=60)

"""A room hears of everybody, in order, however many steps it takes."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.server.at_once import at_once
from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics
from trio_rtc.server.hub.hub import Hub, Mail, Mailbox, MailboxFull, Member, NoSuchMember, Relayed
from trio_rtc.server.hub.presence import Presence
from trio_rtc.server.scheduling.steps import Step


class Box(Mailbox):
    """A mailbox with place for so many notices, and any number of messages."""

    def __init__(self, place: int = 10**9):
        self.place = place
        self.mail: list[Mail] = []
        self.closed = False

    def put_message(self, message: Relayed) -> None:
        self.mail.append(message)

    def put_notice(self, notice: Presence) -> None:
        if not self.place:
            raise MailboxFull("mailbox_messages")
        self.place -= 1
        self.mail.append(notice)

    def close(self, code: int | None = None) -> None:
        self.closed = True


class Server:
    """A hub whose steps are taken when it is said."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.statistics = Statistics()
        self.hub = Hub(ServerLimits(peers=10**6), self.statistics, self.steps.append)

    def join(self, box: Box | None = None, room: str = "") -> tuple[Member, Box]:
        used = box or Box()
        return at_once(self.hub.join("", used, room)), used

    def step(self) -> None:
        if self.steps and not self.steps[0]():
            del self.steps[0]


def test_a_join_in_a_large_room_is_little_work() -> None:
    """Whoever comes or goes has a bounded part of it told at once, and nobody misses the rest."""
    server = Server()
    boxes = [server.join()[1] for _ in range(2000)]
    while server.steps:
        server.step()
    told = sum(len(box.mail) for box in boxes)
    newcomer, _ = server.join()
    assert sum(len(box.mail) for box in boxes) - told <= 64
    server.hub.leave(newcomer)
    assert sum(len(box.mail) for box in boxes) - told <= 64
    steps = 0
    while server.steps:
        before = sum(len(box.mail) for box in boxes)
        server.step()
        assert sum(len(box.mail) for box in boxes) - before <= 70
        steps += 1
    assert steps > 10
    expected = [
        Presence(newcomer.id, newcomer.name, connected=True),
        Presence(newcomer.id, newcomer.name, connected=False),
    ]
    assert all(box.mail[-2:] == expected for box in boxes)


def test_full_mailboxes_go_in_steps() -> None:
    """Each that is full leaves, which is told to all the others: so many times so many notices."""
    server = Server()
    healthy = [server.join()[1] for _ in range(100)]
    full = [server.join(Box(0)) for _ in range(100)]
    # The first that follows is one too many for all of them.
    before = sum(len(box.mail) for box in healthy)
    server.join()
    assert sum(len(box.mail) for box in healthy) - before <= 64
    while server.steps:
        before = sum(len(box.mail) for box in healthy)
        server.step()
        assert sum(len(box.mail) for box in healthy) - before <= 64 + 201
    assert all(box.closed and not member.present for member, box in full)
    for box in healthy:
        gone = [one.id for one in box.mail if isinstance(one, Presence) and not one.connected]
        assert gone == [member.id for member, _ in full]


def test_whoever_hears_a_message_has_heard_of_its_sender() -> None:
    server = Server()
    boxes = [server.join() for _ in range(200)]
    sender, _ = server.join()
    last, box = boxes[-1]
    assert Presence(sender.id, sender.name, connected=True) not in box.mail
    server.hub.send(sender, Relayed(sender.id, b"x"), last.id)
    assert box.mail[-2:] == [
        Presence(sender.id, sender.name, connected=True),
        Relayed(sender.id, b"x"),
    ]


def test_a_small_room_does_not_wait_for_a_large_one() -> None:
    server = Server()
    for _ in range(1000):
        server.join()
    _, box = server.join(room="small")
    newcomer, _ = server.join(room="small")
    assert box.mail == [Presence(newcomer.id, newcomer.name, connected=True)]


class Presences(RuleBasedStateMachine):
    """At the end everybody has heard exactly of who came and went since it came itself."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.there: dict[Member, Box] = {}
        self.known: dict[Member, list[tuple[int, bool]]] = {}

    def told(self, member: Member, *, connected: bool) -> None:
        for other in self.there:
            if other is not member and other.room == member.room:
                self.known[other].append((member.id, connected))

    @rule(room=st.sampled_from(["", "a"]), crowd=st.integers(1, 90))
    def join(self, room: str, crowd: int) -> None:
        for _ in range(crowd):
            member, box = self.server.join(room=room)
            self.told(member, connected=True)
            self.there[member] = box
            self.known[member] = []

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(list(self.there)))
        self.server.hub.leave(member)
        del self.there[member]
        self.told(member, connected=False)

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        one, other = (data.draw(st.sampled_from(list(self.there))) for _ in range(2))
        try:
            self.server.hub.send(one, Relayed(one.id, b""), other.id)
        except NoSuchMember:
            assert one.room != other.room
            return
        # By then it has heard of all that happened before.
        assert self.heard(other) == self.known[other]

    @rule()
    def step(self) -> None:
        self.server.step()

    @invariant()
    def what_was_heard_is_how_it_began(self) -> None:
        for member in list(self.there)[-3:]:
            heard = self.heard(member)
            assert heard == self.known[member][: len(heard)]

    def heard(self, member: Member) -> list[tuple[int, bool]]:
        mail = self.there[member].mail
        return [(one.id, one.connected) for one in mail if isinstance(one, Presence)]

    def teardown(self) -> None:
        while self.server.steps:
            self.server.step()
        for member in self.there:
            assert self.heard(member) == self.known[member]


TestPresences = Presences.TestCase
TestPresences.settings = settings(max_examples=25, stateful_step_count=15)

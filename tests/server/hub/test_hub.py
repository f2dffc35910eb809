"""The rules of rooms and mailboxes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.server.at_once import at_once
from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics
from trio_rtc.server.hub.hub import Hub as PlainHub
from trio_rtc.server.hub.hub import (
    HubFull,
    Mail,
    Mailbox,
    MailboxFull,
    Member,
    NoSuchMember,
    Relayed,
)
from trio_rtc.server.hub.mailbox import PollingMailbox
from trio_rtc.server.hub.memory import Account, Memory
from trio_rtc.server.hub.presence import Presence
from trio_rtc.server.scheduling.steps import Step, do_at_once


def nothing(*_: object) -> None:
    pass


def account() -> Account:
    return Memory(10_000, Statistics()).open()


class Hub(PlainHub):
    """With mailboxes for all."""

    def __init__(self, limits: ServerLimits, do: Callable[[Step], None] = do_at_once):
        self.limits = limits
        self.statistics = Statistics()
        self.boxes: dict[int, PollingMailbox] = {}
        super().__init__(limits, self.statistics, do)

    def join_at_once(
        self,
        name: str,
        mailbox: Mailbox | None = None,
        room: str = "",
        on_removed: Callable[[Member], None] = nothing,
    ) -> Member:
        account = Memory(self.limits.memory_bytes, self.statistics).open()
        box = PollingMailbox(self.limits, account, nothing)
        member = at_once(self.join(name, mailbox or box, room, on_removed))
        self.boxes[member.id] = box
        return member


def join(hub: Hub, name: str = "", room: str = "") -> Member:
    return hub.join_at_once(name, room=room)


def send(hub: Hub, sender: Member, to: int, body: bytes) -> None:
    hub.send(sender, Relayed(sender.id, body), to)


def drain(hub: Hub, member: Member) -> list[Mail]:
    mail = []
    while (next_one := hub.boxes[member.id].take()) is not None:
        mail.append(next_one)
        hub.boxes[member.id].delivered()
    return mail


def test_joining_and_leaving_is_told_to_the_room() -> None:
    hub = Hub(ServerLimits())
    alice, bob, other = join(hub, "alice"), join(hub, "bob"), join(hub, "other", room="elsewhere")
    carol = join(hub)
    assert [alice.id, bob.id, other.id, carol.id] == [1, 2, 3, 4]
    assert carol.name == "peer_4"
    assert list(hub.others(carol)) == [alice, bob]
    hub.leave(bob)
    hub.leave(bob)
    assert drain(hub, alice) == [
        Presence(2, "bob", connected=True),
        Presence(4, "peer_4", connected=True),
        Presence(2, "bob", connected=False),
    ]
    assert drain(hub, other) == []
    assert hub.member(2) is None
    assert len(hub) == 3


def test_ids_are_never_used_again() -> None:
    hub = Hub(ServerLimits())
    hub.leave(join(hub))
    assert join(hub).id == 2


def test_messages_stay_in_the_room() -> None:
    hub = Hub(ServerLimits())
    alice, other = join(hub), join(hub, room="elsewhere")
    with pytest.raises(NoSuchMember):
        send(hub, alice, other.id, b"x")
    hub.leave(alice)
    with pytest.raises(NoSuchMember):
        send(hub, alice, alice.id, b"x")


class ToldMailbox(PollingMailbox):
    """With a place for one thing that its dialect says."""

    def __init__(self) -> None:
        limits = ServerLimits()
        super().__init__(limits, Memory(10_000, Statistics()).open(), nothing)
        self.told: list[bytes] = []

    def put_own(self, body: bytes) -> None:
        if self.told:
            raise MailboxFull("mailbox_messages")
        self.told.append(body)


def test_what_its_dialect_says_comes_to_a_member_or_ends_it() -> None:
    hub = Hub(ServerLimits())
    box = ToldMailbox()
    alice = hub.join_at_once("alice", box)
    hub.tell(alice, b"servers")
    assert (box.told, alice.present) == ([b"servers"], True)
    assert str(MailboxFull("mailbox_messages")) == "mailbox_messages"
    hub.tell(alice, b"servers anew")
    assert (box.told, alice.present) == ([b"servers"], False)
    assert hub.statistics.over_limit["mailbox_messages"] == 1
    # Who has gone is told nothing.
    box.told.clear()
    hub.tell(alice, b"too late")
    assert box.told == []


@pytest.mark.parametrize(
    "limits",
    [ServerLimits(mailbox_messages=2), ServerLimits(mailbox_bytes=20, body_bytes=20)],
)
def test_a_full_mailbox_refuses_and_keeps(limits: ServerLimits) -> None:
    hub = Hub(limits)
    alice, bob = join(hub), join(hub)
    for body in (b"0" * 10, b"1" * 10):
        send(hub, alice, bob.id, body)
    with pytest.raises(MailboxFull):
        send(hub, alice, bob.id, b"2")
    assert hub.boxes[bob.id].take() == Relayed(alice.id, b"0" * 10)
    with pytest.raises(MailboxFull):  # what is under way still counts: it may come back
        send(hub, alice, bob.id, b"2")
    hub.boxes[bob.id].delivered()
    send(hub, alice, bob.id, b"2")
    assert [mail.body for mail in drain(hub, bob) if isinstance(mail, Relayed)] == [
        b"1" * 10,
        b"2",
    ]


def test_messages_of_others_do_not_get_anybody_removed() -> None:
    hub = Hub(ServerLimits(mailbox_messages=3))
    alice, bob = join(hub), join(hub)
    for _ in range(3):
        send(hub, alice, bob.id, b"x")
    join(hub)
    assert bob.present


def test_who_fetches_no_notices_is_removed_and_the_others_hear_of_it() -> None:
    hub = Hub(ServerLimits(mailbox_messages=2))
    lazy, keen = join(hub, "lazy"), join(hub, "keen")
    join(hub, "third")
    drain(hub, keen)
    fourth = join(hub, "fourth")
    assert not lazy.present
    assert drain(hub, keen) == [
        Presence(4, "fourth", connected=True),
        Presence(1, "lazy", connected=False),
    ]
    # Who joins after it has gone never knew of it.
    assert drain(hub, fourth) == []


def test_rooms_take_turns_to_be_told() -> None:
    steps: list[Step] = []
    hub = Hub(ServerLimits(memory_bytes=2**30), steps.append)

    def told() -> list[int]:
        """How much each room hears that it had not heard."""
        return [sum(len(drain(hub, member)) for member in there) for there in rooms.values()]

    rooms: dict[str, list[Member]] = {"a": [], "b": []}
    for room, there in rooms.items():
        for _ in range(20):
            there.append(join(hub, room=room))
            # Few are told at once, and nothing is left to do.
            assert len(there) > 10 or not steps
            while steps and steps[0]():
                pass
            steps.clear()
    told()
    for room, there in rooms.items():
        there.append(join(hub, room=room))
    assert len(steps) == 2
    # What a member hears counts, and so does the look at it.
    assert told() == [16, 16]
    assert steps[0]() is True
    assert told() == [4, 0]
    assert steps[0]() is False
    assert told() == [0, 4]


def test_the_removal_of_many_at_once_ends() -> None:
    hub = Hub(ServerLimits(mailbox_messages=1500, memory_bytes=2**30))
    for _ in range(1400):
        join(hub)
    for _ in range(200):
        hub.leave(join(hub))
    assert len(hub) == 0


def test_joining_may_empty_the_room_first() -> None:
    hub = Hub(ServerLimits(mailbox_messages=1))
    lazy = join(hub)
    hub.leave(join(hub, room="elsewhere"))
    second = join(hub)
    drain(hub, second)
    third = join(hub)
    assert not lazy.present
    # `second` has one notice of the two that came of it, and so is removed as well.
    assert not second.present
    assert list(hub.others(third)) == []
    fourth = join(hub)
    assert list(hub.others(fourth)) == [third]


def test_one_mail_is_under_way_at_a_time() -> None:
    hub = Hub(ServerLimits())
    alice, bob = join(hub), join(hub)
    drain(hub, alice)
    box = hub.boxes[alice.id]
    send(hub, bob, alice.id, b"1")
    send(hub, bob, alice.id, b"2")
    first = box.take()
    assert box.take() is None
    box.put_back()
    assert box.take() == first
    box.delivered()
    assert box.take() == Relayed(bob.id, b"2")
    hub.leave(alice)
    box.put_back()
    assert box.take() is None


def test_on_mail_is_called_for_news_for_what_comes_back_and_at_the_end() -> None:
    hub = Hub(ServerLimits())
    calls: list[str] = []
    box = PollingMailbox(ServerLimits(), account(), lambda: calls.append("mail"))
    alice = hub.join_at_once("alice", box, on_removed=lambda _: calls.append("removed"))
    bob = join(hub)
    assert len(calls) == 1
    box.take()
    send(hub, bob, alice.id, b"x")
    assert len(calls) == 2
    box.put_back()
    assert len(calls) == 3
    hub.leave(alice)
    assert calls[3:] == ["removed", "mail"]


def test_what_is_delivered_makes_room_for_as_much() -> None:
    hub = Hub(ServerLimits(mailbox_messages=2))
    box = PollingMailbox(ServerLimits(mailbox_messages=2), account(), nothing)
    alice, bob = hub.join_at_once("alice", box), join(hub)
    while box.take() is not None:
        box.delivered()
    for _ in range(5):
        while True:
            try:
                send(hub, bob, alice.id, b"x")
            except MailboxFull:
                break
        box.take()
        box.delivered()
        # One has gone: one fits.
        send(hub, bob, alice.id, b"x")
        with pytest.raises(MailboxFull):
            send(hub, bob, alice.id, b"x")


def test_what_is_left_is_told_of_after_a_delivery() -> None:
    hub = Hub(ServerLimits())
    calls: list[str] = []
    box = PollingMailbox(ServerLimits(), account(), lambda: calls.append("mail"))
    alice, bob = hub.join_at_once("alice", box), join(hub)
    while box.take() is not None:
        box.delivered()
    send(hub, bob, alice.id, b"first")
    send(hub, bob, alice.id, b"second")
    box.take()
    calls.clear()
    box.delivered()
    assert calls == ["mail"]
    box.take()
    box.delivered()
    assert calls == ["mail"]


def test_a_full_hub_and_its_rooms() -> None:
    hub = Hub(ServerLimits(peers=3, rooms=2))
    alice = join(hub)
    join(hub, room="a")
    with pytest.raises(HubFull) as full:
        join(hub, room="b")
    assert full.value.limit == "rooms"
    join(hub, room="a")
    with pytest.raises(HubFull) as full:
        join(hub)
    assert full.value.limit == "peers"
    assert (len(hub), hub.statistics.rooms) == (3, 2)
    hub.leave(alice)
    assert (len(hub), hub.statistics.rooms) == (2, 1)
    assert join(hub, room="b").id == 4
    assert (len(hub), hub.statistics.rooms) == (3, 2)


def test_what_is_counted() -> None:
    hub = Hub(ServerLimits(mailbox_messages=2))
    alice, bob = join(hub), join(hub)
    for _ in range(2):
        send(hub, alice, bob.id, b"12345")
    with pytest.raises(MailboxFull):
        send(hub, alice, bob.id, b"12345")
    statistics = hub.statistics
    assert (statistics.messages, statistics.message_bytes) == (2, 10)
    assert statistics.over_limit["mailbox_messages"] == 1
    join(hub)
    join(hub)
    assert not alice.present
    assert statistics.over_limit["mailbox_messages"] == 1 + 4 - len(hub)


class HubMachine(RuleBasedStateMachine):
    """Whatever happens, mail arrives once and in order, and a mailbox keeps its bounds."""

    LIMITS = ServerLimits(mailbox_messages=4, mailbox_bytes=40, body_bytes=20)

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(self.LIMITS)
        self.members: list[Member] = []
        self.expected: dict[int, list[bytes]] = {}
        self.under_way: dict[int, Mail] = {}
        self.known: dict[int, set[int]] = {}
        self.serial = 0

    def pick(self, data: st.DataObject) -> Member:
        return data.draw(st.sampled_from(self.members))

    @rule(room=st.sampled_from(["", "a"]))
    def join(self, room: str) -> None:
        member = join(self.hub, "x", room)
        assert all(member.id > other.id for other in self.members)
        self.members.append(member)
        self.expected[member.id] = []
        self.known[member.id] = {other.id for other in self.hub.others(member)}

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.hub.leave(self.pick(data))

    @precondition(lambda self: self.members)
    @rule(data=st.data(), size=st.integers(0, 20))
    def send(self, data: st.DataObject, size: int) -> None:
        sender, receiver = self.pick(data), self.pick(data)
        self.serial += 1
        body = str(self.serial).encode().ljust(size, b".")
        waiting = self.expected[receiver.id]
        fits = len(waiting) < 4 and sum(map(len, waiting)) + len(body) <= 40
        try:
            send(self.hub, sender, receiver.id, body)
        except NoSuchMember:
            assert not (sender.present and receiver.present and sender.room == receiver.room)
        except MailboxFull:
            assert not fits
        else:
            assert fits
            waiting.append(body)

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        member = self.pick(data)
        mail = self.hub.boxes[member.id].take()
        if member.id in self.under_way or not member.present:
            assert mail is None
        elif mail is not None:
            self.under_way[member.id] = mail

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), arrives=st.booleans())
    def end_delivery(self, data: st.DataObject, arrives: bool) -> None:
        member_id = data.draw(st.sampled_from(sorted(self.under_way)))
        member = self.members[member_id - 1]
        mail = self.under_way.pop(member_id)
        if not arrives:
            self.hub.boxes[member.id].put_back()
            if member.present:
                assert self.hub.boxes[member.id].take() == mail
                self.hub.boxes[member.id].put_back()
            return
        self.hub.boxes[member.id].delivered()
        if not member.present:
            return
        if isinstance(mail, Relayed):
            assert mail.body == self.expected[member_id].pop(0)
        else:
            # Each one is heard of as there once, then as gone once.
            assert (mail.id in self.known[member_id]) is not mail.connected
            self.known[member_id] ^= {mail.id}

    @invariant()
    def the_hub_knows_who_is_present(self) -> None:
        present = [member for member in self.members if member.present]
        assert len(self.hub) == len(present)
        for member in present:
            assert self.hub.member(member.id) is member
            assert [*self.hub.others(member)] == [
                other for other in present if other.room == member.room and other is not member
            ]

    def teardown(self) -> None:
        for member in self.members:
            if member.present:
                if member.id in self.under_way:
                    self.hub.boxes[member.id].put_back()
                bodies = [m.body for m in drain(self.hub, member) if isinstance(m, Relayed)]
                assert bodies == self.expected[member.id]


HubMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestHubMachine = HubMachine.TestCase


def test_of_namesakes_the_last_one_is_found() -> None:
    hub = Hub(ServerLimits())
    assert hub.named("eve") is None
    first, second = join(hub, "eve"), join(hub, "eve")
    elsewhere = join(hub, "eve", room="a")
    assert hub.named("eve") is second
    assert hub.named("eve", "a") is elsewhere
    hub.leave(second)
    assert hub.named("eve") is first
    hub.leave(first)
    assert hub.named("eve") is None

"""Whatever PeerJS clients and others say, in whatever order, the server holds."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.at_once import at_once
from trio_rtc.server.authorize import Admission
from trio_rtc.server.context import Context
from trio_rtc.server.dialects.peerjs.peerjs_admission import Admitted, PeerJSSettings
from trio_rtc.server.dialects.peerjs.peerjs_dialect import PeerJSDialect
from trio_rtc.server.dialects.peerjs.peerjs_member import PeerJSMember
from trio_rtc.server.dialects.refusal import Refused
from trio_rtc.server.hub.hub import Hub, Mailbox, MailboxFull, NoSuchMember, Relayed
from trio_rtc.server.hub.presence import Presence
from trio_rtc.server.limits import ServerLimits
from trio_rtc.wire.rate import TokenBucket

from .clients import OFFER

IDS = ("alice", "bob", "carol")


class FakeLink:
    """A connection of a client, with all that it was sent."""

    def __init__(self) -> None:
        self.bucket = TokenBucket(1, 1, 0)
        self.is_open = True
        self.unsent = 0
        self.sent: list[dict[str, Any]] = []

    def send(self, message: bytes) -> None:
        self.sent.append(json.loads(message))

    def flush(self) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        self.is_open = False

    fail = close


class FakeMailbox(Mailbox):
    """A member of another dialect."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def put_message(self, message: Relayed) -> None:
        self.messages.append(message.body)

    def put_notice(self, notice: Presence) -> None:
        pass

    def close(self, code: int | None = None) -> None:
        pass


ADDRESSES = st.sampled_from([*IDS, "classic", "1", "2", "3", "nobody", "", "0", "9" * 30])
CONNECTIONS = st.sampled_from(["dc_1", "dc_2"])
DESCRIPTIONS = st.fixed_dictionaries(
    {"type": st.sampled_from(["offer", "answer", "rollback"]), "sdp": st.text(max_size=5)}
)
PAYLOADS = (
    st.none()
    | st.integers()
    | st.fixed_dictionaries(
        {"sdp": DESCRIPTIONS, "type": st.just("data"), "connectionId": CONNECTIONS}
    )
    | st.fixed_dictionaries(
        {
            "candidate": st.fixed_dictionaries({"candidate": st.text(max_size=5)}),
            "type": st.just("media"),
            "connectionId": CONNECTIONS,
        }
    )
    | st.just(OFFER)
)
MESSAGES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE", "HEARTBEAT", "OPEN", "X"]
        )
    },
    optional={"dst": ADDRESSES, "src": st.just("mallory"), "payload": PAYLOADS},
).map(json.dumps)
STEPS = st.lists(
    st.tuples(st.just("says"), st.sampled_from(IDS), MESSAGES | st.text(max_size=10))
    | st.tuples(st.just("joins"), st.sampled_from(IDS), st.sampled_from(["t1", "t2"]))
    | st.tuples(st.just("drops"), st.sampled_from(IDS), st.none())
    | st.tuples(
        st.just("classic"),
        st.integers(2, 6),
        st.sampled_from(
            [
                b"BYE",
                b'{"type":"offer","sdp":"v=0"}',
                b'{"type":"offer","sdp":"m=audio 9\\na=sendrecv","call":"dc_1"}',
                b'{"type":"answer","sdp":"v=0"}',
                b'{"candidate":"candidate:1","call":"dc_2"}',
                b'{"candidate":""}',
                b"\xff",
            ]
        ),
    )
    | st.tuples(st.just("ticks"), st.integers(0, 10), st.none()),
    max_size=40,
)


class World:
    def __init__(self) -> None:
        limits = ServerLimits(mailbox_messages=5)
        self.context = Context(limits=limits)
        self.hub = Hub(limits, self.context.statistics)
        self.dialect = PeerJSDialect(self.hub, self.context, PeerJSSettings())
        self.mailbox = FakeMailbox()
        self.classic = at_once(self.hub.join("classic", self.mailbox))
        self.links: list[FakeLink] = []
        self.now: dict[str, tuple[PeerJSMember, FakeLink]] = {}
        self.time = 0.0

    def step(self, kind: str, who: Any, what: Any) -> None:
        if kind == "joins":
            link = FakeLink()
            with suppress(Refused):
                admitted = Admitted(who, what, Admission(name=who, room=""))
                peer = at_once(self.dialect.join(admitted, link, ""))
                self.now[who] = (peer, link)
            self.links.append(link)
        elif kind == "says" and who in self.now:
            self.dialect.receive(*self.now[who], [what])
        elif kind == "drops" and who in self.now:
            self.hub.leave(self.now.pop(who)[0].member)
        elif kind == "classic":
            with suppress(NoSuchMember, MailboxFull):
                self.hub.send(self.classic, Relayed(self.classic.id, what), who)
        elif kind == "ticks":
            self.time += who
            self.dialect.tick(self.time)


@given(STEPS)
@settings(max_examples=300)
def test_anything_in_any_order(steps: list[tuple[str, Any, Any]]) -> None:
    run(steps)


@pytest.mark.fuzz
@given(STEPS)
@settings(max_examples=100_000)
def test_anything_in_any_order_100_000_times(steps: list[tuple[str, Any, Any]]) -> None:
    run(steps)


def run(steps: list[tuple[str, Any, Any]]) -> None:
    world = World()
    for step in steps:
        with mock.patch.object(trio, "current_time", return_value=world.time):
            world.step(*step)
    for link in world.links:
        for message in link.sent:
            assert message["type"] != "X"
            # Forged names reach nobody.
            assert message.get("src") != "mallory"
    for body in world.mailbox.messages:
        assert body == b"BYE" or "call" in json.loads(body)
    present = [peer for peer, _ in world.now.values() if peer.member.present]
    assert world.context.statistics.peers["peerjs"] == len({peer.id for peer in present})
    for peer in present:
        world.hub.leave(peer.member)
    assert world.context.statistics.peers["peerjs"] == 0
    assert len(world.dialect._waiting) == 0

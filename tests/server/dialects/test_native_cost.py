"""What a join costs does not depend on how many rooms and peers there are elsewhere.

A message that is kept costs no more than its bytes.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.server.at_once import at_once
from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import Admission
from trio_rtc.server.context import Context
from trio_rtc.server.dialects.native.native_dialect import NativeDialect
from trio_rtc.server.dialects.native.native_member import Session
from trio_rtc.server.hub.hub import Hub
from trio_rtc.server.websocket.unsent import UnsentMessages
from trio_rtc.wire.rate import TokenBucket


class Link:
    """A connection that takes everything."""

    bucket = TokenBucket(1, 1, 0)
    is_open = True

    def send(self, message: bytes) -> None:
        pass

    def send_from(self, unsent: UnsentMessages) -> None:
        self.unsent = unsent

    def flush(self) -> None:
        self.unsent.sent(len(self.unsent.read(10**6)))

    def close(self, code: int, reason: str) -> None:
        pass

    fail = close


def calls(action: Callable[[], object]) -> Counter[str]:
    """How often each function is called, those written in C included."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            counted[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            counted[argument.__qualname__] += 1

    gc.disable()
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
        gc.enable()
    del counted["setprofile"]
    return counted


class Crowd:
    """So many rooms with two peers each."""

    def __init__(self, rooms: int):
        context = Context(
            limits=ServerLimits(
                peers=100_000, rooms=100_000, peers_per_address=10**6, joins_burst=10**6
            )
        )
        self.hub = Hub(context.limits, context.statistics)
        self.dialect = NativeDialect(self.hub, context)
        for room in range(rooms):
            for name in ("alice", "bob"):
                self.join(f"room {room}", name)

    def join(self, room: str, name: str = "carol") -> Session:
        return at_once(self.dialect.join(Admission(name=name, room=room), Link(), "192.0.2.1"))


async def test_the_work_is_the_same_in_a_large_server() -> None:
    counted: list[dict[str, Counter[str]]] = []
    # The first time something may be remembered, such as a logger's level.
    for rooms in (8, 10, 10_000):
        crowd = Crowd(rooms)
        work: dict[str, Counter[str]] = {}
        for room in ("room 7", "a new one"):
            sessions: list[Session] = []
            work[f"join {room}"] = calls(lambda: sessions.append(crowd.join(room)))  # noqa: B023
            work[f"leave {room}"] = calls(lambda: crowd.hub.leave(sessions[0].member))  # noqa: B023
        alice, bob = crowd.join("room 3"), crowd.join("room 3")
        text = f'{{"type":"send","seq":1,"to":{bob.member.id},"data":"x"}}'
        link = alice.link
        assert link is not None
        work["send"] = calls(lambda: crowd.dialect.receive(alice, link, [text]))  # noqa: B023
        work["tick"] = calls(lambda: crowd.dialect.tick(0))  # noqa: B023
        counted.append(work)
    assert counted[1] == counted[2]
    totals = {name: calls_.total() for name, calls_ in counted[1].items()}
    assert 20 < totals["join room 7"] < 300, totals
    assert 20 < totals["send"] < 65, totals


def say(crowd: Crowd, sender: Session, receiver: Session, count: int) -> None:
    assert sender.link is not None
    first = sender.inbox.received + 1
    to = receiver.member.id
    texts = [
        f'{{"type":"send","seq":{seq},"to":{to},"data":"x"}}' for seq in range(first, first + count)
    ]
    crowd.dialect.receive(sender, sender.link, texts)


async def test_a_message_that_is_kept_is_nothing_for_the_garbage_collector() -> None:
    crowd = Crowd(0)
    alice, bob = crowd.join("room", "alice"), crowd.join("room", "bob")
    say(crowd, alice, bob, 1)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        say(crowd, alice, bob, 100)
        assert len(gc.get_objects()) - before < 20
    finally:
        gc.enable()
    assert len(bob.outbox) == 101

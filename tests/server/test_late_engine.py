"""No dialect knows its engine: what holds with one that answers at once holds with a late one."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_rtc.server import serve
from trio_rtc.server.hub.engine import PendingSend
from trio_rtc.server.hub.hub import NoSuchMember

from ..peerjs import test_server
from .again import again
from .dialects import (
    test_classic,
    test_native_joins,
    test_native_rooms,
    test_native_sessions,
    test_whip,
)
from .harness import memory_server, post
from .late_hub import LateHub
from .native_client import connect, join

#: All of their tests are tests of this module, too.
MODULES = [
    test_classic,
    test_native_joins,
    test_native_rooms,
    test_native_sessions,
    test_server,
    test_whip,
]


for each in MODULES:
    globals().update(again(each, "with_a_late_engine"))


@pytest.fixture(autouse=True)
def hubs(monkeypatch: pytest.MonkeyPatch) -> list[LateHub]:
    """Those of the servers of a test."""
    made: list[LateHub] = []

    class Made(LateHub):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(serve, "Hub", Made)
    return made


async def test_nothing_is_acknowledged_before_the_engine_has_it(
    hubs: list[LateHub], autojump_clock: trio.testing.MockClock
) -> None:
    async with memory_server() as server:
        alice, bob = await join(server, "alice"), await join(server, "bob")
        await alice.hear_all()
        hubs[0].is_reachable = False
        for seq in range(1, 40):
            await alice.say(type="send", seq=seq, to=bob.id, data=f"{seq}")
        await trio.sleep(3)
        assert await alice.hear_all() == []
        await alice.aclose()
        again = await connect(server)
        assert await again.resume(alice.session, 1) == {"type": "resumed", "received": 0}
        for seq in range(1, 40):
            await again.say(type="send", seq=seq, to=bob.id, data=f"{seq}")
        await trio.testing.wait_all_tasks_blocked()
        hubs[0].answer()
        await trio.sleep(3)
        assert (await again.hear_all())[-1] == {"type": "ack", "received": 39}
        assert [got["data"] for got in await bob.hear_all()] == [f"{seq}" for seq in range(1, 40)]
        await again.aclose()
        await bob.aclose()


async def test_what_fails_later_is_told_like_what_fails_at_once(
    hubs: list[LateHub], autojump_clock: trio.testing.MockClock
) -> None:
    async with memory_server() as server:
        alice = await join(server, "alice")
        carol = await server.sign_in("carol")
        await alice.hear_all()
        hubs[0].is_reachable = False
        await alice.say(type="send", seq=1, to=999, data="x")
        poster = await server.connect()
        await poster.send(post(carol, 999, b"x"))
        await trio.sleep(3)
        assert await alice.hear_all() == []
        hubs[0].answer()
        answer = await poster.answer()
        assert answer is not None
        assert answer.status == 500
        await trio.sleep(3)
        failed, ack = await alice.hear_all()
        assert (failed["type"], failed["of"], failed["code"]) == ("failed", 1, "unknown_peer")
        assert ack == {"type": "ack", "received": 1}
        await poster.stream.aclose()
        await alice.aclose()


def test_an_outcome_is_told_once_whoever_comes_first() -> None:
    for first in ("then", "settle"):
        told: list[object] = []
        pending = PendingSend()
        failure = NoSuchMember(1)
        if first == "then":
            pending.then(told.append)
        pending.settle(failure)
        if first == "settle":
            pending.then(told.append)
        assert told == [failure]

"""A hub in memory whose messages are lost, held, repeated, or the last ones."""

from __future__ import annotations

import math

import pytest
import trio

import trio_rtc
from trio_rtc.signaling import MessageReceived, PeerLeft, Signaling
from trio_rtc.testing import MemoryHub, connected_pair
from trio_rtc.wire.messages import Bye, encode

BYE = encode(Bye(reason="done"))


def two(hub: MemoryHub) -> tuple[Signaling, Signaling]:
    return hub.sign_in("alice"), hub.sign_in("bob")


async def received(signaling: Signaling) -> list[bytes]:
    """The messages that have come by now."""
    found = []
    with trio.move_on_after(0.01):
        async for event in signaling:
            if isinstance(event, MessageReceived):
                found.append(event.data)
    return found


async def test_a_message_is_dropped_and_the_next_is_not(autojump_clock: object) -> None:
    hub = MemoryHub()
    alice, bob = two(hub)
    hub.drop("alice something else")
    for text in ("one", "two"):
        await alice.send("bob", text)
    assert await received(bob) == [b"two"]
    assert hub.log == ["alice something else"] * 2
    hub.drop("alice something else", times=math.inf)
    hub.drop("bob bye", times=2)
    for _ in range(3):
        await alice.send("bob", "lost")
        await bob.send("alice", BYE)
    assert await received(bob) == []
    assert await received(alice) == [BYE]


async def test_held_messages_wait_and_others_overtake_them(autojump_clock: object) -> None:
    hub = MemoryHub()
    alice, bob = two(hub)
    held = hub.hold("alice something else", times=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.send, "bob", "one")
        nursery.start_soon(alice.send, "bob", "two")
        await trio.testing.wait_all_tasks_blocked()
        await alice.send("bob", BYE)
        assert held.waiting == 2
        assert await received(bob) == [BYE]
        held.release()
    assert sorted(await received(bob)) == [b"one", b"two"]
    assert held.waiting == 0


async def test_a_message_is_repeated(autojump_clock: object) -> None:
    hub = MemoryHub()
    alice, bob = two(hub)
    hub.repeat("alice bye", copies=2)
    await alice.send("bob", BYE)
    await alice.send("bob", BYE)
    assert await received(bob) == [BYE] * 4


async def test_a_cut_ends_the_session_of_the_sender(autojump_clock: object) -> None:
    hub = MemoryHub()
    alice, bob = two(hub)
    hub.cut("alice bye")
    with pytest.raises(trio_rtc.SignalingLost):
        await alice.send("bob", BYE)
    with pytest.raises(trio_rtc.SignalingLost):
        await alice.send("bob", "again")
    events = []
    with trio.move_on_after(0.01):
        async for event in bob:
            events.append(event)
    assert not any(isinstance(event, MessageReceived) for event in events)
    assert any(isinstance(event, PeerLeft) for event in events)


@pytest.mark.parametrize("entry", ["alice", "alice offers", "", "offer"])
def test_what_is_in_no_log_is_told(entry: str) -> None:
    for rule in (MemoryHub.drop, MemoryHub.hold, MemoryHub.repeat, MemoryHub.cut):
        with pytest.raises(ValueError, match="something else"):
            rule(MemoryHub(), entry)
    with pytest.raises(ValueError, match="none"):
        MemoryHub().drop("alice offer", times=0)


async def test_a_pair_without_a_network() -> None:
    hub = MemoryHub()
    hub.repeat("alice offer")
    with trio.fail_after(30):
        async with connected_pair(hub=hub) as (alice, bob):
            assert alice.peer.name == "bob"
            assert bob.peer.name == "alice"
    assert hub.log[-1] == "alice bye"

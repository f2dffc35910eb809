"""Who gets which event, without a server."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import SignalingError, SignalingLost, UnknownPeer
from trio_rtc.signaling import MessageReceived, Peer, PeerJoined, PeerLeft, Signaling

BOB, CAROL = Peer(2, "bob"), Peer(3, "carol")


def signed_in(*peers: Peer) -> Signaling:
    async def send(to: int, data: bytes) -> int:
        sent.append((to, data))
        return len(sent)

    sent: list[tuple[int, bytes]] = []
    signaling = Signaling(1, "alice", send)
    for peer in peers:
        signaling.joined(peer)
    return signaling


async def test_events_come_in_order() -> None:
    signaling = signed_in(BOB)
    signaling.received(2, b"one")
    signaling.received(2, b"two")
    signaling.left(2)
    events = [await anext(signaling) for _ in range(4)]
    assert events == [
        PeerJoined(BOB),
        MessageReceived(BOB, b"one"),
        MessageReceived(BOB, b"two"),
        PeerLeft(BOB),
    ]


async def test_we_are_not_among_the_peers() -> None:
    signaling = signed_in(Peer(1, "alice"), BOB)
    assert dict(signaling.peers) == {2: BOB}


async def test_a_message_of_somebody_unknown_is_not_lost() -> None:
    signaling = signed_in()
    signaling.received(9, b"x")
    assert await anext(signaling) == MessageReceived(Peer(9, "peer_9"), b"x")


async def test_find_by_id_name_and_digits() -> None:
    seven, again = Peer(4, "7"), Peer(7, "bob")
    signaling = signed_in(BOB, CAROL, seven)
    assert signaling.find_peer(3) == signaling.find_peer("3") == signaling.find_peer("carol")
    assert signaling.find_peer("7") == seven
    signaling.joined(again)
    # An id comes before a name; of two with one name the one who came last is meant.
    assert signaling.find_peer("7") == again
    assert signaling.find_peer("bob") == again
    with pytest.raises(UnknownPeer, match=r"'dave'.*bob \(2\), carol \(3\)"):
        signaling.find_peer("dave")


async def test_wait_for_a_peer_that_is_still_to_come() -> None:
    signaling = signed_in(BOB)
    found: list[Peer] = []

    async def wait() -> None:
        found.append(await signaling.wait_for_peer("carol"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        signaling.joined(Peer(5, "dave"))
        await wait_all_tasks_blocked()
        assert not found
        signaling.joined(CAROL)
    assert found == [CAROL]


async def test_a_subscription_takes_the_messages_of_its_peer() -> None:
    signaling = signed_in(BOB, CAROL)
    signaling.received(2, b"before")
    with signaling.subscribe(BOB) as of_bob:
        signaling.received(3, b"other")
        signaling.received(2, b"during")
        assert await anext(of_bob) == MessageReceived(BOB, b"before")
        assert await anext(of_bob) == MessageReceived(BOB, b"during")
        signaling.received(2, b"unread")
        signaling.left(2)
    events = [await anext(signaling) for _ in range(5)]
    assert events == [
        PeerJoined(BOB),
        PeerJoined(CAROL),
        MessageReceived(CAROL, b"other"),
        PeerLeft(BOB),
        MessageReceived(BOB, b"unread"),
    ]


async def test_a_subscription_tells_that_its_peer_has_left_even_before() -> None:
    signaling = signed_in(BOB)
    with signaling.subscribe(BOB) as of_bob:
        signaling.left(2)
        assert await anext(of_bob) == PeerLeft(BOB)
    with signaling.subscribe(BOB) as of_bob:
        assert await anext(of_bob) == PeerLeft(BOB)


async def test_the_rest_goes_to_the_subscription_without_a_peer() -> None:
    signaling = signed_in(BOB, CAROL)
    with signaling.subscribe() as rest, signaling.subscribe(BOB) as of_bob:
        signaling.received(2, b"b")
        signaling.received(3, b"c")
        assert await anext(of_bob) == MessageReceived(BOB, b"b")
        assert await anext(rest) == MessageReceived(CAROL, b"c")
        signaling.left(3)
        assert await anext(rest) == PeerLeft(CAROL)


async def test_what_a_call_leaves_unread_goes_to_the_rest() -> None:
    signaling = signed_in(BOB)
    with signaling.subscribe() as rest:
        with signaling.subscribe(BOB) as of_bob:
            signaling.received(2, b"bye")
            signaling.received(2, b"offer")
            await anext(of_bob)
            of_bob.put_back(await anext(of_bob))
        assert await anext(rest) == MessageReceived(BOB, b"offer")


async def test_one_subscription_each() -> None:
    signaling = signed_in(BOB)
    for peer in (BOB, None):
        with signaling.subscribe(peer):
            with pytest.raises(SignalingError) as caught, signaling.subscribe(peer):
                raise AssertionError("two")
            assert (caught.value.code, caught.value.fault) == ("busy", "local")
        with signaling.subscribe(peer):
            pass


async def test_the_end_comes_after_what_was_before_it() -> None:
    signaling = signed_in(BOB)
    with signaling.subscribe(BOB) as of_bob, signaling.subscribe() as rest:
        signaling.received(2, b"last")
        signaling.lost(SignalingLost("gone"))
        assert await anext(of_bob) == MessageReceived(BOB, b"last")
        for source in (of_bob, rest):
            with pytest.raises(SignalingLost, match="gone"):
                await anext(source)
    assert await anext(signaling) == PeerJoined(BOB)
    with pytest.raises(SignalingLost):
        await anext(signaling)
    with signaling.subscribe(BOB) as of_bob, pytest.raises(SignalingLost):
        await anext(of_bob)


async def test_everybody_who_waits_learns_of_the_end() -> None:
    signaling = signed_in(BOB)

    async def wait(what: object) -> None:
        with pytest.raises(SignalingLost):
            await what  # type: ignore[misc]

    with signaling.subscribe(BOB) as of_bob:
        await anext(signaling)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, anext(of_bob))
            nursery.start_soon(wait, anext(signaling))
            nursery.start_soon(wait, signaling.wait_for_peer("carol"))
            await wait_all_tasks_blocked()
            signaling.lost(SignalingLost("gone"))


async def test_a_cancelled_reader_loses_nothing() -> None:
    signaling = signed_in()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(signaling.__anext__)
            await wait_all_tasks_blocked()
            scope.cancel()
    signaling.joined(BOB)
    assert await anext(signaling) == PeerJoined(BOB)

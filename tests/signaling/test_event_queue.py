"""What waits for a consumer that does not look, without a server."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_rtc.errors import SignalingError
from trio_rtc.signaling import (
    EventsDropped,
    MessageFailed,
    MessageReceived,
    Peer,
    PeerJoined,
    PeerLeft,
    Signaling,
)
from trio_rtc.signaling.event_queue import FAILURES, PLACE_BYTES, PLACES, PRESENCE, Delivery

from .test_signaling import BOB, CAROL, signed_in


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


def receive(signaling: Signaling, count: int, peer: Peer = BOB) -> list[Delivery]:
    """Have messages come; those that have no place."""
    got = [signaling.received(peer.id, data) for data in numbered(count)]
    return [delivery for delivery in got if delivery is not None]


def on_place(deliveries: list[Delivery]) -> list[bytes]:
    """A list of what has got its place since."""
    placed: list[bytes] = []
    for delivery in deliveries:
        delivery.on_place = partial(placed.append, delivery.event.data)
    return placed


async def test_what_has_no_place_waits_for_one_in_order() -> None:
    signaling = signed_in(BOB)
    waiting = receive(signaling, PLACES + 5)
    placed = on_place(waiting)
    signaling.left(2)
    assert len(waiting) == 5
    assert await anext(signaling) == PeerJoined(BOB)
    assert not placed
    for number in range(PLACES + 5):
        assert await anext(signaling) == MessageReceived(BOB, str(number).encode())
        assert placed == numbered(PLACES + 5)[PLACES : PLACES + number + 1]
    assert await anext(signaling) == PeerLeft(BOB)


async def test_places_are_counted_in_bytes_too() -> None:
    signaling = signed_in()
    # Larger than all places together, but the only one.
    assert signaling.received(2, bytes(PLACE_BYTES + 1)) is None
    assert signaling.received(2, b"x") is not None
    for _ in range(2):
        await anext(signaling)
    for size in (PLACE_BYTES - 1, 1):
        assert signaling.received(2, bytes(size)) is None
    assert signaling.received(2, b"x") is not None


async def test_what_is_refused_leaves_a_mark() -> None:
    signaling = signed_in(BOB)
    waiting = receive(signaling, PLACES + 3)
    signaling.left(2)
    for delivery in waiting[:2]:
        delivery.refuse()
    events = [await anext(signaling) for _ in range(PLACES + 4)]
    assert events[1 : PLACES + 1] == [MessageReceived(BOB, data) for data in numbered(PLACES)]
    assert set(events[PLACES + 1 :]) == {
        EventsDropped(2),
        MessageReceived(BOB, str(PLACES + 2).encode()),
        PeerLeft(BOB),
    }


async def test_a_stuck_consumer_does_not_hold_up_another() -> None:
    signaling = signed_in(BOB, CAROL)
    with signaling.subscribe(CAROL) as of_carol:
        assert receive(signaling, PLACES + 5)
        assert not receive(signaling, 5, CAROL)
        assert await anext(of_carol) == MessageReceived(CAROL, b"0")


async def test_a_subscription_takes_what_has_no_place_elsewhere() -> None:
    signaling = signed_in(BOB, CAROL)
    receive(signaling, PLACES)
    waiting = receive(signaling, 3, CAROL)
    placed = on_place(waiting)
    with signaling.subscribe(CAROL) as of_carol:
        assert placed == numbered(3)
        assert await anext(of_carol) == MessageReceived(CAROL, b"0")
    # What comes back was received, and there is no place for it: that is told.
    events = [await anext(signaling) for _ in range(PLACES + 3)]
    assert events[-1] == EventsDropped(2)


async def test_what_a_subscription_has_no_place_for_waits_elsewhere() -> None:
    signaling = signed_in(BOB)
    with signaling.subscribe(BOB):
        waiting = receive(signaling, PLACES + 3)
        placed = on_place(waiting)
    assert len(waiting) == 3
    assert not placed
    received: list[bytes] = []
    while len(received) < PLACES + 3:
        event = await anext(signaling)
        if isinstance(event, MessageReceived):
            received.append(event.data)
    assert received == numbered(PLACES + 3)
    assert placed == numbered(PLACES + 3)[PLACES:]


async def test_only_what_a_subscription_wants() -> None:
    signaling = signed_in(BOB)
    signaling.received(2, b"chat 1")
    signaling.received(2, b"call 1")
    with signaling.subscribe(BOB, wanted=lambda data: data.startswith(b"call")) as of_bob:
        signaling.received(2, b"chat 2")
        signaling.received(2, b"call 2")
        for data in (b"call 1", b"call 2"):
            assert await anext(of_bob) == MessageReceived(BOB, data)
    assert await anext(signaling) == PeerJoined(BOB)
    for data in (b"chat 1", b"chat 2"):
        assert await anext(signaling) == MessageReceived(BOB, data)


async def test_a_failure_comes_to_where_the_answer_would_have_come() -> None:
    signaling = signed_in(BOB)
    error = SignalingError("no place")
    with (
        signaling.subscribe(wanted=lambda data: data == b"bye") as rest,
        signaling.subscribe(BOB, wanted=lambda data: data == b"offer") as of_bob,
    ):
        chat = await signaling.send(BOB, "chat")
        offer = await signaling.send(BOB, "offer")
        for number in (offer, chat):
            signaling.failed(2, error, number)
        assert await anext(of_bob) == MessageFailed(BOB, error, offer)
        assert await anext(signaling) == PeerJoined(BOB)
        assert await anext(signaling) == MessageFailed(BOB, error, chat)
        assert not rest.waiting()


async def test_a_failure_that_a_call_has_not_looked_at_is_not_lost() -> None:
    signaling = signed_in(BOB)
    error = SignalingError("no place")
    with signaling.subscribe(BOB):
        number = await signaling.send(BOB, "offer")
        signaling.failed(2, error, number)
    await anext(signaling)
    assert await anext(signaling) == MessageFailed(BOB, error, number)


async def test_failures_are_counted_when_nobody_looks_at_them() -> None:
    signaling = signed_in()
    error = SignalingError("no place")
    for number in range(1, FAILURES + 4):
        signaling.failed(2, error, number)
    numbers = []
    for _ in range(FAILURES):
        event = await anext(signaling)
        assert isinstance(event, MessageFailed)
        numbers.append(event.number)
    assert numbers == list(range(1, FAILURES + 1))
    assert await anext(signaling) == EventsDropped(3)


async def test_who_comes_and_goes_unseen_is_not_told_of_for_ever() -> None:
    signaling = signed_in(BOB)
    assert await anext(signaling) == PeerJoined(BOB)
    signaling.left(2)
    signaling.joined(CAROL)
    for number in range(10, 10 + 5 * PRESENCE):
        signaling.joined(Peer(number, f"peer {number}"))
        if number == 11:
            signaling.received(number, b"I was here")
        signaling.left(number)
    assert len(signaling._queue._placed) <= PRESENCE + 3
    events = [await anext(signaling) for _ in range(4)]
    speaker = Peer(11, "peer 11")
    assert events[:2] == [PeerLeft(BOB), PeerJoined(CAROL)]
    assert MessageReceived(speaker, b"I was here") in events
    told = set(signaling._queue._placed) | set(events)
    assert PeerLeft(speaker) in told


async def test_all_who_are_there_are_told_of_even_many() -> None:
    peers = [Peer(number, f"peer {number}") for number in range(2, 2 + 3 * PRESENCE)]
    signaling = signed_in(*peers)
    for peer in peers:
        assert await anext(signaling) == PeerJoined(peer)


async def test_presence_overtakes_no_message() -> None:
    signaling = signed_in(BOB)
    receive(signaling, PLACES + 1)
    signaling.left(2)
    signaling.joined(CAROL)
    events = [await anext(signaling) for _ in range(PLACES + 4)]
    assert events[-3:] == [
        MessageReceived(BOB, str(PLACES).encode()),
        PeerLeft(BOB),
        PeerJoined(CAROL),
    ]


async def test_waiting_for_a_place_ends_when_there_is_one(autojump_clock: MockClock) -> None:
    signaling = signed_in()
    (delivery,) = receive(signaling, PLACES + 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(delivery.wait_for_place, 10)
        await trio.sleep(9)
        await anext(signaling)
    for number in range(1, PLACES + 1):
        assert await anext(signaling) == MessageReceived(Peer(2, "peer_2"), str(number).encode())


async def test_nothing_waits_for_one_who_is_stuck(autojump_clock: MockClock) -> None:
    signaling = signed_in()
    (delivery,) = receive(signaling, PLACES + 1)
    began = trio.current_time()
    await delivery.wait_for_place(10)
    assert trio.current_time() == began + 10
    for _ in range(3):
        (delivery,) = receive(signaling, 1)
        await delivery.wait_for_place(10)
    assert trio.current_time() == began + 10
    events = [await anext(signaling) for _ in range(PLACES + 1)]
    assert events[-1] == EventsDropped(4)
    # Now it looks again, and is worth waiting for.
    (delivery,) = receive(signaling, PLACES + 1)
    with trio.move_on_after(5) as scope:
        await delivery.wait_for_place(10)
    assert scope.cancelled_caught


@pytest.mark.parametrize("count", [1, PLACES + 1])
async def test_a_reader_that_waits_is_woken(count: int) -> None:
    signaling = signed_in()
    seen: list[object] = []

    async def read() -> None:
        while len(seen) < count:
            seen.append(await anext(signaling))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        receive(signaling, count)
    assert len(seen) == count

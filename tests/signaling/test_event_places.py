"""A queue of events by itself: what has a place, what is counted, and who is woken."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import SignalingError, SignalingLost
from trio_rtc.signaling import EventsDropped, MessageFailed, MessageReceived, Peer, PeerJoined
from trio_rtc.signaling.event_queue import FAILURES, PLACE_BYTES, PLACES, PRESENCE, EventQueue

BOB = Peer(2, "bob")
FAILED = MessageFailed(BOB, SignalingError("no"), None)


def message(size: int = 1) -> MessageReceived:
    return MessageReceived(BOB, bytes(size))


def everything(_: object) -> bool:
    return True


def nothing(_: object) -> bool:
    return False


def full() -> EventQueue:
    queue = EventQueue([2])
    for _ in range(PLACES):
        assert queue.put(message()) is None
    return queue


async def test_what_is_taken_out_leaves_its_place() -> None:
    queue = full()
    assert queue.put(message()) is not None
    assert queue.take(nothing) == []
    assert len(queue.take(everything)) == PLACES + 1
    for _ in range(PLACES):
        assert queue.put(message()) is None
    assert queue.put(message()) is not None
    assert len(queue.take_placed()) == PLACES
    # The one that waited has a place by that.
    assert queue.take_placed() == [message()]
    assert queue.put(message(PLACE_BYTES)) is None
    assert queue.put(message()) is not None


async def test_what_waits_and_is_not_wanted_goes_on_waiting_in_its_order() -> None:
    queue = full()
    waiting = [queue.put(message(size)) for size in (2, 3, 4, 5)]
    assert queue.take(lambda event: event in (message(3), message(5))) == [waiting[1], waiting[3]]
    assert len(queue.take_placed()) == PLACES
    assert queue.take_placed() == [message(2), message(4)]


async def test_what_is_put_back_has_its_place_again() -> None:
    queue = full()
    event = await queue.get()
    assert queue.put(message(2)) is None
    queue.put_back(event)
    assert queue.put(message()) is not None
    assert await queue.get() == event
    assert queue.missed == 0


async def test_failures_are_counted_while_they_wait() -> None:
    queue = EventQueue([])
    for _ in range(FAILURES):
        queue.put(FAILED)
    assert queue.missed == 0
    queue.put(FAILED)
    assert queue.missed == 1
    assert await queue.get() == FAILED
    queue.put(FAILED)
    assert queue.missed == 1
    queue.put(FAILED)
    assert queue.missed == 2
    assert queue.take_placed().count(EventsDropped(2)) == 1
    assert queue.missed == 0
    for _ in range(FAILURES):
        queue.put(FAILED)
    assert queue.missed == 0


async def test_all_that_is_there_is_looked_through_seldom() -> None:
    # As often as it has doubled: looking through it takes as long as there is of it.
    queue = EventQueue(range(10 * PRESENCE))
    over = []
    for number in range(4 * PRESENCE + 4):
        queue.put(PeerJoined(Peer(number, "x")))
        if queue._condense_over not in over:
            over.append(queue._condense_over)
    assert over == [PRESENCE, 2 * (PRESENCE + 1), 2 * (2 * (PRESENCE + 1) + 1)]
    assert len(queue.take_placed()) == 4 * PRESENCE + 4
    assert queue._presence == 0


async def test_the_end_comes_after_all_that_is_there_and_to_all_who_wait() -> None:
    queue = EventQueue([2])
    lost = SignalingLost("gone")
    ended = 0

    async def wait() -> None:
        nonlocal ended
        with pytest.raises(SignalingLost, match="gone"):
            await queue.get()
        ended += 1

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            queue.lose(lost)
    assert ended == 3
    queue.put(message())
    assert await queue.get() == message()
    await wait()

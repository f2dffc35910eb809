"""The ends of a channel: in order, with its connection, and before it has begun."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import CallError
from trio_rtc.rtc import open_peer_connection

from ..pairs import Peer, negotiate, open_channels, open_pair
from ..virtual import in_virtual_time

MESSAGES: list[str | bytes] = ["hello", b"\x00\xff", "", b"", "x"]


@pytest.mark.parametrize("closer", ["opener", "other"])
@in_virtual_time
async def test_closing(closer: str) -> None:
    async with open_channels() as (ours, theirs, _, _):
        near, far = (ours, theirs) if closer == "opener" else (theirs, ours)
        await near.send("last words")
        await near.aclose()
        assert near.closed
        for _ in range(2):
            with pytest.raises(trio.ClosedResourceError):
                await near.send("more")
            with pytest.raises(trio.ClosedResourceError):
                await near.receive()
            with pytest.raises(trio.ClosedResourceError):
                await near.wait_open()
        assert await far.receive() == "last words"
        for _ in range(2):
            with pytest.raises(trio.EndOfChannel):
                await far.receive()
        assert far.closed
        with pytest.raises(trio.BrokenResourceError):
            await far.send("more")
        with pytest.raises(trio.BrokenResourceError):
            await far.wait_open()
        await near.aclose()
        await far.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await far.receive()


@in_virtual_time
async def test_both_close_at_once() -> None:
    async with open_channels() as (ours, theirs, _, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.aclose)
            nursery.start_soon(theirs.aclose)
        assert ours.closed
        assert theirs.closed


@in_virtual_time
async def test_closing_wakes_our_own_tasks() -> None:
    async def fails(method: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await method()

    async with open_channels() as (ours, _, _, _), trio.open_nursery() as nursery:
        nursery.start_soon(fails, ours.receive)
        await wait_all_tasks_blocked()
        await ours.aclose()


@in_virtual_time
async def test_closed_before_it_is_open() -> None:
    async def fails(method: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await method()

    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            first = await alice.connection.create_data_channel("first")
            second = await alice.connection.create_data_channel("second")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails, first.wait_open)
                nursery.start_soon(fails, lambda: first.send("hello"))
                nursery.start_soon(fails, first.receive)
                await wait_all_tasks_blocked()
                await first.aclose()
            await negotiate(alice, bob)
            await second.wait_open()
            assert (await bob.channels.receive()).label == "second"


@in_virtual_time
async def test_a_channel_is_a_context_manager_and_an_iterator() -> None:
    async with open_channels() as (ours, theirs, _, _):
        async with ours:
            for message in MESSAGES:
                await ours.send(message)
        assert [message async for message in theirs] == MESSAGES


@in_virtual_time
async def test_an_id_is_free_again_after_closing() -> None:
    async with open_channels(id=10) as (ours, theirs, alice, bob):
        await ours.aclose()
        with pytest.raises(trio.EndOfChannel):
            await theirs.receive()
        again = await alice.connection.create_data_channel("again", id=10)
        await again.send("hello")
        theirs = await bob.channels.receive()
        assert theirs.id == 10
        assert await theirs.receive() == "hello"


@in_virtual_time
async def test_graceful_close_delivers_everything() -> None:
    async with open_channels() as (ours, theirs, _, _):
        for number in range(1000):
            await ours.send(f"{number} " + "x" * 500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.aclose)
            received = [str(message).split()[0] async for message in theirs]
        assert received == [str(number) for number in range(1000)]


@in_virtual_time
async def test_what_was_delivered_outlives_the_connection() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        for number in range(10):
            await ours.send(str(number))
        await theirs.send("all of it?")
        assert await ours.receive() == "all of it?"
        while theirs.statistics().unread_messages < 10:
            await wait_all_tasks_blocked(0.001)
        # Without a word on the channel.
        await alice.connection.aclose()
        await bob.over.wait()
        assert [await theirs.receive() for _ in range(10)] == [str(n) for n in range(10)]
        for _ in range(2):
            with pytest.raises(trio.BrokenResourceError):
                await theirs.receive()
        with pytest.raises(trio.BrokenResourceError):
            await theirs.send("more")
        assert theirs.closed
        await theirs.aclose()


@in_virtual_time
async def test_a_connection_that_closes_ends_its_own_channels() -> None:
    async def is_broken(method: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await method()

    async with open_channels() as (ours, _, alice, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(is_broken, ours.receive)
            await wait_all_tasks_blocked()
            await alice.connection.aclose()
        await is_broken(ours.receive)
        await is_broken(lambda: ours.send("hello"))
        await is_broken(ours.wait_open)
        with pytest.raises(CallError):
            await alice.connection.create_data_channel("more")


@in_virtual_time
async def test_a_channel_that_never_opened_ends_with_the_connection() -> None:
    async def is_broken(method: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await method()

    async with open_peer_connection() as connection:
        channels = [
            await connection.create_data_channel("chat"),
            await connection.create_data_channel("chat", negotiated=True, id=3),
        ]
        async with trio.open_nursery() as nursery:
            for channel in channels:
                nursery.start_soon(is_broken, channel.wait_open)
                nursery.start_soon(is_broken, channel.receive)
                nursery.start_soon(is_broken, lambda channel=channel: channel.send("hello"))
            await wait_all_tasks_blocked()
            await connection.aclose()


@in_virtual_time
async def test_after_the_block() -> None:
    async with open_channels() as (ours, theirs, _, _):
        await theirs.send("late")
        await theirs.aclose()
        while not ours.closed:
            await wait_all_tasks_blocked(0.001)
    assert await ours.receive() == "late"
    with pytest.raises(trio.EndOfChannel):
        await ours.receive()
    await ours.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await ours.send("more")


@in_virtual_time
async def test_cancelled_close() -> None:
    async with open_channels() as (ours, theirs, _, _):
        await ours.send("last words")
        with trio.CancelScope() as scope:
            scope.cancel()
            await ours.aclose()
        assert scope.cancelled_caught
        # It is closed in order nevertheless.
        assert await theirs.receive() == "last words"
        with pytest.raises(trio.EndOfChannel):
            await theirs.receive()
        with pytest.raises(trio.ClosedResourceError):
            await ours.send("more")


@in_virtual_time
async def test_closing_has_a_limit() -> None:
    # Nobody answers the closing of a connection that does not close itself.
    async with open_channels(connection={"close_timeout": 0.05}) as (ours, _, alice, bob):
        await silence(bob)
        with trio.fail_after(20):
            await ours.aclose()
        assert ours.closed
        await silence(alice)


@in_virtual_time
async def test_the_limit_of_closing_is_as_long_as_it_is_set() -> None:
    async with open_channels(connection={"close_timeout": 3600}) as (ours, _, alice, bob):
        await silence(bob)
        with trio.move_on_after(0.1) as patience:
            await ours.aclose()
        assert patience.cancelled_caught
        assert ours.closed
        await silence(alice)


async def silence(peer: Peer) -> None:
    """Let what this side sends be lost."""
    loop_connection = peer.connection._loop_connection

    async def lose() -> None:
        async def nothing(data: bytes, addr: object) -> None:
            pass

        sctp = loop_connection._pc.sctp
        assert sctp is not None
        for protocol in sctp.transport.transport._connection._protocols:
            protocol.send_data = nothing  # type: ignore[method-assign]

    await peer.connection._bridge.run(lose)

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.errors import CallError, MessageTooLarge
from trio_rtc.rtc import DataChannel, open_peer_connection
from trio_rtc.rtc.data_channel import HIGH_WATER, LOW_WATER
from trio_rtc.rtc.loop.channel import LoopChannel

from .pairs import Peer, negotiate, open_channels, open_pair
from .stepping import cancelled_after_each_step

MESSAGES: list[str | bytes] = ["hello", b"\x00\xff", "", b"", "grüße 🌍 \x00", b"x" * 60_000, "x"]


async def test_text_and_binary_both_ways() -> None:
    async with open_channels() as (ours, theirs, _, _):
        for sender, receiver in ((ours, theirs), (theirs, ours)):
            for message in MESSAGES:
                await sender.send(message)
            for message in MESSAGES:
                received = await receiver.receive()
                assert received == message
                assert type(received) is type(message)


@pytest.mark.parametrize(
    ("label", "protocol"), [("", ""), ("grüße 🌍", "протокол"), ("x" * 300, "y")]
)
async def test_what_both_sides_know(label: str, protocol: str) -> None:
    async with open_channels(label, protocol=protocol) as (ours, theirs, _, _):
        for channel in (ours, theirs):
            assert channel.label == label
            assert channel.protocol == protocol
            assert channel.ordered
            assert not channel.negotiated
            assert channel.max_retransmits is None
            assert channel.max_packet_life_time is None
            assert not channel.closed
            assert repr(channel) == f"<DataChannel {label!r} id={ours.id}>"
        assert ours.id == theirs.id
        assert ours.id is not None
        await ours.send("hello")
        assert await theirs.receive() == "hello"


@pytest.mark.parametrize(
    "options",
    [
        {"ordered": False},
        {"ordered": False, "max_retransmits": 0},
        {"max_retransmits": 65535},
        {"max_packet_life_time": 65535},
        {"ordered": False, "max_packet_life_time": 1000},
        {"id": 7},
        {"id": 65533},
    ],
)
async def test_options(options: dict[str, Any]) -> None:
    async with open_channels(**options) as (ours, theirs, _, _):
        for channel in (ours, theirs):
            for name, value in options.items():
                assert getattr(channel, name) == value
        for number in range(20):
            await ours.send(str(number))
        received = {await theirs.receive() for _ in range(20)}
        assert received == {str(number) for number in range(20)}


@pytest.mark.parametrize(
    "options",
    [
        {"max_retransmits": 1, "max_packet_life_time": 1},
        {"max_retransmits": -1},
        {"max_retransmits": 65536},
        {"max_packet_life_time": -1},
        {"max_packet_life_time": 65536},
        {"id": -1},
        {"id": 65535},
        {"negotiated": True},
        {"negotiated": True, "id": 65535},
        {"label": "x" * 65536},
        {"label": "🌍" * 20000},
        {"protocol": "x" * 65536},
        {"label": "\ud800"},
    ],
)
async def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    arguments = {"label": "chat", **options}
    async with open_peer_connection() as connection:
        with pytest.raises(ValueError):  # noqa: PT011
            await connection.create_data_channel(**arguments)


async def test_an_id_that_is_in_use() -> None:
    async with open_peer_connection() as connection:
        await connection.create_data_channel("one", id=3)
        with pytest.raises(ValueError, match="3"):
            await connection.create_data_channel("two", id=3)
        await connection.create_data_channel("one", negotiated=True, id=5)
        with pytest.raises(ValueError, match="5"):
            await connection.create_data_channel("two", negotiated=True, id=5)


async def test_negotiated() -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            options: dict[str, Any] = {"negotiated": True, "id": 5}
            ours = await alice.connection.create_data_channel("x", **options)
            theirs = await bob.connection.create_data_channel("y", **options)
            await negotiate(alice, bob)
            for sender, receiver in ((ours, theirs), (theirs, ours)):
                await sender.wait_open()
                await receiver.wait_open()
                await sender.send("hello")
                assert await receiver.receive() == "hello"
                assert sender.negotiated
                assert sender.id == 5
            # A later one opens at once.
            ours = await alice.connection.create_data_channel("x", negotiated=True, id=6)
            await ours.wait_open()
    assert not [entry for entry in alice.log + bob.log if entry.startswith("channel")]


async def test_sent_at_once() -> None:
    # The first messages come with the channel, and must not be lost while nobody listens.
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            ours = await alice.connection.create_data_channel("chat")
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(ours.send, str(number))
                    await wait_all_tasks_blocked()
                await negotiate(alice, bob)
            theirs = await bob.channels.receive()
            # The answer goes out before anything of ours is read.
            await theirs.send("answer")
            assert await ours.receive() == "answer"
            assert [await theirs.receive() for _ in range(10)] == [str(n) for n in range(10)]


async def test_many_channels() -> None:
    with trio.fail_after(30):
        async with open_channels() as (_, _, alice, bob):
            ours = [await alice.connection.create_data_channel(str(n)) for n in range(20)]
            theirs = [await bob.connection.create_data_channel(str(n)) for n in range(20)]
            for channel in (*ours, *theirs):
                await channel.send(channel.label)
            for peer in (alice, bob):
                for number in range(20):
                    channel = await peer.channels.receive()
                    assert channel.label == str(number)
                    assert await channel.receive() == channel.label
            assert len({channel.id for channel in (*ours, *theirs)}) == 40


@pytest.mark.parametrize("closer", ["opener", "other"])
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


async def test_both_close_at_once() -> None:
    async with open_channels() as (ours, theirs, _, _), trio.open_nursery() as nursery:
        nursery.start_soon(ours.aclose)
        nursery.start_soon(theirs.aclose)


async def test_closing_wakes_our_own_tasks() -> None:
    async def fails(method: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await method()

    async with open_channels() as (ours, _, _, _), trio.open_nursery() as nursery:
        nursery.start_soon(fails, ours.receive)
        await wait_all_tasks_blocked()
        await ours.aclose()


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


async def test_a_channel_is_a_context_manager_and_an_iterator() -> None:
    async with open_channels() as (ours, theirs, _, _):
        async with ours:
            for message in MESSAGES:
                await ours.send(message)
        assert [message async for message in theirs] == MESSAGES


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


async def test_graceful_close_delivers_everything() -> None:
    async with open_channels() as (ours, theirs, _, _):
        for number in range(1000):
            await ours.send(f"{number} " + "x" * 500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.aclose)
            received = [str(message).split()[0] async for message in theirs]
        assert received == [str(number) for number in range(1000)]


async def test_what_was_delivered_outlives_the_connection() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        for number in range(10):
            await ours.send(str(number))
        await theirs.send("all of it?")
        assert await ours.receive() == "all of it?"
        while len(theirs._messages) < 10:
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


async def test_a_message_that_is_too_large() -> None:
    async with open_channels() as (ours, theirs, _, _):
        limit = 262_144
        for message in (b"x" * (limit + 1), "x" * (limit + 1), "🌍" * (limit // 4 + 1)):
            with pytest.raises(MessageTooLarge, match=r"26214[58]") as caught:
                await ours.send(message)
            assert (caught.value.code, caught.value.fault) == ("message_too_large", "local")
        # The channel lives on, and takes the largest.
        await ours.send(b"x" * limit)
        assert await theirs.receive() == b"x" * limit


@pytest.mark.parametrize("value", [None, 1, ["x"], object()])
async def test_what_is_no_message(value: object) -> None:
    async with open_channels() as (ours, theirs, _, _):
        with pytest.raises(TypeError, match=type(value).__name__):
            await ours.send(value)  # type: ignore[arg-type]
        await ours.send("hello")
        assert await theirs.receive() == "hello"


async def test_text_that_cannot_be_encoded() -> None:
    async with open_channels() as (ours, theirs, _, _):
        with pytest.raises(UnicodeEncodeError):
            await ours.send("\ud800")
        await ours.send("hello")
        assert await theirs.receive() == "hello"


async def test_one_receiver_at_a_time() -> None:
    async with open_channels() as (ours, theirs, _, _), trio.open_nursery() as nursery:
        nursery.start_soon(ours.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await ours.receive()
        await theirs.send("hello")


async def test_several_senders() -> None:
    async def send(name: str) -> None:
        for number in range(100):
            await ours.send(f"{name} {number}")

    async with open_channels() as (ours, theirs, _, _):
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(send, name)
            received = [str(await theirs.receive()) for _ in range(300)]
        for name in "abc":
            assert [m for m in received if m.startswith(name)] == [
                f"{name} {n}" for n in range(100)
            ]


class Stalled:
    """A network that takes nothing until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, channel: DataChannel) -> None:
        self.asked = 0
        self.cancelled = 0
        self._channel = channel
        self._waiting = threading.Event()
        self._released = asyncio.Event()
        drained = LoopChannel.drained

        async def stalled(channel: LoopChannel, low: int) -> int:
            self.asked += 1
            self._waiting.set()
            try:
                await self._released.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return await drained(channel, low)

        monkeypatch.setattr(LoopChannel, "drained", stalled)

    async def wait(self) -> None:
        """Wait until somebody waits for it."""
        await trio.to_thread.run_sync(self._waiting.wait)
        await wait_all_tasks_blocked()

    def release(self) -> None:
        self._channel._bridge.call_soon(self._released.set)


async def test_backpressure(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0
    size = 32 * 1024

    async def send() -> None:
        nonlocal sent
        for _ in range(2 * HIGH_WATER // size):
            await ours.send(b"x" * size)
            sent += 1
        await ours.aclose()

    async with open_channels() as (ours, theirs, _, _):
        stalled = Stalled(monkeypatch, ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await stalled.wait()
            assert sent == HIGH_WATER // size
            assert stalled.asked == 1
            stalled.release()
            received = [message async for message in theirs]
        assert len(received) == sent == 2 * HIGH_WATER // size
        assert LOW_WATER < HIGH_WATER


async def test_a_small_message_waits_behind_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels() as (ours, theirs, _, _):
        stalled = Stalled(monkeypatch, ours)
        chunk = b"x" * 200_000
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                await ours.send(chunk)
            nursery.start_soon(ours.send, chunk)
            await stalled.wait()
            nursery.start_soon(ours.send, "small")
            await wait_all_tasks_blocked()
            stalled.release()
            assert [await theirs.receive() for _ in range(6)] == [chunk] * 6
            assert await theirs.receive() == "small"


async def fill(channel: DataChannel) -> None:
    for _ in range(16):
        await channel.send(b"x" * (HIGH_WATER // 16))


async def test_a_send_that_waits_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels() as (ours, theirs, _, _):
        stalled = Stalled(monkeypatch, ours)
        await fill(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send, "cancelled")
            await stalled.wait()
            nursery.cancel_scope.cancel()
        assert stalled.cancelled == 1
        stalled.release()
        await ours.send("next")
        for _ in range(16):
            assert len(await theirs.receive()) == HIGH_WATER // 16
        assert await theirs.receive() == "next"


@pytest.mark.parametrize("end", ["ours", "theirs", "connection"])
async def test_a_send_that_waits_hears_of_the_end(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    expected = trio.ClosedResourceError if end == "ours" else trio.BrokenResourceError

    async def send() -> None:
        with pytest.raises(expected):
            await ours.send("too late")

    async with open_channels() as (ours, theirs, alice, _):
        stalled = Stalled(monkeypatch, ours)
        await fill(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await stalled.wait()
            if end == "ours":
                await ours.aclose()
            elif end == "theirs":
                await theirs.aclose()
            else:
                await alice.connection.aclose()
            while not ours.closed:
                await wait_all_tasks_blocked(0.001)
            stalled.release()


async def test_cancelled_receive_loses_nothing() -> None:
    async with open_channels() as (ours, theirs, _, _):
        received: list[str | bytes] = []
        sent = 0
        for patience in itertools.cycle(range(6)):
            if len(received) == 50:
                break
            if sent < 50:
                await theirs.send(str(sent))
                sent += 1
            with trio.move_on_after(0):
                await ours.receive()
                raise AssertionError("received, though cancelled")
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    async def receive() -> None:
                        received.append(await ours.receive())

                    nursery.start_soon(receive)
                    for _ in range(patience):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
        assert received == [str(number) for number in range(50)]


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


async def test_closing_has_a_limit() -> None:
    # Nobody answers the closing of a connection that does not close itself.
    async with open_channels(connection={"close_timeout": 0.05}) as (ours, _, alice, bob):
        await silence(bob)
        await ours.aclose()
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


async def test_cancelled_at_every_step() -> None:
    async with open_channels() as (_, _, alice, bob):

        async def work() -> None:
            async with await alice.connection.create_data_channel("chat") as ours:
                await ours.send("hello")
                theirs = await bob.channels.receive()
                assert await theirs.receive() == "hello"
                await theirs.send("hello to you")
                assert await ours.receive() == "hello to you"

        async def after() -> None:
            # Those that a cancelled one has left behind.
            await wait_all_tasks_blocked(0.005)
            while True:
                try:
                    bob.channels.receive_nowait()
                except trio.WouldBlock:
                    return

        assert await cancelled_after_each_step(work, after) > 3

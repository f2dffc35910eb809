from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.rtc import open_peer_connection

from ..bridge.stepping import cancelled_after_each_step
from ..pairs import negotiate, open_channels, open_pair
from ..virtual import in_virtual_time

MESSAGES: list[str | bytes] = ["hello", b"\x00\xff", "", b"", "grüße 🌍 \x00", b"x" * 60_000, "x"]


@in_virtual_time
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
@in_virtual_time
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
@in_virtual_time
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
@in_virtual_time
async def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    arguments = {"label": "chat", **options}
    async with open_peer_connection() as connection:
        with pytest.raises(ValueError):  # noqa: PT011
            await connection.create_data_channel(**arguments)


@pytest.mark.parametrize(
    "options",
    [{"id": 3.0}, {"id": "3"}, {"max_retransmits": 1.5}, {"label": b"x"}, {"protocol": None}],
)
@in_virtual_time
async def test_options_of_other_types(options: dict[str, Any]) -> None:
    arguments = {"label": "chat", **options}
    async with open_peer_connection() as connection:
        with pytest.raises(TypeError, match=next(iter(options))):
            await connection.create_data_channel(**arguments)


@in_virtual_time
async def test_an_id_that_is_in_use() -> None:
    async with open_peer_connection() as connection:
        await connection.create_data_channel("one", id=3)
        with pytest.raises(ValueError, match="3"):
            await connection.create_data_channel("two", id=3)
        await connection.create_data_channel("one", negotiated=True, id=5)
        with pytest.raises(ValueError, match="5"):
            await connection.create_data_channel("two", negotiated=True, id=5)


@in_virtual_time
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


@in_virtual_time
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


@in_virtual_time
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


@pytest.mark.parametrize("value", [None, 1, ["x"], object()])
@in_virtual_time
async def test_what_is_no_message(value: object) -> None:
    async with open_channels() as (ours, theirs, _, _):
        with pytest.raises(TypeError, match=type(value).__name__):
            await ours.send(value)  # type: ignore[arg-type]
        await ours.send("hello")
        assert await theirs.receive() == "hello"


@in_virtual_time
async def test_text_that_cannot_be_encoded() -> None:
    async with open_channels() as (ours, theirs, _, _):
        with pytest.raises(UnicodeEncodeError):
            await ours.send("\ud800")
        await ours.send("hello")
        assert await theirs.receive() == "hello"


@in_virtual_time
async def test_one_receiver_at_a_time() -> None:
    async with open_channels() as (ours, theirs, _, _), trio.open_nursery() as nursery:
        nursery.start_soon(ours.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await ours.receive()
        await theirs.send("hello")


@in_virtual_time
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


@in_virtual_time
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


@in_virtual_time
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

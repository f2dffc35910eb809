"""What becomes of messages that a program does not take, over the real server."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
import trio.lowlevel
from trio_websocket import ConnectionClosed

from tests.server.harness import tcp_server
from trio_rtc import open_call, serve_calls
from trio_rtc.calls.call import Call
from trio_rtc.errors import SignalingError, SignalingLost
from trio_rtc.server import ServerLimits
from trio_rtc.signaling import (
    EventsDropped,
    MessageFailed,
    MessageReceived,
    Signaling,
    event_queue,
    open_signaling,
)
from trio_rtc.signaling import client_session as session

from .proxy import open_proxy
from .scripted_native import native_script
from .test_native import left, next_message

FAST = ServerLimits(messages_per_second=100_000, messages_burst=100_000, mailbox_messages=200)


@pytest.fixture(autouse=True)
def _few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_queue, "PLACES", 20)


class Account:
    """What has become of the messages of one peer to another.

    Attributes:
        sent: their numbers, in order, as `send` has told them.
        received: which have come.
        failed: which have not, as the sender was told.
        dropped: how many of these the receiver was told of.
    """

    def __init__(self, count: int) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []
        self.failed: list[int] = []
        self.dropped = 0
        self._count = count
        self.complete = trio.Event()

    async def send(self, sender: Signaling, to: str) -> None:
        for index in range(self._count):
            self.sent.append(await sender.send(to, str(index)))

    async def receive(self, receiver: Signaling) -> None:
        async for event in receiver:
            if isinstance(event, EventsDropped):
                self.dropped += event.count
            elif isinstance(event, MessageReceived) and event.data.isdigit():
                self.received.append(self.sent[int(event.data)])
                self._look()

    async def hear_failures(self, sender: Signaling) -> None:
        async for event in sender:
            if isinstance(event, MessageFailed):
                assert event.error.code == "mailbox_full"
                assert event.number is not None
                self.failed.append(event.number)
                self._look()

    def _look(self) -> None:
        if len(self.received) + len(self.failed) >= self._count:
            self.complete.set()


@pytest.mark.parametrize("count", [150, 600])
async def test_each_message_to_one_who_does_not_look_comes_or_fails(count: int) -> None:
    async with (
        tcp_server(limits=FAST) as port,
        open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob,
        open_signaling(f"ws://127.0.0.1:{port}", name="alice") as alice,
        trio.open_nursery() as nursery,
    ):
        account = Account(count)
        await account.send(alice, "bob")
        nursery.start_soon(account.receive, bob)
        nursery.start_soon(account.hear_failures, alice)
        await account.complete.wait()
        assert account.received == sorted(account.received)
        assert sorted(account.received + account.failed) == account.sent
        assert bool(account.failed) == (count == 600)
        assert account.dropped <= len(account.failed)
        nursery.cancel_scope.cancel()


async def test_a_consumer_that_takes_its_time_misses_nothing() -> None:
    async with (
        tcp_server() as port,
        open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob,
        open_signaling(f"ws://127.0.0.1:{port}", name="alice") as alice,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(Account(1000).send, alice, "bob")
        for number in range(1000):
            assert await next_message(bob) == str(number).encode()
            await trio.lowlevel.checkpoint()


async def test_one_who_only_takes_calls_can_be_called_whatever_else_is_said() -> None:
    async with (
        tcp_server(limits=FAST) as port,
        open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob,
        open_signaling(f"ws://127.0.0.1:{port}", name="alice") as alice,
        trio.open_nursery() as nursery,
    ):

        async def stay(call: Call) -> None:
            await call.wait_ended()

        await nursery.start(serve_calls, stay, bob)
        account = Account(600)
        await account.send(alice, "bob")
        async with open_call(alice, "bob") as call:
            # Also while it is in a call.
            await alice.send("bob", "one more")
            assert await call.open_channel("chat")
        # It may look later, and finds what there was a place for.
        nursery.start_soon(account.hear_failures, alice)
        nursery.start_soon(account.receive, bob)
        await account.complete.wait()
        nursery.cancel_scope.cancel()


async def test_a_failure_tells_which_message_it_was() -> None:
    async with (
        tcp_server() as port,
        open_proxy(port) as (proxy, far),
        open_signaling(f"ws://127.0.0.1:{far}", name="alice") as alice,
        open_signaling(f"ws://127.0.0.1:{port}", name="carol") as carol,
    ):
        async with open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob:
            peer = await alice.wait_for_peer("bob")
            numbers = [await alice.send(peer, "here")]
            assert await next_message(bob) == b"here"
            proxy.up = False
            proxy.cut()
            numbers += [await alice.send(peer, text) for text in ("are you", "there?")]
        await left(carol, "bob")
        proxy.up = True
        failed: list[tuple[int | None, str]] = []
        while len(failed) < 2:
            event = await anext(alice)
            if isinstance(event, MessageFailed):
                failed.append((event.number, event.error.code))
        assert failed == [(number, "unknown_peer") for number in numbers[1:]]
        assert numbers == sorted(set(numbers))


async def test_nothing_is_acknowledged_for_which_there_is_no_place() -> None:
    async with native_script() as server, trio.open_nursery() as nursery:
        acknowledged = 0
        told = trio.lowlevel.ParkingLot()

        async def play() -> None:
            nonlocal acknowledged
            guest = await server.guest()
            await guest.welcome()
            for seq in range(1, 101):
                await guest.say(type="message", seq=seq, **{"from": 2}, data=str(seq))
            while True:
                message = await guest.hear()
                assert message["type"] == "ack"
                acknowledged = message["received"]
                told.unpark_all()

        nursery.start_soon(play)
        async with open_signaling(server.url, name="alice") as alice:
            while acknowledged < 20:
                await told.park()
            assert acknowledged == 20
            for seq in range(1, 101):
                assert await next_message(alice) == str(seq).encode()
            while acknowledged < 100:
                await told.park()
            nursery.cancel_scope.cancel()


async def test_a_server_that_sends_on_and_on_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELD_MESSAGES", 50)
    async with native_script() as server, trio.open_nursery() as nursery:

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            with suppress(ConnectionClosed):
                for seq in range(1, 200):
                    await guest.say(type="message", seq=seq, **{"from": 2}, data=str(seq))

        nursery.start_soon(play)
        async with open_signaling(server.url, name="alice") as alice:
            with pytest.raises(SignalingLost, match="51 messages wait") as raised:
                await alice.wait_for_peer("bob")
            assert raised.value.code == "bad_message"
            for seq in range(1, 71):
                assert await next_message(alice) == str(seq).encode()
        nursery.cancel_scope.cancel()


async def test_a_classic_client_does_not_ask_for_more_than_it_has_place_for() -> None:
    limits = ServerLimits(messages_per_second=100_000, messages_burst=100_000, mailbox_messages=30)
    async with (
        tcp_server(limits=limits) as port,
        open_signaling(f"http://127.0.0.1:{port}", name="bob") as bob,
        open_signaling(f"http://127.0.0.1:{port}", name="alice") as alice,
    ):
        await alice.wait_for_peer("bob")
        accepted = []
        for number in range(100):
            with suppress(SignalingError):
                await alice.send("bob", str(number))
                accepted.append(str(number).encode())
        assert len(accepted) < 100
        for data in accepted:
            assert await next_message(bob) == data

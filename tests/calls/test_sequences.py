"""The orders in which a classic peer's messages may come, with a real connection behind them.

The peer is written out here step by step, as the original's callbacks have it: what it sends, and
when, is up to each test. It knows nothing of call ids, and never tells the end of its candidates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.errors import CallError
from trio_rtc.rtc import (
    ConnectionStateEvent,
    DataChannel,
    DataChannelEvent,
    IceCandidateEvent,
    PeerConnection,
    open_peer_connection,
)
from trio_rtc.signaling import MessageReceived, Peer, Signaling
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.messages import Bye, IceCandidate, Message, SessionDescription, decode, encode

from ..rtc.virtual import in_virtual_time


class ClassicPeer:
    """One side of a call, by hand."""

    def __init__(self, signaling: Signaling, connection: PeerConnection):
        self.signaling = signaling
        self.connection = connection
        self.other = Peer(0, "")
        self.candidates: list[IceCandidate] = []
        self.gathered = trio.Event()
        self.connected = trio.Event()
        self.closed = trio.Event()
        self._channels, self.channels = trio.open_memory_channel[DataChannel](10)

    async def watch(self) -> None:
        async for event in self.connection:
            match event:
                case IceCandidateEvent(candidate) if candidate.is_end:
                    self.gathered.set()
                case IceCandidateEvent(candidate):
                    self.candidates.append(candidate)
                case DataChannelEvent(channel):
                    self._channels.send_nowait(channel)
                case ConnectionStateEvent("connected"):
                    self.connected.set()
        self.closed.set()

    async def send(self, message: SessionDescription | IceCandidate | Bye) -> None:
        await self.signaling.send(self.other, encode(message))

    async def send_candidates(self) -> None:
        await self.gathered.wait()
        for candidate in self.candidates:
            await self.send(candidate)

    async def hear(self) -> Message:
        """The next message that concerns the call."""
        async for event in self.signaling:
            if isinstance(event, MessageReceived):
                self.other = event.peer
                return decode(event.data)
        raise AssertionError

    async def hear_description(self) -> SessionDescription:
        message = await self.hear()
        assert isinstance(message, SessionDescription)
        await self.connection.set_remote_description(message)
        return message

    async def hear_candidates(self) -> None:
        """Apply the other side's candidates as they come, and the end of them."""
        while True:
            message = await self.hear()
            assert isinstance(message, IceCandidate)
            await self.connection.add_ice_candidate(message)
            if message.is_end:
                return

    async def describe(self) -> SessionDescription:
        return await self.connection.set_local_description()


@asynccontextmanager
async def classic_peer(hub: MemoryHub, name: str) -> AsyncIterator[ClassicPeer]:
    async with open_peer_connection() as connection, trio.open_nursery() as nursery:
        peer = ClassicPeer(hub.sign_in(name), connection)
        nursery.start_soon(peer.watch)
        yield peer
        nursery.cancel_scope.cancel()


async def chat(call: Call, peer: ClassicPeer) -> None:
    """A message each way, on a channel of ours."""
    channel = await call.open_channel("chat")
    theirs = await peer.channels.receive()
    await channel.send("ping")
    assert await theirs.receive() == "ping"
    await theirs.send("pong")
    assert await channel.receive() == "pong"


@pytest.mark.parametrize("order", ["answer first", "candidates first", "answer in between"])
@in_virtual_time
async def test_we_call_and_its_messages_come_in_any_order(order: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")

    async def callee(peer: ClassicPeer) -> None:
        offer = await peer.hear_description()
        assert offer.type == "offer"
        # One generation's candidates travel after their description, and on their own.
        assert "a=candidate" not in offer.sdp
        assert "a=ice-options:trickle" in offer.sdp
        answer = await peer.describe()
        if order == "answer first":
            await peer.send(answer)
            await peer.send_candidates()
        elif order == "candidates first":
            await peer.send_candidates()
            await peer.send(answer)
        else:
            await peer.gathered.wait()
            await peer.send(peer.candidates[0])
            await peer.send(answer)
            for candidate in peer.candidates[1:]:
                await peer.send(candidate)
        await peer.hear_candidates()

    async with classic_peer(hub, "cpp") as peer, trio.open_nursery() as nursery:
        nursery.start_soon(callee, peer)
        async with open_call(alice, "cpp") as call:
            await chat(call, peer)
        # The goodbye that every client knows.
        assert await peer.hear() == Bye()
    assert hub.log[-1] == "alice bye"


async def serve_one(bob: Signaling, calls: list[Call], task_status: trio.TaskStatus[None]) -> None:
    async def handle(call: Call) -> None:
        calls.append(call)
        await call.wait_ended()

    await serve_calls(handle, bob, task_status=task_status)


@pytest.mark.parametrize("order", ["offer first", "candidates first"])
@in_virtual_time
async def test_it_calls_us_and_its_messages_come_in_any_order(order: str) -> None:
    hub = MemoryHub()
    bob = hub.sign_in("bob")
    calls: list[Call] = []
    async with classic_peer(hub, "cpp") as peer, trio.open_nursery() as nursery:
        await nursery.start(serve_one, bob, calls)
        peer.other = Peer(bob.peer_id, "bob")
        channel = await peer.connection.create_data_channel("from cpp")
        offer = await peer.describe()
        if order == "offer first":
            await peer.send(offer)
            await peer.send_candidates()
        else:
            await peer.send_candidates()
            await peer.send(offer)
        answer = await peer.hear_description()
        assert answer.type == "answer"
        # A peer without call ids is answered without.
        assert answer.call is None
        await peer.hear_candidates()
        await channel.send("hello")
        while not calls:
            await wait_all_tasks_blocked(0.01)
        ours = await calls[0].channels.receive()
        assert (ours.label, await ours.receive()) == ("from cpp", "hello")

        await peer.send(Bye())
        assert (await calls[0].wait_ended()).reason == "peer_hung_up"
        # It has said goodbye: an end in order, though it has closed no channel.
        with pytest.raises(trio.EndOfChannel):
            await ours.receive()
        # Our side closes its connection without being asked, and without a goodbye of its own.
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
            await channel.receive()
        assert "bob bye" not in hub.log
        # What comes after the end is dropped, and the next offer is taken up.
        for candidate in peer.candidates:
            await peer.send(candidate)
        await wait_all_tasks_blocked(0.05)
        assert len(calls) == 1
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_late_candidates_do_not_reach_the_next_call() -> None:
    hub = MemoryHub()
    bob = hub.sign_in("bob")
    calls: list[Call] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_one, bob, calls)
        for number in range(3):
            async with classic_peer(hub, "cpp") as peer:
                peer.other = Peer(bob.peer_id, "bob")
                await peer.connection.create_data_channel("x")
                await peer.send(await peer.describe())
                await peer.send_candidates()
                await peer.hear_description()
                await peer.hear_candidates()
                await peer.connected.wait()
                while len(calls) <= number:
                    await wait_all_tasks_blocked(0.01)
                await peer.send(Bye())
                # Late, and of a generation that is over.
                await peer.send_candidates()
                await peer.send(IceCandidate(candidate="", sdp_mid="0", sdp_m_line_index=0))
            assert (await calls[number].wait_ended()).reason == "peer_hung_up"
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_peer_that_hangs_up_before_it_is_connected() -> None:
    hub = MemoryHub()
    bob = hub.sign_in("bob")
    calls: list[Call] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_one, bob, calls)
        for _ in range(3):
            async with classic_peer(hub, "cpp") as peer:
                peer.other = Peer(bob.peer_id, "bob")
                await peer.connection.create_data_channel("x")
                await peer.send(await peer.describe())
                await peer.send(Bye())
                await wait_all_tasks_blocked(0.05)
        assert calls == []
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_peer_whose_candidates_lead_nowhere() -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")

    async def callee(peer: ClassicPeer) -> None:
        await peer.hear_description()
        await peer.send(await peer.describe())
        # An address for documentation, behind which nobody is; then nothing more.
        nowhere = "candidate:1 1 udp 2130706431 203.0.113.7 9 typ host"
        await peer.send(IceCandidate(candidate=nowhere, sdp_mid="0", sdp_m_line_index=0))

    async with classic_peer(hub, "cpp") as peer, trio.open_nursery() as nursery:
        nursery.start_soon(callee, peer)
        with pytest.raises(CallError) as caught:
            async with open_call(alice, "cpp", connect_timeout=1.5):
                raise AssertionError("connected")
        assert caught.value.code == "connect_timeout"
        while not isinstance(await peer.hear(), Bye):
            pass

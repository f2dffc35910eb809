"""Calls with libdatachannel, werift and GStreamer, which share no code with us or a browser."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trio_rtc import DataChannel, MessageTooLarge, open_call
from trio_rtc.signaling import Peer
from trio_rtc.testing import MemoryHub, describe

from .foreign import called_by, open_foreign

with_each = pytest.mark.parametrize("stack", ["libdatachannel", "werift", "webrtcbin"])


async def echoes(channel: DataChannel) -> None:
    for message in ("still there?", "é😀", b"\x00\xff", bytes(60_000)):
        await channel.send(message)
        assert await channel.receive() == message


@with_each
async def test_we_call(stack: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with open_foreign(hub, stack, "alice") as foreign:
        async with open_call(alice, stack) as call:
            async with await call.open_channel("echo", protocol="pröto") as ours:
                await foreign.event("channel", label="echo", protocol="pröto")
                await echoes(ours)
                for number in range(200):
                    await ours.send(f"message {number}")
                for number in range(200):
                    assert await ours.receive() == f"message {number}"
            await foreign.event("closed", label="echo")

            await foreign.do("open", label="another")
            theirs = await anext(aiter(call.channels))
            assert theirs.label == "another"
            await foreign.event("channel", label="another")
            await foreign.do("send", label="another", text="from the other side")
            assert await theirs.receive() == "from the other side"
            await foreign.do("close channel", label="another")
            with pytest.raises(trio.EndOfChannel):
                await theirs.receive()
            await theirs.aclose()

            stats = await call.stats()
            assert stats.state == "connected"
            assert stats.local_candidate is not None
            assert stats.remote_candidate is not None
        await foreign.event("bye")


@with_each
async def test_it_calls(stack: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with open_foreign(hub, stack, "alice") as foreign:
        async with called_by(foreign, alice) as call:
            theirs = await anext(aiter(call.channels))
            await echoes(theirs)
            async with await call.open_channel("echo too") as ours:
                await echoes(ours)
        await foreign.event("bye")


@with_each
async def test_a_message_over_its_limit(stack: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with (
        open_foreign(hub, stack, "alice"),
        open_call(alice, stack) as call,
        await call.open_channel("echo") as channel,
    ):
        await echoes(channel)
        with pytest.raises(MessageTooLarge, match=str(channel.max_message_size)):
            await channel.send(bytes(int(channel.max_message_size) + 1))
        await echoes(channel)


@with_each
async def test_it_closes_without_a_word(stack: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    # GStreamer tells nobody, on no way.
    silent = stack == "webrtcbin"
    options: dict[str, Any] = {"silence_timeout": 0.5, "restart_timeout": 0} if silent else {}
    async with (
        open_foreign(hub, stack, "alice") as foreign,
        called_by(foreign, alice, **options) as call,
    ):
        channel = await anext(aiter(call.channels))
        await foreign.event("channel", label="echo")
        await foreign.do("send", label="echo", text="last words")
        assert await channel.receive() == "last words"
        await foreign.do("close")
        # libdatachannel ends in order what has been acknowledged by then.
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
            await channel.receive()
        end = await call.wait_ended()
        assert end.reason == ("connection_lost" if silent else "connection_closed")


@pytest.mark.parametrize("stack", ["libwebrtc", "webrtcbin"])
async def test_both_call_at_once(stack: str) -> None:
    """One takes its offer back when it gets ours, and the other cannot."""
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    offered = {name: trio.Event() for name in ("alice", stack)}

    async def meet(sender: Peer, data: bytes) -> None:
        if describe(data) == "offer" and not offered[sender.name].is_set():
            offered[sender.name].set()
            for event in offered.values():
                await event.wait()

    hub.delay = meet
    async with open_foreign(hub, stack, "alice") as foreign:
        foreign.may_complain = True
        await foreign.do("call", media=[])
        async with (
            open_call(alice, stack, receive=()) as call,
            await call.open_channel("echo too") as ours,
        ):
            await echoes(ours)
        await foreign.event("bye")


async def test_we_restart() -> None:
    # The others do not restart ICE, and werift loses its own way when it asks for that itself.
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with (
        open_foreign(hub, "werift", "alice"),
        open_call(alice, "werift") as call,
        await call.open_channel("echo") as channel,
    ):
        for _ in range(2):
            await echoes(channel)
            await call.restart()
        await echoes(channel)


async def test_a_restart_whose_candidates_are_late() -> None:
    """As those of a slow server are, and checks are not: libwebrtc has called us, and nominates."""
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    restarted = trio.Event()

    async def hold(sender: Peer, data: bytes) -> None:
        if sender.name == "alice" and describe(data) == "candidate":
            await restarted.wait()

    async with (
        open_foreign(hub, "libwebrtc", "alice") as foreign,
        called_by(foreign, alice) as call,
        await call.open_channel("echo") as channel,
    ):
        hub.delay = hold
        for _ in range(3):
            with trio.fail_after(200):
                await call.restart()
            await channel.send("still there?")
            assert await channel.receive() == "still there?"
        restarted.set()

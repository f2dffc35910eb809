"""Calls between two of ours, with signaling in memory: mostly in virtual time."""

from __future__ import annotations

import logging
import re
from functools import partial
from itertools import groupby
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.calls import hang_up
from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.calls.options import CallStep
from trio_rtc.errors import (
    CallError,
    MessageTooLarge,
    NegotiationError,
    SignalingError,
    SignalingLost,
    UnknownPeer,
)
from trio_rtc.rtc import Kind, open_media
from trio_rtc.signaling import MessageReceived, Peer, PeerJoined, Signaling
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.messages import SessionDescription, encode

from ..rtc.virtual import in_virtual_time
from .both_sides import open_both


async def echo(call: Call) -> None:
    async for channel in call.channels:
        async for message in channel:
            await channel.send(message)


def pair() -> tuple[MemoryHub, Signaling, Signaling]:
    hub = MemoryHub()
    return hub, hub.sign_in("alice"), hub.sign_in("bob")


def in_short(log: list[str]) -> list[str]:
    """A log with runs of one entry as one."""
    return [entry for entry, _ in groupby(log)]


async def test_a_call_step_by_step() -> None:
    hub, alice, bob = pair()
    steps: dict[str, list[str]] = {"alice": [], "bob": []}
    over = {who: trio.Event() for who in steps}

    def tracer(who: str) -> Any:
        def trace(step: CallStep) -> None:
            name = step.name
            if name.startswith("candidate") and not step.candidate:
                name = name.replace("candidate", "end")  # type: ignore[assignment]
            steps[who].append(name)
            if name == "ended":
                over[who].set()

        return trace

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(echo, bob, trace=tracer("bob"), task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with open_call(alice, "bob", trace=tracer("alice")) as call:
            assert call.peer == Peer(2, "bob")
            assert call.setup_seconds > 0
            async with await call.open_channel("chat") as channel:
                await channel.send("hello")
                assert await channel.receive() == "hello"
                await channel.send(b"\x00\xff")
                assert await channel.receive() == b"\x00\xff"
        assert call.end is not None
        assert str(call.end) == "hung_up"
        for ended in over.values():
            await ended.wait()
        nursery.cancel_scope.cancel()

    of_alice = [entry for entry in in_short(hub.log) if entry.startswith("alice")]
    of_bob = [entry for entry in in_short(hub.log) if entry.startswith("bob")]
    assert of_alice == ["alice offer", "alice candidate", "alice end", "alice bye"]
    assert of_bob == ["bob answer", "bob candidate", "bob end"]
    assert hub.log.index("bob answer") > hub.log.index("alice offer")
    # Each side's own order: the description, the candidates, their end.
    assert in_short([s for s in steps["alice"] if s.endswith("_sent")]) == [
        "offer_sent",
        "candidate_sent",
        "end_sent",
    ]
    assert in_short([s for s in steps["bob"] if s.endswith("_received")]) == [
        "offer_received",
        "candidate_received",
        "end_received",
    ]
    for who in steps:
        assert steps[who][-1] == "ended"
        assert "connected" in steps[who]
    assert steps["bob"][0] == "offer_received"
    assert steps["alice"][0] == "offer_sent"
    assert steps["alice"].index("answer_received") < steps["alice"].index("candidate_received")


@in_virtual_time
async def test_several_calls_at_once_and_after_each_other() -> None:
    hub, alice, bob = pair()
    carol = hub.sign_in("carol")

    async def call_bob(caller: Signaling, text: str) -> None:
        for number in range(2):
            async with open_call(caller, "bob") as call:
                channel = await call.open_channel("chat")
                await channel.send(f"{text} {number}")
                assert await channel.receive() == f"{text} {number}"

    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        async with trio.open_nursery() as callers:
            callers.start_soon(call_bob, alice, "alice")
            callers.start_soon(call_bob, carol, "carol")
        nursery.cancel_scope.cancel()


async def serve_echo(bob: Signaling, task_status: trio.TaskStatus[None]) -> None:
    await serve_calls(echo, bob, task_status=task_status)


@in_virtual_time
async def test_hang_up_delivers_everything_and_tells_the_reason() -> None:
    _, alice, bob = pair()
    received: list[str | bytes] = []
    ends: list[str] = []

    async def collect(call: Call) -> None:
        async for channel in call.channels:
            received.extend([message async for message in channel])
        ends.append(str(await call.wait_ended()))
        done.set()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(collect, bob, task_status=task_status)

    done = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with open_call(alice, "bob") as call:
            channel = await call.open_channel("data")
            for number in range(500):
                await channel.send(f"{number} " + "x" * 1000)
            await call.hang_up("that is all")
            assert str(call.end) == "hung_up: that is all"
            with pytest.raises(CallError, match="over") as caught:
                await call.open_channel("more")
            assert caught.value.code == "call_ended"
            await call.hang_up()
        await done.wait()
        nursery.cancel_scope.cancel()
    assert [str(message).split()[0] for message in received] == [str(n) for n in range(500)]
    assert ends == ["peer_hung_up: that is all"]


@in_virtual_time
async def test_a_reason_that_the_server_does_not_take_is_left_out() -> None:
    async with open_both() as ends:
        send = ends.alice_signaling._transport_send

        async def send_up_to_1000(to: int, data: bytes) -> int:
            if len(data) > 1000:
                raise MessageTooLarge("it is too large")
            return await send(to, data)

        ends.alice_signaling._transport_send = send_up_to_1000
        await ends.alice.hang_up("because " * 1000)
        assert str(await ends.bob.wait_ended()) == "peer_hung_up"


@in_virtual_time
async def test_a_reason_that_is_no_text_ends_nothing() -> None:
    async with open_both() as ends:
        with pytest.raises(UnicodeEncodeError):
            await ends.alice.hang_up("\ud800")
        channel = await ends.alice.open_channel("chat")
        await channel.send("still here")
        await ends.alice.hang_up("bye")
        assert str(await ends.bob.wait_ended()) == "peer_hung_up: bye"


@in_virtual_time
async def test_the_callee_hangs_up() -> None:
    _, alice, bob = pair()

    async def greet(call: Call) -> None:
        channel = await call.open_channel("greeting")
        await channel.send("hello")
        await call.hang_up("busy")

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(greet, bob, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with open_call(alice, "bob") as call:
            messages = [message async for channel in call.channels async for message in channel]
            assert messages == ["hello"]
            assert str(await call.wait_ended()) == "peer_hung_up: busy"
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_both_call_at_once_and_get_one_call() -> None:
    hub, alice, bob = pair()
    crossed = trio.Event()

    async def cross(sender: Peer, data: bytes) -> None:
        # Neither offer arrives before both are sent.
        if {"alice offer", "bob offer"} <= set(hub.log):
            crossed.set()
        await crossed.wait()

    hub.delay = cross

    async def call(own: Signaling, other: str) -> None:
        async with open_call(own, other) as call:
            channel = await call.open_channel(f"from {own.name}")
            await channel.send("hi")
            theirs = await anext(aiter(call.channels))
            assert theirs.label == f"from {other}"
            assert await theirs.receive() == "hi"
            done[own.name].set()
            await done[other].wait()

    done = {"alice": trio.Event(), "bob": trio.Event()}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, alice, "bob")
        nursery.start_soon(call, bob, "alice")
    assert sum(entry.endswith("answer") for entry in hub.log) == 1


@in_virtual_time
async def test_who_is_called_already_and_calls_back_gets_that_call() -> None:
    hub, alice, bob = pair()

    async def call_later() -> None:
        await hub.wait_for("alice end")
        async with open_call(bob, "alice") as call:
            channel = await anext(aiter(call.channels))
            await channel.send("here I am")
            await call.wait_ended()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call_later)
        async with open_call(alice, "bob") as call:
            channel = await call.open_channel("chat")
            assert await channel.receive() == "here I am"
    assert "bob offer" not in hub.log


@pytest.mark.parametrize("steps", range(8))
@in_virtual_time
async def test_who_takes_calls_calls_back_at_any_step(steps: int) -> None:
    hub, alice, bob = pair()
    refused: list[str] = []

    async def call_back() -> None:
        await hub.wait_for("alice offer")
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        try:
            async with open_call(bob, "alice") as call:
                await echo(call)
        except SignalingError as error:
            refused.append(error.code)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        nursery.start_soon(call_back)
        async with open_call(alice, "bob") as call:
            channel = await call.open_channel("chat")
            await channel.send("hello")
            assert await channel.receive() == "hello"
        nursery.cancel_scope.cancel()
    # Who takes calls has been first then.
    assert refused in ([], ["busy"])
    assert "bob offer" not in hub.log


@in_virtual_time
async def test_what_is_left_of_an_earlier_call_does_no_harm() -> None:
    _, alice, bob = pair()
    for leftover in (b"BYE", b'{"type":"answer","sdp":"v=0"}', b'{"candidate":""}', b"BYE"):
        alice.received(bob.peer_id, leftover)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        async with open_call(alice, "bob") as call:
            await call.open_channel("chat")
        nursery.cancel_scope.cancel()


async def test_media_both_ways() -> None:
    _, alice, bob = pair()

    async def watch(call: Call) -> None:
        async for track in call.tracks:
            frames = aiter(track)
            for _ in range(3):
                await anext(frames)
            seen.append(track.kind)
            if len(seen) == 4:
                done.set()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        async with open_media(video="pattern", audio="tone") as tracks:
            await serve_calls(watch, bob, tracks=tracks, task_status=task_status)

    seen: list[str] = []
    done = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with (
            open_media(video="pattern", audio="tone") as tracks,
            open_call(alice, "bob", tracks=tracks) as call,
            trio.open_nursery() as watching,
        ):
            watching.start_soon(watch, call)
            await done.wait()
            watching.cancel_scope.cancel()
        nursery.cancel_scope.cancel()
    assert sorted(seen) == ["audio", "audio", "video", "video"]


async def test_the_callee_has_more_tracks_than_were_offered() -> None:
    _, alice, bob = pair()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        async with open_media(video="pattern", audio="tone") as tracks:
            await serve_calls(echo, bob, tracks=tracks, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        offers: list[list[Kind]] = [[], ["audio"], ["video", "audio"]]
        for receive in offers:
            async with open_call(alice, "bob", receive=receive) as call:
                channel = await call.open_channel("chat")
                await channel.send("hello")
                assert await channel.receive() == "hello"
                kinds: list[Kind] = []
                for _ in receive:
                    track = await anext(aiter(call.tracks))
                    await anext(aiter(track))
                    kinds.append(track.kind)
                assert kinds == receive
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_nobody_of_that_name() -> None:
    _, alice, _ = pair()
    with pytest.raises(UnknownPeer):
        async with open_call(alice, "carol"):
            raise AssertionError("connected")


@in_virtual_time
async def test_a_peer_that_does_not_answer() -> None:
    hub, alice, _ = pair()
    with pytest.raises(CallError) as caught:
        async with open_call(alice, "bob", connect_timeout=1):
            raise AssertionError("connected")
    assert (caught.value.code, caught.value.fault) == ("connect_timeout", "network")
    # It is told that nobody waits any more.
    assert hub.log[-1] == "alice bye"


@in_virtual_time
async def test_a_peer_that_leaves_during_the_offer() -> None:
    hub, alice, bob = pair()

    async def leave() -> None:
        await anext(bob)
        while not isinstance(await anext(bob), MessageReceived):
            pass
        hub.sign_out(bob)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave)
        with pytest.raises(CallError) as caught:
            async with open_call(alice, "bob"):
                raise AssertionError("connected")
    assert caught.value.code == "peer_left"
    assert "alice bye" not in hub.log


@in_virtual_time
async def test_a_peer_that_declines() -> None:
    _, alice, bob = pair()

    async def decline() -> None:
        async for event in bob:
            if isinstance(event, MessageReceived):
                await bob.send(event.peer, b"BYE")
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(decline)
        with pytest.raises(CallError, match="declined") as caught:
            async with open_call(alice, "bob"):
                raise AssertionError("connected")
    assert caught.value.code == "peer_hung_up"


@in_virtual_time
async def test_a_peer_with_another_certificate_than_it_says() -> None:
    _, alice, bob = pair()
    send = bob._transport_send

    async def tamper(to: int, data: bytes) -> int:
        return await send(to, re.sub(rb"(a=fingerprint:sha-\d+ )..", rb"\g<1>00", data))

    bob._transport_send = tamper
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        with pytest.raises(CallError, match="DTLS") as caught:
            async with open_call(alice, "bob"):
                raise AssertionError("connected")
        assert caught.value.code == "connection_lost"
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_without_an_address_a_call_fails_at_once() -> None:
    _, alice, bob = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        with pytest.raises(CallError, match="we have no address, and no relay") as caught:
            # There is no server for that, and then no candidate.
            async with open_call(alice, "bob", ice_transport_policy="relay", connect_timeout=1e9):
                raise AssertionError("connected")
        assert caught.value.code == "connection_lost"
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_why_a_call_did_not_come_about_is_told() -> None:
    _, alice, bob = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_calls, echo, bob, ice_transport_policy="relay"))
        with pytest.raises(CallError, match="declined the call: connection_lost") as caught:
            async with open_call(alice, "bob", connect_timeout=1e9):
                raise AssertionError("connected")
        assert caught.value.code == "peer_hung_up"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seconds", [-1, float("nan"), None, "5"])
@pytest.mark.parametrize("name", ["connect", "silence", "restart", "close"])
@in_virtual_time
async def test_a_timeout_that_is_none(name: str, seconds: Any) -> None:
    _, alice, bob = pair()
    options: dict[str, Any] = {f"{name}_timeout": seconds}
    with pytest.raises(ValueError, match="number of seconds"):
        async with open_call(alice, "bob", **options):
            raise AssertionError("connected")
    with pytest.raises(ValueError, match="number of seconds"):
        await serve_calls(echo, bob, **options)


@in_virtual_time
async def test_there_is_always_a_moment_of_silence() -> None:
    _, alice, _ = pair()
    with pytest.raises(ValueError, match="silence"):
        async with open_call(alice, "bob", silence_timeout=0):
            raise AssertionError("connected")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b'{"type": "answer"}', "bad_description"),
        (encode(SessionDescription(type="answer", sdp="nonsense")), "bad_description"),
        (encode(SessionDescription(type="answer", sdp="v=0\r\n")), "bad_description"),
    ],
)
@in_virtual_time
async def test_an_answer_that_cannot_be_used(answer: bytes, code: str) -> None:
    hub, alice, bob = pair()

    async def reply() -> None:
        async for event in bob:
            if isinstance(event, MessageReceived):
                alice.received(bob.peer_id, answer)
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reply)
        with pytest.raises(NegotiationError) as caught:
            async with open_call(alice, "bob"):
                raise AssertionError("connected")
    assert (caught.value.code, caught.value.fault) == (code, "remote")
    assert hub.log[-1] == "alice bye"


@pytest.mark.parametrize("offer", [b'{"type":"offer"}', b'{"type":"offer","sdp":"nonsense"}'])
@in_virtual_time
async def test_an_offer_that_cannot_be_used_is_declined(
    offer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    hub, alice, bob = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        bob.received(alice.peer_id, offer)
        await hub.wait_for("bob bye")
        # Whoever calls next is served.
        async with open_call(alice, "bob") as call:
            channel = await call.open_channel("chat")
            await channel.send("hello")
            assert await channel.receive() == "hello"
        nursery.cancel_scope.cancel()
    assert "bad_description" in {getattr(record, "code", "") for record in caplog.records}


@in_virtual_time
async def test_bad_candidates_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    _, alice, bob = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        async with open_call(alice, "bob") as call:
            for junk in (
                b"junk",
                b'{"candidate": 3}',
                b'{"candidate": "candidate:junk", "sdpMid": "0"}',
                b'{"candidate": "candidate:1 1 udp 1 192.0.2.9 99999 typ host", "sdpMid": "0"}',
                b'{"type": "offer-loopback"}',
                b'{"type": "answer", "sdp": "v=0"}',
            ):
                alice.received(bob.peer_id, junk)
                bob.received(alice.peer_id, junk)
            channel = await call.open_channel("chat")
            await channel.send("hello")
            assert await channel.receive() == "hello"
        nursery.cancel_scope.cancel()
    assert "bad_candidate" in {getattr(record, "code", "") for record in caplog.records}


@in_virtual_time
async def test_messages_about_no_call_are_the_applications() -> None:
    _, alice, bob = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        await alice.send("bob", b"ping")
        assert await anext(bob) == PeerJoined(Peer(1, "alice"))
        assert await anext(bob) == MessageReceived(Peer(1, "alice"), b"ping")
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_candidate_after_the_end_is_no_complaint(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The closing of the connection is faster than what the server still carries."""
    monkeypatch.setattr(hang_up, "FAREWELL_SECONDS", 60)
    _, alice, bob = pair()
    candidates: list[bytes] = []
    byes: list[bytes] = []
    send = alice._transport_send

    async def hold(to: int, data: bytes) -> int:
        if b'"bye"' in data:
            byes.append(data)
            return 0
        if b'"candidate"' in data:
            candidates.append(data)
        return await send(to, data)

    async def stay(call: Call) -> None:
        calls.append(call)
        await call.wait_ended()

    alice._transport_send = hold
    calls: list[Call] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_calls, stay, bob)
        async with open_call(alice, "bob"):
            await wait_all_tasks_blocked(0.01)
        (call,) = calls
        while call._connection.connection_state != "closed":  # noqa: ASYNC110  # It tells nobody.
            await trio.sleep(0.01)
        assert call.end is None
        with pytest.raises(CallError) as caught:
            await call.open_channel("late")
        assert caught.value.code == "call_ended"
        async with open_media(audio="tone") as [track]:
            with pytest.raises(CallError) as caught:
                await call.add_track(track)
        assert caught.value.code == "call_ended"
        assert candidates
        for data in candidates:
            bob.received(alice.peer_id, data)
        await wait_all_tasks_blocked(0.01)
        for data in byes:
            bob.received(alice.peer_id, data)
        assert (await call.wait_ended()).reason == "peer_hung_up"
        nursery.cancel_scope.cancel()
    assert caplog.records == []


@in_virtual_time
async def test_a_handler_that_fails_ends_its_call_only(caplog: pytest.LogCaptureFixture) -> None:
    _, alice, bob = pair()

    async def fail(call: Call) -> None:
        if call.peer.name == "alice":
            raise KeyError("oops")

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(fail, bob, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        for _ in range(2):
            async with open_call(alice, "bob") as call:
                assert (await call.wait_ended()).reason == "peer_hung_up"
        nursery.cancel_scope.cancel()
    assert [r.exc_info[0] for r in caplog.records if r.exc_info] == [KeyError, KeyError]
    assert caplog.records[0].levelno == logging.ERROR


@in_virtual_time
async def test_a_second_call_to_the_same_peer_is_refused() -> None:
    _, alice, bob = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        async with open_call(alice, "bob"):
            with pytest.raises(SignalingError) as caught:
                async with open_call(alice, "bob"):
                    raise AssertionError("connected")
            assert caught.value.code == "busy"
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_call_outlives_the_loss_of_its_server() -> None:
    _, alice, bob = pair()
    lost = SignalingLost("gone")

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        with pytest.raises(SignalingLost):
            await serve_calls(echo, bob, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with open_call(alice, "bob") as call:
            channel = await call.open_channel("chat")
            await channel.send("ready?")
            # Now the other side has the call too: one that is set up needs its server.
            assert await channel.receive() == "ready?"
            alice.lost(lost)
            bob.lost(lost)
            await wait_all_tasks_blocked()
            await channel.send("still there?")
            assert await channel.receive() == "still there?"


@in_virtual_time
async def test_signaling_that_is_lost_during_the_set_up() -> None:
    _, alice, _ = pair()

    async def lose() -> None:
        await wait_all_tasks_blocked(0.1)
        alice.lost(SignalingLost("gone"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lose)
        with pytest.raises(SignalingLost):
            async with open_call(alice, "bob"):
                raise AssertionError("connected")


@in_virtual_time
async def test_the_caller_disappears_without_a_word() -> None:
    hub, alice, bob = pair()
    ends: list[str] = []

    async def wait(call: Call) -> None:
        ends.append((await call.wait_ended()).reason)
        done.set()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(wait, bob, task_status=task_status)

    async def swallow(sender: Peer, data: bytes) -> None:
        if b"bye" in data:
            raise UnknownPeer("lost on the way")

    done = trio.Event()
    hub.delay = swallow
    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        async with open_call(alice, "bob"):
            pass
        await done.wait()
        nursery.cancel_scope.cancel()
    assert ends == ["connection_closed"]


@in_virtual_time
async def test_an_error_in_the_block_comes_out_and_ends_the_call() -> None:
    hub, alice, bob = pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_echo, bob)
        with pytest.raises(KeyError, match="mine"):
            async with open_call(alice, "bob"):
                raise KeyError("mine")
        assert "alice bye" in hub.log
        nursery.cancel_scope.cancel()

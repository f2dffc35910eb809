"""Calls with a code, and with certificates: real ones, over a hub that lies."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.lowlevel

from trio_rtc import Call, CallError, PeerCertificate, Signaling, open_call, serve_calls
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.messages import Authenticate, Message, SessionDescription, decode, encode

from ..rtc.virtual import in_virtual_time
from .both_sides import open_both, open_chat, works

CODE = "7-guitarist-paperweight"

Lie = Callable[[Message], Message]


def lie_to(signaling: Signaling, lie: Lie) -> None:
    """Have what others say to this one be changed on its way."""
    receive = signaling.received

    def received(sender: int, data: bytes) -> Any:
        return receive(sender, encode(lie(decode(data))))

    signaling.received = received  # type: ignore[method-assign,assignment]


class Served:
    """What has become of Bob, who takes one call with a code."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.error: CallError | None = None
        self.done = trio.Event()


@asynccontextmanager
async def bob_serves(hub: MemoryHub, **options: Any) -> AsyncIterator[tuple[Signaling, Served]]:
    bob, served = hub.sign_in("bob"), Served()

    async def handle(call: Call) -> None:
        served.calls.append(call)
        await call.wait_ended()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        try:
            await serve_calls(handle, bob, task_status=task_status, **options)
        except CallError as error:
            served.error = error
            served.done.set()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            yield bob, served
            nursery.cancel_scope.cancel()


async def refused(signaling: Signaling, code: str | None, **options: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        async with open_call(signaling, "bob", receive=(), code=code, **options):
            pass
    return caught.value


@in_virtual_time
async def test_a_call_with_a_code_is_like_any_other() -> None:
    async with open_both(code=CODE) as ends:
        await works(*await open_chat(ends))
        await ends.alice.restart()
        await works(*await open_chat(ends))
        assert ends.hub.log[:1] == ["alice offer"]
        order = [entry for entry in ends.hub.log if "candidate" not in entry and "end" not in entry]
        assert order[:4] == ["alice offer", "bob authenticate", "alice authenticate", "bob answer"]


@in_virtual_time
async def test_a_wrong_code_is_told_to_both_and_burnt() -> None:
    hub = MemoryHub()
    async with bob_serves(hub, code=CODE) as (_, served):
        error = await refused(hub.sign_in("eve"), "7-guitarist-butterfly")
        assert error.code == "wrong_code"
        await served.done.wait()
        assert served.error is not None
        assert served.error.code == "wrong_code"
        assert "cannot be used again" in str(served.error)
    assert not served.calls


@in_virtual_time
async def test_a_code_is_good_for_one_call() -> None:
    hub = MemoryHub()
    async with bob_serves(hub, code=CODE) as (_, served):
        async with open_call(hub.sign_in("alice"), "bob", receive=(), code=CODE):
            error = await refused(hub.sign_in("carol"), CODE)
            assert error.code == "code_used"
        assert served.error is None
    assert len(served.calls) == 1


@in_virtual_time
async def test_somebody_without_a_code_is_no_guess() -> None:
    hub = MemoryHub()
    async with bob_serves(hub, code=CODE) as (_, served):
        assert (await refused(hub.sign_in("eve"), None)).code == "not_authenticated"
        async with open_call(hub.sign_in("alice"), "bob", receive=(), code=CODE):
            pass
    assert len(served.calls) == 1


@in_virtual_time
async def test_somebody_who_asks_for_no_code_is_not_connected() -> None:
    hub = MemoryHub()
    async with bob_serves(hub) as (_, served):
        error = await refused(hub.sign_in("alice"), CODE)
        assert error.code == "not_authenticated"
    assert not served.calls


@in_virtual_time
async def test_one_who_asks_and_goes_away_has_had_the_guess() -> None:
    hub = MemoryHub()
    eve = hub.sign_in("eve")
    async with bob_serves(hub, code=CODE) as (bob, served):
        async with trio.open_nursery() as nursery:

            async def attempt() -> None:
                async with open_call(eve, "bob", receive=(), code="7-wrong"):
                    pass

            lie_to(eve, lambda message: message)
            eve.received = lambda sender, data: None  # type: ignore[method-assign,assignment]
            nursery.start_soon(attempt)
            await hub.wait_for("bob authenticate")
            nursery.cancel_scope.cancel()
        hub.sign_out(eve)
        await served.done.wait()
        assert served.error is not None
        assert served.error.code == "wrong_code"
        assert "gone" in str(served.error)
        assert bob.peer_id


def swap(text: str) -> Callable[[Message], Message]:
    """Another certificate wherever there is one."""
    digits = re.sub("(..)", r"\1:", text * 32)[:-1].upper()

    def lie(message: Message) -> Message:
        if isinstance(message, SessionDescription):
            sdp = re.sub(r"(a=fingerprint:sha-256) \S+", rf"\1 {digits}", message.sdp)
            return msgspec.structs.replace(message, sdp=sdp)
        if isinstance(message, Authenticate) and message.fingerprint:
            return msgspec.structs.replace(message, fingerprint=f"sha-256 {digits}")
        return message

    return lie


@pytest.mark.parametrize("victims", ["alice", "bob", "both"])
@in_virtual_time
async def test_a_hub_that_swaps_certificates(victims: str) -> None:
    hub = MemoryHub()
    alice = hub.sign_in("alice")
    async with bob_serves(hub, code=CODE, connect_timeout=2) as (bob, served):
        if victims != "bob":
            lie_to(alice, swap("ab"))
        if victims != "alice":
            lie_to(bob, swap("cd"))
        error = await refused(alice, CODE, connect_timeout=2)
        assert error.code == "wrong_code"
        await served.done.wait()
        assert served.error is not None
        assert served.error.code == "wrong_code"
    assert not served.calls


@in_virtual_time
async def test_a_hub_that_changes_a_later_description() -> None:
    async with open_both(code=CODE, connect_timeout=3) as ends:
        ours, theirs = await open_chat(ends)
        lie_to(ends.bob_signaling, swap("ab"))
        with pytest.raises(CallError):
            with trio.fail_after(20):
                await ends.alice.restart()
        # Nothing of it was believed.
        await works(ours, theirs)


@in_virtual_time
async def test_two_who_call_each_other_with_the_same_code() -> None:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")
    meeting = trio.Event()
    both = []

    async def call(signaling: Signaling, whom: str) -> None:
        async with open_call(signaling, whom, receive=(), code=CODE) as call:
            both.append(call)
            if len(both) == 2:
                meeting.set()
            await meeting.wait()
            await trio.lowlevel.checkpoint()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, alice, "bob")
            nursery.start_soon(call, bob, "alice")


@in_virtual_time
async def test_certificates_that_know_each_other(tmp_path: Path) -> None:
    ours = PeerCertificate.load(tmp_path / "alice.pem")
    theirs = PeerCertificate.load(tmp_path / "bob.pem")
    assert PeerCertificate.load(tmp_path / "alice.pem").fingerprint == ours.fingerprint
    assert (tmp_path / "alice.pem").stat().st_mode & 0o077 == 0
    hub = MemoryHub()
    options = {"certificate": theirs, "trusted_keys": [ours.fingerprint]}
    async with bob_serves(hub, **options) as (_, served):
        alice = hub.sign_in("alice")
        trusting = {"certificate": ours, "trusted_keys": [theirs.fingerprint]}
        async with open_call(alice, "bob", receive=(), **trusting) as call:  # type: ignore[arg-type]
            channel = await call.open_channel("chat")
            await channel.send("hello")
        # Whoever has another one is nobody.
        assert (await refused(hub.sign_in("eve"), None)).code == "not_trusted"
        error = await refused(alice, None, certificate=ours, trusted_keys=[ours.fingerprint])
        assert error.code == "not_trusted"
        # Nobody else can show this one, either.
        lie_to(alice, swap("ab"))
        error = await refused(alice, None, **trusting)
        assert error.code == "not_trusted"
        assert len(served.calls) >= 1


def test_a_file_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nothing")
    with pytest.raises(CallError) as caught:
        PeerCertificate.load(tmp_path / "a")
    assert caught.value.code == "bad_certificate"
    with pytest.raises(FileNotFoundError):
        PeerCertificate.load(tmp_path / "b", create=False)


@pytest.mark.parametrize("code", ["", "  "])
@in_virtual_time
async def test_an_empty_code(code: str) -> None:
    hub = MemoryHub()
    hub.sign_in("bob")
    with pytest.raises(ValueError, match="empty"):
        async with open_call(hub.sign_in("alice"), "bob", code=code):
            pass

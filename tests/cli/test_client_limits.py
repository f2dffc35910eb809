"""The client and messages that are too large for one of the two sides."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_rtc import Call, open_call, open_signaling, serve_calls
from trio_rtc.rtc.backend.jsep import exchange
from trio_rtc.rtc.channels.extension import MAX_MESSAGE_SIZE, with_extension

from ..processes import Command, client, server_here
from ..rtc.channels.test_bad_input import send_any_size

LIMIT = 1000


@pytest.fixture
def takes_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers of this process tell others of a small limit."""

    def describe(sdp: str, max_packet_size: int) -> str:
        extended = with_extension(sdp, max_packet_size)
        return extended.replace(f" {MAX_MESSAGE_SIZE} ", f" {LIMIT} ", 1)

    monkeypatch.setattr(exchange, "with_extension", describe)


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers of this process are as those of another stack."""
    monkeypatch.setattr(exchange, "with_extension", lambda sdp, _: sdp)


@asynccontextmanager
async def answering(url: str) -> AsyncIterator[trio.MemoryReceiveChannel[str | bytes]]:
    """Bob, in this process, takes calls; gives what he is told."""
    hear, heard = trio.open_memory_channel[str | bytes](10)

    async def handle(call: Call) -> None:
        async for channel in call.channels:
            async for message in channel:
                await hear.send(message)

    async with open_signaling(url, name="bob") as signaling, trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            await serve_calls(handle, signaling, task_status=task_status)

        await nursery.start(serve)
        yield heard
        nursery.cancel_scope.cancel()


async def too_large(running: Command, size: int, limit: int) -> None:
    error = await running.event("error", code="message_too_large")
    assert f"{size} bytes" in error["message"]
    assert str(limit) in error["message"]
    # People see it too, on a line of its own.
    assert running.errors == f"trio-rtc client: {error['message']}\n"


@pytest.mark.usefixtures("takes_little")
async def test_what_is_typed() -> None:
    async with (
        server_here() as url,
        answering(url) as heard,
        client(url, "alice", "--json", "--call", "bob", stdin=subprocess.PIPE) as alice,
    ):
        await alice.type("x" * (LIMIT + 1) + "\nhello\n" + "é" * (LIMIT // 2) + "\n")
        assert [await heard.receive() for _ in range(2)] == ["hello", "é" * (LIMIT // 2)]
        alice.interrupt()
        assert await alice.exit_status() == 130
        await too_large(alice, LIMIT + 1, LIMIT)


@pytest.mark.usefixtures("takes_little")
async def test_what_a_script_sends() -> None:
    async with (
        server_here() as url,
        answering(url) as heard,
        client(url, "alice", "--json", "--call", "bob", "--send", "hello",
               "--send", "x" * (LIMIT + 1), "--expect", "1") as alice,
    ):  # fmt: skip
        assert await heard.receive() == "hello"
        assert await alice.exit_status() == 1
        await too_large(alice, LIMIT + 1, LIMIT)


@pytest.mark.usefixtures("stranger")
async def test_what_the_other_side_sends() -> None:
    async with server_here() as url, client(url, "bob", "--json", "--once", "--echo") as bob:
        await bob.event("signed_in")
        async with (
            open_signaling(url, name="alice") as signaling,
            open_call(signaling, "bob", receive=()) as call,
            await call.open_channel("chat") as channel,
        ):
            send_any_size(call._connection)
            await channel.send(b"x" * 262_145)
            await channel.send("hello")
            assert await channel.receive() == "hello"
            await bob.event("message", data="hello")
        assert await bob.exit_status() == 0
        await too_large(bob, 262_145, 262_144)


@pytest.mark.usefixtures("takes_little")
async def test_an_echo() -> None:
    async with server_here() as url, client(url, "bob", "--json", "--once", "--echo") as bob:
        await bob.event("signed_in")
        async with (
            open_signaling(url, name="alice") as signaling,
            open_call(signaling, "bob", receive=()) as call,
            await call.open_channel("chat") as channel,
        ):
            await channel.send(b"x" * (LIMIT + 1))
            await channel.send("hello")
            assert await channel.receive() == "hello"
        assert await bob.exit_status() == 0
        await too_large(bob, LIMIT + 1, LIMIT)


async def test_a_caller_above_the_limit_is_declined() -> None:
    async with (
        server_here() as url,
        client(url, "bob", "--json", "--max-calls", "1") as bob,
        client(url, "alice", "--call", "bob", stdin=subprocess.PIPE),
    ):
        await bob.event("call_connected")
        async with client(url, "carol", "--call", "bob", "--hold", "0", "--json") as carol:
            assert await carol.exit_status() == 1
            await carol.event("error", code="busy")

"""Calls with libwebrtc, behind a client that behaves like the classic C++ one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from ..processes import Command, client, python, server_here
from .foreign import needs_libwebrtc

pytestmark = needs_libwebrtc

PEER = Path(__file__).parent / "libwebrtc_peer.py"


def libwebrtc(url: str, name: str, *arguments: str) -> AbstractAsyncContextManager[Command]:
    return python(str(PEER), url.rpartition(":")[2], name, *arguments)


async def test_we_call_libwebrtc() -> None:
    async with server_here() as url, libwebrtc(url, "cpp") as cpp:
        await cpp.event("signed_in")
        async with client(url, "alice", "--json", "--call", "cpp", "--send", "hello",
                          "--send", "é😀", "--expect", "2", "--video", "pattern",
                          "--audio", "tone") as alice:  # fmt: skip
            assert await alice.exit_status() == 0, alice.errors
            assert alice.errors == ""
            await alice.event("message", channel="chat", data="hello")
            await alice.event("message", channel="chat", data="é😀")
        assert await cpp.exit_status() == 0, cpp.errors
        for kind in ("audio", "video"):
            await cpp.event("track", kind=kind)
        # It knows no other goodbye than the bare one.
        await cpp.event("bye")


async def test_libwebrtc_calls_us() -> None:
    async with (
        server_here() as url,
        client(url, "bob", "--json", "--once", "--video", "pattern", "--audio", "tone",
               "--send", "hello from Python", "--expect", "1") as bob,
    ):  # fmt: skip
        await bob.event("signed_in")
        async with libwebrtc(url, "cpp", "bob") as cpp:
            await bob.event("message", channel="from libwebrtc", data="hello from libwebrtc")
            await cpp.event("message", data="hello from Python")
            assert await bob.exit_status() == 0, bob.errors
            assert await cpp.exit_status() == 0, cpp.errors
            await cpp.event("bye")
            for kind in ("audio", "video"):
                await cpp.event("track", kind=kind)


async def test_libwebrtc_disappears() -> None:
    async with server_here() as url, client(url, "bob", "--json", "--once") as bob:
        await bob.event("signed_in")
        async with libwebrtc(url, "cpp", "bob") as cpp:
            await bob.event("message")
            cpp.process.terminate()
            await cpp.process.wait()
        # The server has not missed it yet, and nobody has said goodbye.
        bob.interrupt()
        assert await bob.exit_status() == 130
        assert bob.errors == ""

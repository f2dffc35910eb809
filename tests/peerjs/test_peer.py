"""Python peers with each other, on our server."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.lowlevel

from trio_rtc import MessageTooLarge, UnknownPeer, open_media
from trio_rtc.errors import SerializationError, SignalingError
from trio_rtc.peerjs import (
    DataConnection,
    MediaConnection,
    PeerJSPeer,
    open_peerjs,
    serialization,
    serve_peerjs,
)
from trio_rtc.peerjs.serialization import CHUNK_BYTES
from trio_rtc.wire import binarypack

from ..server.harness import tcp_server


async def echo(connection: DataConnection | MediaConnection) -> None:
    assert isinstance(connection, DataConnection)
    async for value in connection:
        await connection.send(value)


@asynccontextmanager
async def two_peers(
    handler: Any = echo, **options: Any
) -> AsyncIterator[tuple[PeerJSPeer, PeerJSPeer]]:
    """Alice, and Bob whose connections the handler takes."""
    async with (
        tcp_server() as port,
        open_peerjs(f"http://127.0.0.1:{port}/", "bob", **options) as bob,
        open_peerjs(f"http://127.0.0.1:{port}/", "alice") as alice,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(serve_peerjs, handler, bob)
        yield alice, bob
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize(
    ("serialization", "values"),
    [
        ("raw", ["text", b"bytes", ""]),
        ("json", ["text", None, {"a": [1, 2.5]}, "x" * 50_000]),
        ("binary", ["text", None, b"\x00", {"a": [1, b"x" * 300_000]}, 0, -(2**40)]),
    ],
)
async def test_values_go_there_and_back(
    serialization: str, values: list[Any], reliable: bool
) -> None:
    async with (
        two_peers() as (alice, _),
        alice.connect("bob", serialization=serialization, reliable=reliable) as connection,
    ):
        for value in values:
            await connection.send(value)
            assert await connection.receive() == value


async def test_what_both_sides_know_of_a_connection() -> None:
    seen: list[DataConnection] = []

    async def look(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, DataConnection)
        seen.append(connection)
        await connection.send("seen")

    async with two_peers(look) as (alice, _):
        async with alice.connect("bob", label="chat", metadata={"n": [None]}) as ours:
            assert await ours.receive() == "seen"
            (theirs,) = seen
            assert (ours.peer, theirs.peer) == ("bob", "alice")
            for connection in (ours, theirs):
                assert connection.id == ours.id
                assert connection.label == "chat"
                assert connection.metadata == {"n": [None]}
                assert connection.serialization == "binary"
                assert connection.reliable
            assert repr(ours) == f"<DataConnection {ours.id!r} with 'bob'>"
            with pytest.raises(trio.EndOfChannel):
                await ours.receive()
        async with alice.connect("bob") as ours:
            assert ours.label == ours.id


async def test_media_both_ways() -> None:
    async def watch(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, MediaConnection)
        await see(connection)
        watched.set()
        await connection.wait_closed()
        closed.set()

    async def see(connection: MediaConnection) -> None:
        async for track in connection.tracks:
            async for _ in track:
                seen.append(track.kind)
                return

    seen: list[str] = []
    watched, closed = trio.Event(), trio.Event()
    async with (
        open_media(video="pattern") as tracks,
        tcp_server() as port,
        open_peerjs(f"http://127.0.0.1:{port}/", "bob") as bob,
        open_peerjs(f"http://127.0.0.1:{port}/", "alice") as alice,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lambda: serve_peerjs(watch, bob, tracks=tracks))
        async with alice.call("bob", tracks) as connection:
            await see(connection)
            await watched.wait()
        await closed.wait()
        assert seen == ["video", "video"]
        nursery.cancel_scope.cancel()


async def test_a_call_that_only_listens() -> None:
    async def handler(connection: DataConnection | MediaConnection) -> None:
        async for _ in connection.tracks:  # type: ignore[union-attr]
            raise AssertionError("nothing is sent")

    async with (
        open_media(audio="tone") as tracks,
        tcp_server() as port,
        open_peerjs(f"http://127.0.0.1:{port}/", "bob") as bob,
        open_peerjs(f"http://127.0.0.1:{port}/", "alice") as alice,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lambda: serve_peerjs(handler, bob, tracks=tracks))
        async with alice.call("bob", receive=["audio"]) as connection:
            async for track in connection.tracks:
                assert track.kind == "audio"
                break
        nursery.cancel_scope.cancel()


async def test_many_connections_at_once() -> None:
    async def talk(number: int) -> None:
        async with alice.connect("bob") as connection:
            await connection.send(number)
            got.append(await connection.receive())

    got: list[int] = []
    async with two_peers() as (alice, _), trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(talk, number)
    assert sorted(got) == list(range(5))


async def test_a_handler_that_fails_ends_its_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(connection: DataConnection | MediaConnection) -> None:
        if connection.metadata == "fail":
            assert isinstance(connection, DataConnection)
            await connection.receive()
            raise ValueError("of the handler's own")
        await echo(connection)

    async with two_peers(handler) as (alice, _), alice.connect("bob") as good:
        async with alice.connect("bob", metadata="fail") as bad:
            await bad.send("fail now")
            with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
                await bad.receive()
        await good.send("still here")
        assert await good.receive() == "still here"
    assert "of the handler's own" in caplog.text


async def test_nobody_of_this_id() -> None:
    async with two_peers() as (alice, _):
        with pytest.raises(UnknownPeer) as raised:
            async with alice.connect("nobody"):
                pass
        assert (raised.value.code, raised.value.fault) == ("peer_unavailable", "remote")


async def test_what_cannot_be_asked_for() -> None:
    async with two_peers() as (alice, _):
        for options, code in (
            ({"serialization": "msgpack"}, "unknown_serialization"),
            ({"metadata": object()}, "bad_value"),
            ({"metadata": "\ud800"}, "bad_value"),
        ):
            with pytest.raises(SerializationError) as raised:
                async with alice.connect("bob", **options):
                    pass
            assert raised.value.code == code


@pytest.mark.parametrize("id_", ["", "-", "a b ", "é", "x" * 300])
async def test_an_id_that_is_none(id_: str) -> None:
    with pytest.raises(SignalingError) as raised:
        async with open_peerjs("http://127.0.0.1:1/", id_):
            pass
    assert (raised.value.code, raised.value.fault) == ("bad_id", "local")


@pytest.mark.parametrize("id_", [None, "alice"])
@pytest.mark.parametrize("url", ["", "ws://127.0.0.1:1", "http://", "http://x:99999", "host:80"])
async def test_a_url_that_is_none(url: str, id_: str | None) -> None:
    with pytest.raises(SignalingError) as raised:
        async with open_peerjs(url, id_):
            pass
    assert (raised.value.code, raised.value.fault) == ("bad_url", "local")


async def test_a_message_that_cannot_be_read_is_one_error() -> None:
    async def handler(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, DataConnection)
        for _ in range(2):
            try:
                await connection.receive()
            except SerializationError as error:
                await connection.send(error.code)
        await connection.send(await connection.receive())

    async with two_peers(handler) as (alice, _), alice.connect("bob") as connection:
        for bad in (b"\xc4", "text"):
            await connection._channel.send(bad)
            assert await connection.receive() == "bad_message"
        await connection.send("good")
        assert await connection.receive() == "good"


async def test_a_value_over_the_limit_ends_the_connection() -> None:
    async def handler(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, DataConnection)
        with pytest.raises(MessageTooLarge):
            await connection.receive()
        with pytest.raises(trio.EndOfChannel):
            await connection.receive()
        refused.set()

    refused = trio.Event()
    async with two_peers(handler, max_message_bytes=100_000) as (alice, _):
        async with alice.connect("bob") as connection:
            # What was on its way may be lost, and is told to be.
            with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
                await connection.send(b"x" * 200_000)
                await connection.receive()
        await refused.wait()


async def test_a_long_value_is_made_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    unpack = binarypack.unpack
    seen: list[tuple[int, bool]] = []
    begun = threading.Event()

    def watched(data: bytes, max_bytes: int) -> Any:
        seen.append((len(data), threading.current_thread() is threading.main_thread()))
        if [size > 100_000 for size, _ in seen].count(True) == 2:
            begun.set()
        return unpack(data, max_bytes)

    async with two_peers() as (alice, _), alice.connect("bob") as connection:
        monkeypatch.setattr(serialization, "unpack", watched)
        long = [list(range(1000)) for _ in range(50)]
        await connection.send("short")
        assert await connection.receive() == "short"
        await connection.send(long)
        # Cancelled in the middle of it, the value is not lost.
        with trio.CancelScope() as scope:

            async def cancel() -> None:
                await trio.to_thread.run_sync(begun.wait)
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel)
                # Bob has read it before.
                assert await connection.receive() == long
        await connection.send("short")
        assert await connection.receive() == "short"
    assert {main for size, main in seen if size < 10} == {True}
    assert {main for size, main in seen if size > CHUNK_BYTES + 100} == {False}


async def test_after_the_end() -> None:
    async with two_peers() as (alice, _):
        async with alice.connect("bob") as connection:
            await connection.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await connection.send("hello?")
            with pytest.raises(trio.ClosedResourceError):
                await connection.receive()
        async with alice.connect("bob"):
            pass


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
async def test_connecting_can_be_cancelled_anywhere(steps: int) -> None:
    async with two_peers() as (alice, _):
        with trio.CancelScope() as scope:

            async def cancel() -> None:
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel)
                async with alice.connect("bob") as connection:
                    await connection.send("x")
                    await connection.receive()
        async with alice.connect("bob") as connection:
            await connection.send("x")
            assert await connection.receive() == "x"

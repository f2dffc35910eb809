"""A Python peer and a page with npm's PeerJS call each other."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trio_rtc import MessageTooLarge, UnknownPeer, open_media
from trio_rtc.peerjs import DataConnection, MediaConnection, open_peerjs, serve_peerjs

from .pages import open_stage

#: What a page sends, and what of it comes back plain; see `plain` in the page.
SENT: dict[str, list[tuple[str, Any]]] = {
    "raw": [("'text é'", "text é"), ("new Uint8Array([0, 255])", b"\x00\xff")],
    "json": [
        ("'text é'", "text é"),
        ("{a: [1, 2.5, null, true], 'ключ': {}}", {"a": [1, 2.5, None, True], "ключ": {}}),
        ("'x'.repeat(15000)", "x" * 15_000),
    ],
    "binary": [
        ("'text é'", "text é"),
        ("{a: [1, 2.5, -3, null, true], b: {}}", {"a": [1, 2.5, -3, None, True], "b": {}}),
        ("new Uint8Array([0, 255])", b"\x00\xff"),
        ("[9007199254740991, 0, 1e-7]", [2**53 - 1, 0, 1e-7]),
        ("new Blob(['in a blob'])", b"in a blob"),
        ("{big: new Uint8Array(200000).fill(7)}", {"big": b"\x07" * 200_000}),
    ],
}

#: What Python sends, and a script that tells what came.
RECEIVED: dict[str, list[Any]] = {
    "raw": ["text é", b"\x00\xff"],
    "json": ["text é", {"a": [1, 2.5, None, True], "ключ": {}}, "x" * 15_000],
    "binary": [
        "text é",
        {"a": [1, 2.5, -3, None, True, -(2**40) - 1, 2**40 + 1, 0.0], "b": {}},
        b"\x00\xff",
        {"big": "y" * 200_000, "bytes": b"\x01" * 20_000},
    ],
}


def as_plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    if isinstance(value, list):
        return [as_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    return value


async def exchange(page: Any, connection: DataConnection, serialization: str) -> None:
    """All values, both ways."""
    # The side that was connected to may hear of it last.
    await page.run("await until(() => connections[0]?.open)")
    for script, value in SENT[serialization]:
        await page.run(f"connections[0].send({script})")
        assert await connection.receive() == value
    for number, value in enumerate(RECEIVED[serialization]):
        await connection.send(value)
        got = await page.run(
            "await until(() => received.length > n); return plain(received[n])", n=number
        )
        assert got == as_plain(value)


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("serialization", ["raw", "json", "binary"])
async def test_python_connects_to_a_page(chromium: str, serialization: str, reliable: bool) -> None:
    async with open_stage(chromium) as stage, open_peerjs(f"{stage.url}/", "python") as peer:
        page = await stage.peer("page")
        async with peer.connect(
            "page",
            label="chat",
            serialization=serialization,
            reliable=reliable,
            metadata={"from": "Python"},
        ) as connection:
            facts = "const c = connections[0]; return [c.peer, c.label, c.metadata, c.reliable]"
            assert await page.run(facts) == ["python", "chat", {"from": "Python"}, reliable]
            await exchange(page, connection, serialization)
        await page.run("await until(() => connections[0].wasClosed)")
        assert await page.run("return errors") == []
        assert page.errors == []


@pytest.mark.parametrize("reliable", [True, False])
@pytest.mark.parametrize("serialization", ["raw", "json", "binary"])
async def test_a_page_connects_to_python(chromium: str, serialization: str, reliable: bool) -> None:
    done = trio.Event()

    async def handler(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, DataConnection)
        assert (connection.peer, connection.label) == ("page", "chat")
        assert (connection.serialization, connection.reliable) == (serialization, reliable)
        assert connection.metadata == [1, "é"]
        await exchange(page, connection, serialization)
        await page.run("connections[0].close()")
        with pytest.raises(trio.EndOfChannel):
            await connection.receive()
        done.set()

    async with open_stage(chromium) as stage, open_peerjs(f"{stage.url}/", "python") as peer:
        page = await stage.peer("page")
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_peerjs, handler, peer)
            options = {
                "label": "chat",
                "serialization": serialization,
                "reliable": reliable,
                "metadata": [1, "é"],
            }
            assert await page.run("return connect('python', options)", options=options)
            await done.wait()
            nursery.cancel_scope.cancel()
        assert await page.run("return errors") == []


async def test_a_value_that_is_too_large_for_a_page(chromium: str) -> None:
    async with open_stage(chromium) as stage, open_peerjs(f"{stage.url}/", "python") as peer:
        page = await stage.peer("page")
        async with peer.connect("page", serialization="json") as connection:
            with pytest.raises(MessageTooLarge):
                await connection.send("x" * 300_000)
            await connection.send("the next one")
            assert await page.run("await until(() => received.length); return received") == [
                "the next one"
            ]


async def test_a_page_closes_when_all_is_sent(chromium: str) -> None:
    got: list[Any] = []

    async def handler(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, DataConnection)
        async for value in connection:
            got.append(value)
        nursery.cancel_scope.cancel()

    async with open_stage(chromium) as stage, open_peerjs(f"{stage.url}/", "python") as peer:
        page = await stage.peer("page")
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_peerjs, handler, peer)
            assert await page.run("return connect('python', {reliable: true})")
            await page.run(
                "for (let n = 0; n < 50; n++) connections[0].send(n);"
                "connections[0].close({flush: true})"
            )
        assert got == list(range(50))


async def frames_of(connection: MediaConnection) -> set[str]:
    """The kinds of two tracks, when a frame of each has come."""
    kinds: set[str] = set()
    async for track in connection.tracks:
        async for _ in track:
            kinds.add(track.kind)
            break
        if len(kinds) == 2:
            break
    return kinds


async def test_python_calls_a_page(chromium: str) -> None:
    async with (
        open_stage(chromium) as stage,
        open_media(video="pattern", audio="tone") as tracks,
        open_peerjs(f"{stage.url}/", "python") as peer,
        trio.open_nursery() as nursery,
    ):
        page = await stage.peer("page")
        nursery.start_soon(
            page.run,
            "await until(() => calls.length); window.call = calls[0];"
            "call.answer(await navigator.mediaDevices.getUserMedia({audio: true, video: true}));",
        )
        async with peer.call("page", tracks, metadata="see me") as connection:
            assert await page.run("return call.metadata") == "see me"
            assert await frames_of(connection) == {"audio", "video"}
            width, height, kinds = await page.run("return dimensions(call)")
            assert (width, height, kinds) == (640, 480, ["audio", "video"])
        await page.run("await until(() => !call.open)")


async def test_a_page_calls_python(chromium: str) -> None:
    closed = trio.Event()

    async def handler(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, MediaConnection)
        assert connection.metadata == {"a": 1}
        assert await frames_of(connection) == {"audio", "video"}
        await connection.wait_closed()
        closed.set()

    async with (
        open_stage(chromium) as stage,
        open_media(video="pattern", audio="tone") as tracks,
        open_peerjs(f"{stage.url}/", "python") as peer,
        trio.open_nursery() as nursery,
    ):
        page = await stage.peer("page")
        nursery.start_soon(lambda: serve_peerjs(handler, peer, tracks=tracks))
        await page.run(
            "const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});"
            "window.call = peer.call('python', stream, {metadata: {a: 1}})"
        )
        width, height, kinds = await page.run("return dimensions(call)")
        assert (width, height, kinds) == (640, 480, ["audio", "video"])
        await page.run("call.close()")
        await closed.wait()
        nursery.cancel_scope.cancel()


async def test_a_page_that_vanishes_with_its_tab(chromium: str) -> None:
    async with (
        open_stage(chromium) as stage,
        open_peerjs(f"{stage.url}/", "python", silence_timeout=4, lost_timeout=1) as peer,
    ):
        page, another = await stage.peer("page"), await stage.peer("another")
        async with peer.connect("page") as connection:
            await page.close()
            with pytest.raises(trio.BrokenResourceError):
                await connection.receive()
        with pytest.raises(UnknownPeer):
            async with peer.connect("page"):
                pass
        async with peer.connect("another") as connection:
            await connection.send("and the next one works")
            await another.run("await until(() => received.length)")


async def test_a_serialization_that_we_do_not_know_is_declined(chromium: str) -> None:
    async with (
        open_stage(chromium) as stage,
        open_peerjs(f"{stage.url}/", "python") as peer,
        trio.open_nursery() as nursery,
    ):

        async def handler(connection: DataConnection | MediaConnection) -> None:
            assert isinstance(connection, DataConnection)
            await connection.send(await connection.receive())

        page = await stage.peer("page", serializers={})
        nursery.start_soon(serve_peerjs, handler, peer)
        # As pages with a serializer of their own do it.
        await page.run(
            "const own = class extends peer._serializers.binary {"
            " constructor(...all) { super(...all); this.serialization = 'own'; } };"
            "peer._serializers.own = own;"
            "return connect('python', {serialization: 'own'})"
        )
        assert await page.run("return errors") == ["peer-unavailable"]
        await page.run("errors.length = 0; return connect('python')")
        await page.run("connections[1].send('hello')")
        assert await page.run("await until(() => received.length); return received") == ["hello"]
        nursery.cancel_scope.cancel()

"""Pages with npm's PeerJS and our server: nothing in them knows of it."""

from __future__ import annotations

import uuid

import pytest

from trio_rtc.server import PeerJSSettings

from .pages import open_stage, sign_in


@pytest.mark.parametrize("serialization", ["binary", "json", "raw", None])
async def test_two_pages_exchange_data(chromium: str, serialization: str | None) -> None:
    async with open_stage(chromium) as stage:
        alice, bob = await stage.peer("alice"), await stage.peer("bob")
        options = {"metadata": {"why": ["é", 1]}, "label": "chat", "reliable": True}
        if serialization:
            options["serialization"] = serialization
        assert await alice.run("return connect('bob', options)", options=options)
        await bob.run("return until(() => connections.length && connections[0].open)")
        facts = "const c = connections[0]; return [c.peer, c.label, c.metadata, c.serialization]"
        assert await bob.run(facts) == [
            "alice",
            "chat",
            {"why": ["é", 1]},
            serialization or "binary",
        ]
        await alice.run("connections[0].send('to bob')")
        await bob.run("connections[0].send('to alice')")
        for page, text in ((alice, "to alice"), (bob, "to bob")):
            got = await page.run("await until(() => received.length); return plain(received[0])")
            assert got == text


async def test_two_pages_exchange_media(chromium: str) -> None:
    async with open_stage(chromium) as stage:
        alice, bob = await stage.peer("alice"), await stage.peer("bob")
        await alice.run(
            "const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});"
            "window.call = peer.call('bob', stream)"
        )
        await bob.run(
            "await until(() => calls.length);"
            "const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});"
            "window.call = calls[0]; call.answer(stream)"
        )
        for page in (alice, bob):
            width, height, kinds = await page.run("return dimensions(window.call)")
            assert width > 100
            assert height > 100
            assert kinds == ["audio", "video"]
        await alice.run("window.call.close()")
        await bob.run("await until(() => !window.call.open)")


async def test_an_id_that_the_server_makes_up(chromium: str) -> None:
    async with open_stage(chromium, peerjs=PeerJSSettings(discovery=True)) as stage:
        page = await stage.page()
        id_ = await sign_in(page, None)
        assert str(uuid.UUID(id_)) == id_
        assert await page.run("return new Promise(resolve => peer.listAllPeers(resolve))") == [id_]


async def test_another_path_and_key(chromium: str) -> None:
    settings = PeerJSSettings(path="/my/app", key="mykey")
    async with open_stage(chromium, peerjs=settings) as stage:
        await stage.peer("alice", path="/my/app", key="mykey")
        page = await stage.page()
        assert await sign_in(page, None, path="/my/app", key="mykey")


async def test_what_goes_wrong_has_the_name_that_pages_know(chromium: str) -> None:
    async with open_stage(chromium) as stage:
        alice = await stage.peer("alice")
        for id_, options, error in (
            ("alice", {}, "unavailable-id"),
            ("bob", {"key": "other"}, "invalid-key"),
            (None, {"key": "other"}, "server-error"),
        ):
            page = await stage.page()
            await sign_in(page, id_, **options)
            assert await page.run("return errors") == [error]
        assert await alice.run("return connect('nobody')") is False
        assert await alice.run("return errors") == ["peer-unavailable"]
        # Whoever was there already goes on.
        bob = await stage.peer("bob")
        assert await bob.run("return connect('alice')")


async def test_a_page_that_reconnects(chromium: str) -> None:
    async with open_stage(chromium) as stage:
        alice, bob = await stage.peer("alice"), await stage.peer("bob")
        assert await bob.run("return connect('alice')")
        await alice.run("peer.disconnect(); peer.reconnect(); await until(() => peer.open)")
        await bob.run("connections[0].send('still here')")
        assert await alice.run("await until(() => received.length); return received") == [
            "still here"
        ]
        assert await bob.run("return connect('alice')")


async def test_a_page_that_calls_before_the_other_has_come(chromium: str) -> None:
    async with open_stage(chromium) as stage:
        alice, bob = await stage.peer("alice"), await stage.page()
        await alice.run(
            "window.calling = connect('bob');"
            "const offers = () => connections[0].peerConnection?.signalingState;"
            "await until(() => offers() === 'have-local-offer')"
        )
        await sign_in(bob, "bob")
        assert await alice.run("return calling")

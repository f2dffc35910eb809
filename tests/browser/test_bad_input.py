"""What goes wrong is told on the page, and the next call works."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc import Call
from trio_rtc.server.authorize import shared_secret

from .browsers import Visitor, open_house
from .test_python_and_page import answering

REFUSE_CAMERA = """
navigator.mediaDevices.getUserMedia = () =>
  Promise.reject(new DOMException("no", "NotAllowedError"));
"""


async def told(visitor: Visitor, text: str) -> None:
    """Wait until the page says so."""
    await visitor.until(f"notices().some((one) => one.includes({text!r}))")


async def test_a_token_that_is_not_good(chromium: str) -> None:
    with trio.fail_after(60):
        async with open_house(chromium, authorize=shared_secret("open sesame")) as house:
            alice = await house.visitor()
            await alice.screenshot("sign-in")
            await alice.sign_in("alice", token="wrong")
            await told(alice, "The server wants a token, and this one is missing or wrong.")
            await alice.screenshot("refused")
            await alice.signed_in("alice", token="open sesame")
            assert await alice.run("return notices()") == []


async def test_a_page_of_another_origin(chromium: str) -> None:
    with trio.fail_after(60):
        async with open_house(chromium, origins=["https://example.org"]) as house:
            alice = await house.visitor()
            for classic in (False, True):
                await alice.sign_in("alice", classic=classic)
                await told(alice, "origin is not among those allowed")
                await alice.run("document.querySelector('.notice button').click()")


async def test_a_room_that_the_server_refuses(chromium: str) -> None:
    with trio.fail_after(60):
        async with open_house(chromium) as house:
            alice = await house.visitor()
            await alice.sign_in("alice", room="a,b")
            await told(alice, "The server refused the name or the room.")
            await alice.signed_in("alice", room="den")
            await alice.until("$('#status').textContent === 'In the room den'")
            await alice.screenshot("empty-room")


async def test_a_camera_that_is_refused(chromium: str) -> None:
    async def answer(call: Call) -> None:
        await call.wait_ended()

    with trio.fail_after(60):
        async with open_house(chromium) as house, answering(house, answer):
            alice = await house.visitor()
            await alice.signed_in("alice")
            await alice.run(REFUSE_CAMERA)
            await alice.choose("camera")
            await told(alice, "The browser does not let this page use the camera")
            await alice.screenshot("camera-refused")
            assert await alice.run("return $('#source').value") == "none"
            await alice.choose("picture")
            await alice.call("python")
            await alice.until("callState() === 'connected'")


async def test_a_peer_that_declines_and_one_that_goes(chromium: str) -> None:
    with trio.fail_after(60):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            await alice.signed_in("alice")
            await bob.signed_in("bob")
            await alice.call("bob")
            await bob.click("#decline")
            await told(alice, "bob does not take the call.")
            await alice.call("bob")
            await bob.until("!$('#incoming').hidden")
            await alice.click("#hang-up")
            await bob.until("$('#incoming').hidden")
            await alice.call("bob")
            await bob.until("!$('#incoming').hidden")
            await bob.close()
            await alice.until("callState() === ''")
            await alice.until("people().length === 0")
            carol = await house.visitor()
            await carol.signed_in("carol")
            await carol.call("alice")
            await alice.click("#answer")
            await carol.until("callState() === 'connected'")
            assert alice.errors == carol.errors == []


async def test_two_who_call_each_other_at_once(chromium: str) -> None:
    with trio.fail_after(60):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            await alice.signed_in("alice")
            await bob.signed_in("bob")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(alice.call, "bob")
                nursery.start_soon(bob.call, "alice")
            # Who is slow to begin may hear the other one ring first.
            for visitor in (alice, bob):
                await visitor.until("!$('#incoming').hidden || callState() !== ''")
                if not await visitor.run("return $('#incoming').hidden"):
                    await visitor.click("#answer")
            for visitor in (alice, bob):
                await visitor.until("callState() === 'connected'")
                assert visitor.errors == []


async def test_nonsense_of_a_peer(chromium: str) -> None:
    with trio.fail_after(60):
        async with (
            open_house(chromium) as house,
            trio_rtc.open_signaling(house.ws_url, name="mallory") as mallory,
        ):
            alice = await house.visitor()
            await alice.signed_in("alice")
            peer = await mallory.wait_for_peer("alice")
            for message in ("", "{}", "[]", "null", "\x00", "BYE", '{"type":"answer","sdp":"v=0"}'):
                await mallory.send(peer, message)
            await mallory.send(peer, '{"candidate":"candidate:nonsense","sdpMid":"0"}')
            await mallory.send(peer, '{"type":"offer","sdp":"nonsense","call":"1"}')
            await alice.click("#answer")
            await told(alice, "the browser cannot use what mallory offers")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(alice.click, "#answer")
                async with trio_rtc.open_call(mallory, peer):
                    await alice.until("callState() === 'connected'")
            assert alice.errors == []


@pytest.mark.parametrize("classic", [False, True], ids=["native", "classic"])
async def test_a_server_that_ends(chromium: str, classic: bool) -> None:
    with trio.fail_after(60):
        async with open_house(chromium) as house:
            alice = await house.visitor()
            await alice.signed_in("alice", classic=classic)
            house.stop_server()
            if classic:
                await told(alice, "The server has been shut down.")
            else:
                await alice.until("$('#status').dataset.state === 'reconnecting'")

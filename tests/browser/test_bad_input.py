"""What goes wrong is told on the page, and the next call works."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc import Call
from trio_rtc.server.authorize import shared_secret

from ..server.harness import tcp_server
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
    with trio.fail_after(200):
        async with open_house(chromium, authorize=shared_secret("open sesame")) as house:
            alice = await house.visitor()
            await alice.screenshot("sign-in")
            await alice.sign_in("alice", token="wrong")
            await told(alice, "The server wants a token, and this one is missing or wrong.")
            await alice.screenshot("refused")
            await alice.signed_in("alice", token="open sesame")
            assert await alice.run("return notices()") == []


async def test_a_page_of_another_origin(chromium: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium, origins=["https://example.org"]) as house:
            alice = await house.visitor()
            for classic in (False, True):
                await alice.sign_in("alice", classic=classic)
                await told(alice, "origin is not among those allowed")
                # Who dismisses it by keyboard goes on with the page.
                await alice.run("$('.notice button').focus()")
                await alice.click(".notice button")
                assert await alice.run("return document.activeElement.id") == "main"


async def test_a_room_that_the_server_refuses(chromium: str) -> None:
    with trio.fail_after(200):
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

    with trio.fail_after(200):
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
    with trio.fail_after(200):
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


async def test_nonsense_of_a_peer(chromium: str) -> None:
    with trio.fail_after(200):
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
async def test_a_server_that_is_started_again(chromium: str, classic: bool) -> None:
    """The page signs in again by itself, with its call as it was, and takes calls as before."""
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            await alice.signed_in("alice", classic=classic)
            await bob.signed_in("bob", classic=classic)
            await alice.call("bob")
            await bob.click("#answer")
            await alice.until("callState() === 'connected'")
            await bob.until("callState() === 'connected'")
            house.stop_server()
            for visitor in (alice, bob):
                await visitor.until("$('#status').dataset.state === 'reconnecting'")
            async with tcp_server(port=house.port) as port:
                assert port == house.port
                for visitor in (alice, bob):
                    await visitor.until("$('#status').dataset.state === 'connected'")
                await alice.until("people().includes('bob')")
                assert await alice.run("return callState()") == "connected"
                await alice.say("still here")
                await bob.until("messages().includes('still here')")
                await alice.click("#hang-up")
                await bob.until("callState() === ''")
                await bob.call("alice")
                await alice.click("#answer")
                await bob.until("callState() === 'connected'")
                assert alice.errors == bob.errors == []
                await alice.click("#sign-out")
                await bob.until("people().length === 0")


@pytest.mark.parametrize("who", ["page", "python"])
async def test_a_hang_up_that_no_server_carries(chromium: str, who: str) -> None:
    """The other side hears of it by the connection itself."""
    with trio.fail_after(200):
        async with open_house(chromium) as house, trio.open_nursery() as nursery:
            alice = await house.visitor()
            await alice.signed_in("alice")
            if who == "page":
                bob = await house.visitor()
                await bob.signed_in("bob")
                await bob.call("alice")
                await alice.click("#answer")
                await alice.until("callState() === 'connected'")
                await bob.until("callState() === 'connected'")
                house.stop_server()
                await alice.until("$('#status').dataset.state === 'reconnecting'")
                await bob.click("#hang-up")
            else:
                nursery.start_soon(alice.click, "#answer")
                async with (
                    trio_rtc.open_signaling(house.ws_url, name="bob") as python,
                    trio_rtc.open_call(python, await python.wait_for_peer("alice")),
                ):
                    await alice.until("callState() === 'connected'")
                    house.stop_server()
                    await alice.until("$('#status').dataset.state === 'reconnecting'")
            await told(alice, "bob has closed the connection.")
            assert await alice.run("return callState()") == ""
            assert alice.errors == []


NO_COMMON_CODEC = """
// As a browser that knows no codecs but its own.
const {setLocalDescription, setRemoteDescription} = RTCPeerConnection.prototype;
const known = / (CODECS)\\//g;
const foreign = ({type, sdp}) => ({type, sdp: sdp.replace(known, " X$1/")});
RTCPeerConnection.prototype.setLocalDescription = async function (description) {
  if (description || this.signalingState !== "stable")
    return setLocalDescription.call(this, description);
  await setLocalDescription.call(this);
  const said = foreign(this.localDescription);
  Object.defineProperty(this, "localDescription", {get: () => said, configurable: true});
};
RTCPeerConnection.prototype.setRemoteDescription = function (description) {
  return setRemoteDescription.call(this, foreign(description));
};
window.restore = () => Object.assign(
  RTCPeerConnection.prototype, {setLocalDescription, setRemoteDescription});
"""


VIDEO_CODECS = "VP8|VP9|H264|H265|AV1"
AUDIO_CODECS = "opus|G722|PCMU|PCMA"


async def test_a_video_codec_that_only_one_side_has(chromium: str) -> None:
    async def answer(call: Call) -> None:
        track = await anext(call.tracks)
        assert track.kind == "audio"
        await anext(aiter(track))
        heard.set()
        await call.wait_ended()

    heard = trio.Event()
    with trio.fail_after(200):
        async with open_house(chromium) as house, answering(house, answer):
            alice = await house.visitor()
            await alice.signed_in("alice")
            await alice.choose("picture")
            await alice.run(NO_COMMON_CODEC.replace("CODECS", VIDEO_CODECS))
            await alice.call("python")
            await alice.until("callState() === 'connected'")
            await heard.wait()
            assert alice.errors == []


async def test_codecs_that_only_one_side_has(chromium: str) -> None:
    async def answer(call: Call) -> None:
        await call.wait_ended()

    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            answering(house, answer),
            trio_rtc.open_signaling(house.ws_url, name="caller") as caller,
            trio_rtc.open_media(video="pattern") as tracks,
            trio.open_nursery() as nursery,
        ):
            alice = await house.visitor()
            await alice.signed_in("alice")
            await alice.choose("picture")
            await alice.run(NO_COMMON_CODEC.replace("CODECS", f"{VIDEO_CODECS}|{AUDIO_CODECS}"))
            await alice.call("python")
            # Python rejects both media and would go on with the channels. A page that bundles all
            # has its transport in the first section, and Chromium 156 moves it to no other.
            await told(alice, "the browser cannot use what python offers")
            await alice.screenshot("no-common-codec")
            await alice.until("callState() === ''")
            nursery.start_soon(alice.click, "#answer")
            peer = await caller.wait_for_peer("alice")
            with pytest.raises(trio_rtc.CallError, match="declined the call: bad_description"):
                async with trio_rtc.open_call(caller, peer, tracks=tracks):
                    pass
            await told(alice, "the browser cannot use what caller offers")
            await alice.run("restore()")
            await alice.call("python")
            await alice.until("callState() === 'connected'")
            assert alice.errors == []


async def test_a_section_that_one_side_does_not_want(chromium: str) -> None:
    """Alice's page hears so from a peer, and says so to Python."""
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            trio_rtc.open_signaling(house.ws_url, name="python") as python,
            trio_rtc.open_media(video="pattern", audio="tone") as [video, audio],
            trio.open_nursery() as nursery,
        ):
            alice, bob = await house.visitor(), await house.visitor()
            await alice.signed_in("alice")
            await alice.choose("picture")
            await bob.signed_in("bob")
            await bob.choose("picture")
            for visitor in (alice, bob):
                await visitor.run(
                    """
                    const {setLocalDescription} = RTCPeerConnection.prototype;
                    RTCPeerConnection.prototype.setLocalDescription = function (description) {
                      if (this.signalingState === "have-remote-offer")
                        for (const one of this.getTransceivers())
                          if (one.receiver.track.kind === "video") one.stop();
                      return setLocalDescription.call(this, description);
                    };
                    """
                )
            await alice.call("bob")
            await bob.click("#answer-video")
            for visitor in (alice, bob):
                await visitor.until("callState() === 'connected'")
                await visitor.until("$('.remote')?.matches('.audio-only')")
            await alice.say("hello")
            await bob.until("messages().includes('hello')")
            await bob.click("#hang-up")
            await alice.until("callState() === ''")
            nursery.start_soon(alice.click, "#answer-video")
            peer = await python.wait_for_peer("alice")
            async with trio_rtc.open_call(python, peer, tracks=[audio, video]) as call:
                async with await call.open_channel("chat") as channel:
                    await channel.send("still here")
                    await alice.until("messages().includes('still here')")
                track = await anext(call.tracks)
                assert track.kind == "audio"
                await anext(aiter(track))
            assert alice.errors == bob.errors == []


VANISH = """
const {setLocalDescription} = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.setLocalDescription = function () {
  // Neither an answer nor an error: a page that has been closed meanwhile.
  window.answering = true;
  return new Promise(() => {});
};
"""


@pytest.mark.parametrize("state", ["ringing", "connecting", "connected"])
async def test_a_page_that_is_closed_in_a_call_of_python(chromium: str, state: str) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            trio_rtc.open_signaling(house.ws_url, name="python") as python,
            trio.open_nursery() as nursery,
        ):
            alice = await house.visitor()
            await alice.signed_in("alice")

            async def vanish() -> None:
                await alice.until("!$('#incoming').hidden")
                if state == "connecting":
                    await alice.run(VANISH)
                    await alice.click("#answer")
                    await alice.until("window.answering")
                elif state == "connected":
                    await alice.click("#answer")
                    await alice.until("callState() === 'connected'")
                await alice.close()

            nursery.start_soon(vanish)
            peer = await python.wait_for_peer("alice")
            if state == "connected":
                async with trio_rtc.open_call(python, peer) as call:
                    end = await call.wait_ended()
                    assert (end.reason, end.detail) == ("peer_hung_up", "page_closed")
            else:
                with pytest.raises(trio_rtc.CallError) as raised:
                    async with trio_rtc.open_call(python, peer):
                        pass
                assert raised.value.code in ("peer_hung_up", "peer_left")
            bob = await house.visitor()
            await bob.signed_in("bob")
            nursery.start_soon(bob.click, "#answer")
            async with trio_rtc.open_call(python, await python.wait_for_peer("bob")):
                await bob.until("callState() === 'connected'")


ADDRESSES = {
    "ws://jane:s3cret@localhost/": "bad_url",
    "http://jane@localhost/": "bad_url",
    "ws://localhost/#x": "bad_url",
    "http://localhost/?x": "bad_url",
    "ftp://localhost/": "bad_url",
    "jane:s3cret@localhost": "bad_url",
    "localhost": "bad_url",
    "ws://127.0.0.1:1/": "server_unreachable",
    "http://127.0.0.1:1/": "server_unreachable",
}


async def test_addresses_that_are_none(chromium: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice = await house.visitor()
            for url, code in ADDRESSES.items():
                got = await alice.run(
                    """
                    const {openSignaling} = await import("/trio-rtc.js");
                    try {
                      await openSignaling(url, {name: "alice"});
                    } catch (error) {
                      return [error.name, error.code, error.message];
                    }
                    """,
                    url=url,
                )
                assert got[:2] == ["SignalingError", code], url
                assert "s3cret" not in got[2]

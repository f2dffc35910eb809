"""What guests find: ways to call, invitations, a name that is remembered."""

from __future__ import annotations

import pytest
import trio

from .browsers import House, Visitor, open_house, visiting

#: What a call sends, as the browser has it.
SENT = """
return window.connections.at(-1).getSenders().map(({track}) => track?.kind).filter(Boolean).sort();
"""

WATCH = """
window.connections = [];
const Original = RTCPeerConnection;
window.RTCPeerConnection = class extends Original {
  constructor(...options) { super(...options); connections.push(this); }
};
"""


async def invited(house: House, link: str, name: str) -> Visitor:
    """Somebody who opens the link of an invitation."""
    guest = await house.visitor(link)
    await guest.run(
        "$('#sign-in-form').elements.name.value = name; $('#sign-in-form').requestSubmit()",
        name=name,
    )
    await guest.until("document.body.dataset.view === 'room'")
    return guest


@pytest.mark.parametrize(
    ("way", "kinds"), [("video", ["audio", "video"]), ("voice", ["audio"]), ("chat", [])]
)
async def test_ways_to_call_and_to_answer(
    chromium: str, maybe_firefox: str | None, way: str, kinds: list[str]
) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house, visiting(house, maybe_firefox) as alice:
            bob = await house.visitor()
            for visitor, name in ((alice, "alice"), (bob, "bob")):
                await visitor.run(WATCH)
                await visitor.signed_in(name)
            await alice.call("bob", way)
            # The other side sees what the call is about, and answers likewise by pressing Enter.
            await bob.until("!$('#incoming').hidden")
            assert await bob.run("return document.activeElement.dataset.way") == way
            assert await bob.run("return document.body.dataset.ringing") == "incoming"
            assert await alice.run("return document.body.dataset.ringing") == "outgoing"
            await bob.run("document.activeElement.click()")
            for visitor in (alice, bob):
                await visitor.until("callState() === 'connected'")
                assert await visitor.run(SENT) == kinds
                await visitor.until("!document.body.dataset.ringing")
            if kinds:
                await alice.until("$('.remote')")
            await alice.click("#hang-up")
            await bob.until("callState() === ''")
            # Devices are given back.
            for visitor in (alice, bob):
                await visitor.until("$('#source').value === 'none'")
                assert await visitor.run("return $('#self-video').srcObject") is None
            assert alice.errors == bob.errors == []


async def test_an_answer_without_a_camera(chromium: str) -> None:
    """Who has none after all is told so, and may still chat: the call goes on ringing."""
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            await alice.signed_in("alice")
            await bob.signed_in("bob")
            await bob.run(
                """
                navigator.mediaDevices.getUserMedia = () =>
                  Promise.reject(new DOMException("none", "NotFoundError"));
                """
            )
            await alice.call("bob", "video")
            await bob.click("#answer-video")
            await bob.until("notices().some((one) => one.includes('There is no camera'))")
            assert not await bob.run("return $('#incoming').hidden")
            assert await bob.run("return document.activeElement.id") == "answer"
            await bob.click("#answer")
            await alice.until("callState() === 'connected'")
            assert alice.errors == bob.errors == []


async def test_an_invitation_leads_into_the_room(chromium: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice = await house.visitor()
            await alice.signed_in("alice", room="the den")
            await alice.click("#invite")
            link = await alice.until("$('#invitation').value")
            assert link == f"{house.url}/?room=the+den"
            bob = await invited(house, link, "bob")
            assert await bob.run("return $('#invited').textContent") == (
                "You are invited to the room the den."
            )
            await alice.until("people().includes('bob')")
            assert await bob.run("return $('#status').textContent") == "In the room the den"
            # Somebody in the common room is not there, and comes back as who he was.
            await bob.reload()
            assert await bob.run("return $('#sign-in-form').elements.name.value") == "bob"
            assert await bob.run("return $('#sign-in-form').elements.room.value") == "the den"
            assert alice.errors == bob.errors == []


async def test_a_private_invitation(chromium: str) -> None:
    """Only who has its link can be in a call with the one who has sent it."""
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice = await house.visitor()
            await alice.signed_in("alice", room="den")
            await alice.click("#invite-private")
            link = await alice.until("$('#invitation').value")
            bob = await invited(house, link, "bob")
            await alice.until("people().includes('bob')")
            for caller, callee, name in ((bob, alice, "alice"), (alice, bob, "bob")):
                await caller.call(name, "chat")
                await callee.click("#answer")
                for visitor in (alice, bob):
                    await visitor.until("callState() === 'connected'")
                    assert await visitor.run("return $('#verified').checkVisibility()")
                await caller.say("in private")
                await callee.until("messages().includes('in private')")
                await caller.click("#hang-up")
                await callee.until("callState() === ''")
            carol = await invited(house, f"{house.url}/?room=den", "carol")
            # What is no error is not shown for long.
            await alice.run(
                """
                window.heard = [];
                const keep = () => heard.push(...notices());
                new MutationObserver(keep).observe($("#notices"), {childList: true});
                """
            )
            await carol.call("alice", "chat")
            await carol.until("notices().some((one) => one.includes('only calls with a code'))")
            await alice.until("heard.some((one) => one.includes('carol has called without'))")
            # Who guesses at it burns it.
            mallory = await invited(house, f"{house.url}/?room=den#code=7-wrong", "mallory")
            await mallory.call("alice", "chat")
            await alice.click("#answer")
            for visitor in (alice, mallory):
                await visitor.until("notices().some((one) => one.includes('cannot be used again'))")
                await visitor.until("$('#private').hidden")
            await carol.call("alice", "chat")
            await alice.click("#answer")
            await carol.until("callState() === 'connected'")
            assert not await alice.run("return $('#verified').checkVisibility()")
            assert alice.errors == bob.errors == carol.errors == mallory.errors == []


async def test_devices_are_chosen_and_tried(chromium: str, maybe_firefox: str | None) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house, visiting(house, maybe_firefox) as alice:
            await alice.signed_in("alice")
            await alice.run("$('#devices').open = true")
            await alice.click("#test")
            await alice.until("$('#test-video').videoWidth > 100")
            if maybe_firefox is None:
                # Fake microphones beep; Firefox listens to none where no sound can be played.
                await alice.until("$('#level').value > 0.02")
            await alice.until("$('#test-result').textContent.includes('In use: ')")
            assert await alice.run("return $('#camera').options.length") > 1
            # Another one is used at once, and the next time.
            await alice.run(
                """
                window.asked = [];
                const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
                navigator.mediaDevices.getUserMedia = (wanted) => (asked.push(wanted), get(wanted));
                $("#microphone").selectedIndex = 1;
                $("#microphone").dispatchEvent(new Event("change"));
                """
            )
            wanted = await alice.run("return $('#microphone').value")
            await alice.until("asked.length === 1")
            await alice.screenshot("devices")
            await alice.click("#test")
            assert await alice.run("return $('#testing').hidden")
            await alice.choose("camera")
            assert [one["audio"] for one in await alice.run("return asked")] == [
                {"deviceId": wanted}, {"deviceId": wanted}
            ]  # fmt: skip
            await alice.reload()
            assert await alice.run(
                "return localStorage.getItem('trio-rtc-device-microphone')"
            ) == wanted  # fmt: skip
            assert alice.errors == []


async def test_who_is_mute_stays_so_with_another_source(chromium: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice = await house.visitor()
            await alice.signed_in("alice")
            await alice.choose("camera")
            await alice.click("#mute")
            await alice.choose("picture")
            sound = "return $('#self-video').srcObject.getAudioTracks()[0].enabled"
            assert not await alice.run(sound)
            assert await alice.run("return $('#mute').textContent") == "Unmute"
            await alice.click("#mute")
            assert await alice.run(sound)


async def test_who_sends_nothing_any_more_is_shown(
    chromium: str, maybe_firefox: str | None
) -> None:
    """A source that ends, of which browsers are told nothing."""
    with trio.fail_after(200):
        async with open_house(chromium) as house, visiting(house, maybe_firefox) as alice:
            bob = await house.visitor()
            await alice.signed_in("alice")
            await bob.signed_in("bob")
            await bob.choose("picture")
            await alice.call("bob", "chat")
            await bob.click("#answer-video")
            await alice.until("$('.remote video')?.videoWidth > 100")
            caption = "$('.remote figcaption').textContent"
            assert await alice.run(f"return {caption}") == "bob"
            assert await bob.run("return $('#nothing').textContent") == (
                "alice sends neither picture nor sound."
            )
            if maybe_firefox is None:
                # A picture may fill the screen, if a person wants that.
                press = "document.querySelector('.full-screen').click()"
                await alice.command("Runtime.evaluate", expression=press, userGesture=True)
                await alice.until("document.fullscreenElement?.matches('.remote')")
                await alice.until("$('.full-screen').textContent === 'Leave full screen'")
                await alice.click(".full-screen")
                await alice.until("!document.fullscreenElement")
            await bob.choose("none")
            await alice.until(f"{caption} === 'bob sends nothing any more'")
            await alice.screenshot("silent")
            await bob.choose("picture")
            await alice.until(f"{caption} === 'bob'")
            assert alice.errors == bob.errors == []

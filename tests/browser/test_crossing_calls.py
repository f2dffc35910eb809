"""Two at the page call each other at the same moment."""

from __future__ import annotations

import trio

from .browsers import open_house

HOLD_THE_OFFER = """
// The first description of ours waits for `begin`, or for one of theirs that is to be applied.
const {setLocalDescription, setRemoteDescription} = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.setLocalDescription = function (description) {
  if (window.begin) return setLocalDescription.call(this, description);
  return new Promise((resolve) => {
    window.begin = () => resolve(setLocalDescription.call(this, description));
  });
};
RTCPeerConnection.prototype.setRemoteDescription = function (description) {
  window.begin?.();
  return setRemoteDescription.call(this, description);
};
const {send} = WebSocket.prototype;
WebSocket.prototype.send = function (message) {
  this.addEventListener("message", ({data}) => {
    if (data.includes('"offer')) window.heard = true;
  });
  return send.call(this, message);
};
"""


async def test_two_who_call_each_other_at_once(chromium: str) -> None:
    with trio.fail_after(200):
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


async def test_an_offer_that_comes_while_one_is_made(chromium: str) -> None:
    with trio.fail_after(200):
        async with open_house(chromium) as house:
            alice, bob = await house.visitor(), await house.visitor()
            await bob.run(HOLD_THE_OFFER)
            await alice.signed_in("alice")
            await bob.signed_in("bob")
            await bob.call("alice")
            await bob.until("window.begin")
            await alice.call("bob")
            await bob.until("window.heard")
            await bob.run("begin()")
            for visitor in (alice, bob):
                await visitor.until("callState() === 'connected'")
            await alice.say("hello")
            await bob.until("messages().includes('hello')")
            assert alice.errors == bob.errors == []

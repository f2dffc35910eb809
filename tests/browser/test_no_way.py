"""A call that does not come about: the page says what was tried, in words of a person."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc.server.turn import TurnCredentials

from .browsers import open_house, visiting

#: What the page waits for 30 s has its time when the test says so.
HOLD_TIME = """
const real = window.setTimeout;
window.timesUp = [];
window.setTimeout = (work, wait, ...rest) =>
  wait === 30000 ? timesUp.push(work) && 0 : real(work, wait, ...rest);
"""

#: A network that lets nothing pass: no candidate of the other side is ever tried.
CUT_OFF = """
window.told = 0;
window.ours = 0;
RTCPeerConnection.prototype.addIceCandidate = async ({ candidate }) => { if (candidate) told++; };
const set = RTCPeerConnection.prototype.setLocalDescription;
RTCPeerConnection.prototype.setLocalDescription = function (...description) {
  this.addEventListener("icecandidate", ({ candidate }) => { if (candidate?.candidate) ours++; });
  return set.apply(this, description);
};
"""


async def test_nobody_answers(chromium: str) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            trio_rtc.open_signaling(house.ws_url, name="bob"),
        ):
            alice = await house.visitor()
            await alice.run(HOLD_TIME)
            await alice.signed_in("alice")
            await alice.call("bob")
            await alice.until("timesUp.length")
            await alice.run("timesUp[0]()")
            await alice.until("notices().includes('bob does not answer.')")
            assert alice.errors == []


@pytest.mark.parametrize("turn", [False, True])
async def test_there_is_no_way_between_the_two(
    chromium: str, maybe_firefox: str | None, turn: bool
) -> None:
    credentials = TurnCredentials("secret", ["turn:127.0.0.1:34789"])
    with trio.fail_after(200):
        async with (
            open_house(chromium, turn=credentials if turn else None) as house,
            visiting(house, maybe_firefox) as alice,
        ):
            bob = await house.visitor()
            await bob.signed_in("bob")
            await alice.run(HOLD_TIME + CUT_OFF)
            await bob.run(CUT_OFF)
            await alice.signed_in("alice")
            await alice.call("bob")
            await bob.click("#answer")
            await alice.until("told && ours")
            await alice.run("timesUp[0]()")
            said = await alice.until("notices()[0]")
            assert said.startswith("There was no connection to bob in time. (")
            assert " (host) does not reach " in said
            hint = "the TURN server has given no relay" if turn else "no TURN server was given"
            assert said.endswith(f"{hint})")
            await alice.screenshot("no-way")
            assert alice.errors == []

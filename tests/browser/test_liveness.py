"""A page that only listens: it notices a dead path, and is not taken for one that leaves."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc.server import ServerLimits
from trio_rtc.server.http.requests import Request
from trio_rtc.server.http.responses import Response

from ..signaling.proxy import open_proxy
from .browsers import Visitor, open_house, visiting

#: How much faster the page's time goes: it gives a server that is slow two seconds of ours.
SPEED = 4

HURRY = """
const {setTimeout, setInterval} = window;
window.setTimeout = (run, time, ...rest) => setTimeout(run, time / speed, ...rest);
window.setInterval = (run, time, ...rest) => setInterval(run, time / speed, ...rest);
const now = performance.now.bind(performance);
performance.now = () => now() * speed;
"""

STATES_OF_A_WHILE = """
states.length = 0;
await new Promise((resolve) => setTimeout(resolve, 20000));
return [...states];
"""


async def connected(alice: Visitor) -> None:
    await alice.until("$('#status').dataset.state === 'connected'")


@pytest.mark.parametrize("classic", [False, True], ids=["native", "classic"])
async def test_a_path_that_is_dead_is_noticed(chromium: str, classic: bool) -> None:
    limits = ServerLimits(poll_seconds=1)
    with trio.fail_after(200):
        async with (
            open_house(chromium, limits=limits) as house,
            open_proxy(house.port) as (proxy, port),
            trio_rtc.open_signaling(house.ws_url, name="python") as python,
        ):
            alice = await house.visitor(f"http://localhost:{port}/")
            await alice.run(HURRY, speed=SPEED)
            await alice.signed_in("alice", classic=classic)
            proxy.stall()
            await alice.until("$('#status').dataset.state === 'reconnecting'")
            proxy.flow()
            await connected(alice)
            # It is the same session: nobody has left.
            await python.send("alice", "nothing that a call would say")
            assert [peer.name for peer in python.peers.values()] == ["alice"]
            assert alice.errors == []


@pytest.mark.parametrize("classic", [False, True], ids=["native", "classic"])
async def test_a_page_on_a_path_that_works_stays_as_it_is(chromium: str, classic: bool) -> None:
    limits = ServerLimits(poll_seconds=1)
    with trio.fail_after(200):
        async with open_house(chromium, limits=limits) as house:
            alice = await house.visitor()
            await alice.run(HURRY, speed=SPEED)
            await alice.signed_in("alice", classic=classic)
            await alice.run(
                """
                window.states = [];
                new MutationObserver(() => states.push($("#status").dataset.state))
                  .observe($("#status"), {attributes: true});
                """
            )
            # A machine that stands still for two seconds has it ask once; a page that asks without
            # need does so each time.
            seen = [await alice.run(STATES_OF_A_WHILE)]
            while seen[-1] and len(seen) < 4:
                await connected(alice)
                seen.append(await alice.run(STATES_OF_A_WHILE))
            assert seen[-1] == [], seen


def nothing(request: Request) -> Response:
    return Response(204, "No Content", content_type=None)


def download(request: Request) -> Response:
    extra = {"Content-Disposition": "attachment; filename=x"}
    return Response(200, "OK", b"x", "application/octet-stream", extra=extra)


@pytest.mark.parametrize("path", ["nothing", "download"])
async def test_a_link_that_leads_nowhere_signs_nobody_out(
    chromium: str, maybe_firefox: str | None, path: str
) -> None:
    routes = {"/nothing": nothing, "/download": download}
    with trio.fail_after(200):
        async with (
            open_house(chromium, routes=routes) as house,
            trio_rtc.open_signaling(house.ws_url, name="python") as python,
            visiting(house, maybe_firefox) as alice,
        ):
            await alice.signed_in("alice")
            peer = await python.wait_for_peer("alice")
            await alice.run(
                """
                window.unloading = false;
                addEventListener("beforeunload", () => (window.unloading = true));
                setTimeout(() => (location.href = path));
                """,
                path=path,
            )
            await alice.until("window.unloading")
            await connected(alice)
            assert await alice.run("return document.body.dataset.view") == "room"
            await python.send(peer, "still there?")
            assert peer.id in python.peers


async def test_a_page_that_goes_without_a_connection_signs_out(chromium: str) -> None:
    """As in Firefox, which closes the WebSocket first: what was said last goes by a POST."""
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            open_proxy(house.port) as (proxy, port),
            trio_rtc.open_signaling(house.ws_url, name="python") as python,
        ):
            alice = await house.visitor(f"http://localhost:{port}/")
            await alice.run(
                """
                const {openSignaling} = await import("/trio-rtc.js");
                window.signaling = await openSignaling(`ws://${location.host}/`, {name: "alice"});
                """
            )
            peer = await python.wait_for_peer("alice")
            await alice.run("window.WebSocket = class { close() {} };")
            proxy.cut()
            await alice.until("signaling.state === 'reconnecting'")
            await alice.run(
                "signaling.send([...signaling.peers.values()][0], 'last'); signaling.close();"
            )
            heard = []
            async for event in python:
                heard.append(event)
                if event == trio_rtc.PeerLeft(peer):
                    break
            assert trio_rtc.MessageReceived(peer, b"last") in heard

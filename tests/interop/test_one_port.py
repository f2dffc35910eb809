"""Other stacks that call us on one port, of UDP and of TCP."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

import trio

from trio_rtc import Call, IceGatherOptions, serve_calls
from trio_rtc.testing import MemoryHub

from ..browser.firefox import open_firefox_page
from ..peerjs.chromium import open_browser
from ..ports import free_port
from .foreign import Foreign, needs_libwebrtc, open_foreign, open_page_peer


async def have_them_call(
    hub: MemoryHub, peers: list[Foreign], gathering: IceGatherOptions, protocol: str
) -> None:
    """All call at once, and each has something said to it and says it again."""
    ways: list[tuple[str, int]] = []
    done = trio.Semaphore(0)

    async def handle(call: Call) -> None:
        async with await call.open_channel("echo") as channel:
            for text in ("hello", "still there?"):
                await channel.send(text)
                assert await channel.receive() == text
            await call.restart()
            await channel.send("after a restart")
            assert await channel.receive() == "after a restart"
        stats = await call.stats()
        assert stats.local_candidate is not None
        ways.append((stats.local_candidate.protocol, stats.local_candidate.port))
        done.release()
        await call.wait_ended()

    async with trio.open_nursery() as nursery:
        alice = hub.sign_in("alice")
        nursery.start_soon(lambda: serve_calls(handle, alice, ice_gathering=gathering))
        for peer in peers:
            nursery.start_soon(partial(peer.do, "call", media=(), channel=True))
        for _ in peers:
            await done.acquire()
        nursery.cancel_scope.cancel()
    assert ways == [(protocol, gathering.udp_mux)] * len(peers)


@needs_libwebrtc
async def test_browsers_and_libwebrtc_on_one_port(chromium: str, firefox: str) -> None:
    hub = MemoryHub()
    with trio.fail_after(200):
        async with AsyncExitStack() as stack:
            browser = await stack.enter_async_context(open_browser(chromium))
            page = await browser.open_page("about:blank")
            tab = await stack.enter_async_context(open_firefox_page(firefox, "about:blank"))
            peers = [
                await stack.enter_async_context(open_page_peer(hub, name, "alice", one))
                for name, one in (("Chromium", page), ("Firefox", tab))
            ]
            peers.append(await stack.enter_async_context(open_foreign(hub, "libwebrtc", "alice")))
            await have_them_call(hub, peers, IceGatherOptions(udp_mux=free_port()), "udp")


async def test_chromium_connects_to_our_port_of_tcp(chromium: str) -> None:
    """Two pages of it, where nothing else gets through; it has active candidates only."""
    hub = MemoryHub()
    with trio.fail_after(200):
        async with AsyncExitStack() as stack:
            browser = await stack.enter_async_context(open_browser(chromium))
            peers = [
                await stack.enter_async_context(
                    open_page_peer(
                        hub, f"page {n}", "alice", await browser.open_page("about:blank")
                    )
                )
                for n in range(2)
            ]
            for peer in peers:
                peer.only = "tcp"
            gathering = IceGatherOptions(udp_mux=free_port(), tcp=True)
            await have_them_call(hub, peers, gathering, "tcp")

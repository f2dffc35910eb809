"""The page behind nginx: under a path of its own, and with a server that is out of reach."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

import trio_rtc

from ..proxies.proxies import nginx
from ..signaling.proxy import open_proxy
from .browsers import open_house

#: It is impatient, and has answers not kept by the caches of another time.
NGINX = "proxy_read_timeout 2s; add_header Pragma no-cache always;"


@pytest.mark.parametrize("classic", [False, True], ids=["native", "classic"])
async def test_a_server_that_is_out_of_reach_for_a_moment(
    chromium: str, classic: bool, tmp_path: Path
) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            open_proxy(house.port) as (path, behind),
            nginx(tmp_path, behind, NGINX) as proxy,
            trio_rtc.open_signaling(house.ws_url, name="python") as python,
        ):
            alice = await house.visitor(f"http://localhost:{proxy.port}/rtc/")
            await alice.signed_in("alice", classic=classic)
            for trouble, status in (("refuses", 502), ("hangs", 504)):
                if trouble == "refuses":
                    path.up = False
                    path.cut()
                else:
                    path.stall()
                await proxy.answered(status)
                await alice.until("$('#status').dataset.state === 'reconnecting'")
                path.up = True
                path.flow()
                await alice.until("$('#status').dataset.state === 'connected'")
            async with trio_rtc.open_signaling(house.ws_url, name="carol"):
                carol = await python.wait_for_peer("carol")
                await alice.until("people().includes('carol')")
            # It is the same session: nobody has seen it go.
            async for event in python:
                assert not isinstance(event, trio_rtc.PeerLeft) or event.peer == carol
                if event == trio_rtc.PeerLeft(carol):
                    break
            assert alice.errors == []


@pytest.mark.parametrize("classic", [False, True], ids=["native", "classic"])
async def test_a_gateway_without_a_server(chromium: str, classic: bool, tmp_path: Path) -> None:
    with trio.fail_after(200):
        async with (
            open_house(chromium) as house,
            open_proxy(house.port) as (path, behind),
            nginx(tmp_path, behind) as proxy,
        ):
            alice = await house.visitor(f"http://localhost:{proxy.port}/")
            path.up = False
            path.cut()
            await alice.sign_in("alice", classic=classic)
            await alice.until("notices().includes('The signaling server does not answer.')")

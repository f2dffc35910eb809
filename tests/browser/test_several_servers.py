"""Several servers of a page: its modules in Node ask another when one does not let them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import shared_secret
from trio_rtc.signaling import open_signaling
from trio_rtc.wire.close_codes import REASONS, CloseCode

from ..node import NODE
from ..ports import free_port
from ..server.harness import tcp_server
from ..signaling.scripted_native import native_script
from .test_signaling_modules import FOLDER
from .test_signaling_modules import modules as modules

SCHEMES = ("ws", "http")


async def page(
    modules: Path, *urls: str, token: str = "", silent: str = ""
) -> list[dict[str, Any]]:
    """What happens to a page with these servers."""
    script = f"{FOLDER / 'servers_module.mjs'}"
    command = [f"{NODE}", script, f"{modules}", token, silent, *urls]
    with trio.fail_after(200):
        done = await trio.run_process(command, capture_stdout=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_those_that_do_not_let_it_in(modules: Path, scheme: str) -> None:
    """One is not there, one says nothing, one is full."""
    (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with silent, tcp_server(limits=ServerLimits(peers=1)) as full, tcp_server() as other:
        ports = [free_port(), silent.socket.getsockname()[1], full]
        urls = [f"{scheme}://127.0.0.1:{port}" for port in ports]
        async with open_signaling(urls[-1], name="alice"):
            there = f"{scheme}://127.0.0.1:{other}"
            assert await page(modules, *urls, there, silent=urls[1]) == [{"server": there}]
            (failed,) = await page(modules, *urls, silent=urls[1])
    assert failed["code"] == "server_unreachable"
    for url in urls:
        assert f"{url}: " in failed["message"]


async def test_a_token_that_every_other_one_would_refuse_too(modules: Path) -> None:
    async with tcp_server(authorize=shared_secret("x")) as port, tcp_server() as other:
        urls = [f"ws://127.0.0.1:{one}" for one in (port, other)]
        (failed,) = await page(modules, *urls, token="y")
    assert failed["code"] == "not_authorized"


async def test_a_session_goes_on_with_another_one(modules: Path) -> None:
    async with native_script() as first, native_script() as second, trio.open_nursery() as nursery:

        async def talk() -> None:
            guest = await first.guest()
            await guest.welcome()
            # One that ends is not asked first.
            await guest.close(CloseCode.GOING_AWAY, REASONS[CloseCode.GOING_AWAY])
            other = await second.guest()
            assert (await other.hear())["type"] == "resume"
            await other.say(type="resumed", received=0)
            assert (await other.hear())["type"] == "leave"
            await other.close(CloseCode.LEFT, REASONS[CloseCode.LEFT])

        nursery.start_soon(talk)
        seen = await page(modules, first.url, second.url, token="stay")
    assert seen == [{"server": first.url}, {"server": second.url}]

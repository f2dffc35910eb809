"""What the page on PeerJS shows is run as it stands there, against real servers and a browser."""

from __future__ import annotations

import re
from functools import partial

import pytest
import trio

from trio_rtc.cli.server_settings import SETTINGS
from trio_rtc.peerjs import open_peerjs

from ..peerjs.conftest import chromium as chromium
from ..peerjs.pages import open_stage
from ..ports import free_port
from ..server.harness import tcp_server
from .pages import ROOT, blocks_of, function_of

PAGE = (ROOT / "docs" / "peerjs.md").read_text()
BLOCKS = blocks_of("peerjs.md")
function = partial(function_of, BLOCKS)


def block(wanted: str, number: int = 0) -> str:
    return [text for language, text in BLOCKS if language == wanted][number]


async def test_python_peers(capsys: pytest.CaptureFixture[str]) -> None:
    async with tcp_server() as port, trio.open_nursery() as nursery:
        url = f"http://127.0.0.1:{port}/"
        await nursery.start(function("answer"), url)
        await function("ask")(url)
        await function("film")(url)
        nursery.cancel_scope.cancel()
    assert capsys.readouterr().out == block("text")


async def test_the_page(chromium: str) -> None:
    async with open_stage(chromium) as stage:
        page = await stage.page()
        await page.run(
            f"window.shown = []; window.show = text => shown.push(text);{block('javascript')}"
        )
        assert await page.run("await until(() => shown.length); return shown") == [
            "signed in as alice"
        ]
        async with open_peerjs(stage.url) as peer, peer.connect("alice") as connection:
            await connection.send({"a": 1})
            assert await page.run("await until(() => shown.length > 1); return shown[1]") == {
                "a": 1
            }


async def test_a_page_with_several_servers(chromium: str) -> None:
    async with open_stage(chromium) as stage:
        page = await stage.page()
        shown = await page.run(
            f"window.shown = []; window.show = text => shown.push(text);{block('javascript', 1)}"
            "const [host, port] = [location.hostname, Number(location.port)];"
            "stay('alice', 'mine', [{host, port: gone}, {host, port}]);"
            "await until(() => shown.length); return shown",
            gone=free_port(),
        )
        assert shown == [f"signed in at port {stage.url.rpartition(':')[2]}"]


def test_the_settings_are_those_of_the_server() -> None:
    named = set(re.findall(r"^\| `(peerjs\w*)` \|", PAGE, re.M))
    assert named == {one.name for one in SETTINGS if one.name.startswith("peerjs")}


def test_the_blocks_are_all_run() -> None:
    assert sorted(language for language, _ in BLOCKS) == [*2 * ["javascript"], "python", "text"]

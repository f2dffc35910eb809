"""The page's signaling, in Node, with servers that play by a script."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import trio

from ..node import NODE, PACKAGES
from ..signaling.scripted_native import NativeScript, native_script
from ..signaling.scripted_server import scripted_server
from ..signaling.test_gateways import http

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent.parent / "trio_rtc" / "page"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """The page's modules, which Node takes for such."""
    if (NODE is None or not (PACKAGES / "ws").is_dir()) and "CI" not in os.environ:
        pytest.skip("Node is not installed, or ws with npm")
    for file in PAGE.glob("*.js"):
        shutil.copy(file, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


async def test_connections_that_end_at_once_are_made_again_ever_later(modules: Path) -> None:
    async def play(server: NativeScript) -> None:
        guest = await server.guest()
        await guest.welcome()
        await guest.close(1011, "internal_error")
        while True:
            guest = await server.guest()
            assert (await guest.hear())["type"] == "resume"
            await guest.say(type="resumed", received=0)
            await guest.close(1011, "internal_error")

    async with native_script() as server, trio.open_nursery() as nursery:
        nursery.start_soon(play, server)
        script = f"{FOLDER / 'native_module.mjs'}"
        command = [f"{NODE}", script, f"{modules}", server.url, "6"]
        with trio.fail_after(200):
            done = await trio.run_process(command, capture_stdout=True)
        nursery.cancel_scope.cancel()
    assert json.loads(done.stdout) == [100, 200, 400, 800, 1600, 3200]


async def test_what_answers_in_the_servers_place_is_no_message(modules: Path) -> None:
    """Nor is it an end; and a number may stand beside what a proxy has added."""
    hello = http("200 OK", b"hello", ours=True, pragma=2).replace(
        b"Pragma: 2\r\n", b"Pragma: 2\r\nPragma: no-cache\r\n"
    )
    stop = http("200 OK", b"stop", ours=True, pragma=2)
    polls = [http("200 OK", b"<html>", pragma=2), hello, http("404 Not Found", b"<html>"), stop]

    async def answer(target: str, body: bytes) -> bytes:
        if target.startswith("/sign_in"):
            return http("200 Added", b"alice,1,1\n", ours=True, pragma=1)
        return polls.pop(0)

    async with scripted_server(answer) as server:
        script = f"{FOLDER / 'classic_module.mjs'}"
        with trio.fail_after(200):
            done = await trio.run_process(
                [f"{NODE}", script, f"{modules}", server.url], capture_stdout=True
            )
    assert json.loads(done.stdout) == ["hello"]


@pytest.mark.parametrize(
    ("word", "seen"),
    [
        (http("404 Not Found", b"<html>"), []),
        (http("500 Internal Server Error", b"<html>"), []),
        (http("403 Forbidden", b"<html>"), []),
        (http("500 Error", b"Peer most likely gone."), "signed_out"),
    ],
    ids=["404", "500", "403", "its own"],
)
async def test_what_gateways_say_is_not_the_word_of_libwebrtcs_server(
    modules: Path, word: bytes, seen: object
) -> None:
    polls = [word, http("200 OK", b"stop", pragma=2)]

    async def answer(target: str, body: bytes) -> bytes:
        if target.startswith("/sign_in"):
            return http("200 Added", b"alice,1,1\n", pragma=1)
        return polls.pop(0)

    async with scripted_server(answer) as server:
        script = f"{FOLDER / 'classic_module.mjs'}"
        with trio.fail_after(200):
            done = await trio.run_process(
                [f"{NODE}", script, f"{modules}", server.url], capture_stdout=True
            )
    assert json.loads(done.stdout) == seen

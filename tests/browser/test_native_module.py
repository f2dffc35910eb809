"""The page's native signaling, in Node, with a server that plays by a script."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import trio

from ..node import NODE, PACKAGES
from ..signaling.scripted_native import NativeScript, native_script

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent.parent / "trio_rtc" / "page"


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """The page's modules, which Node takes for such."""
    if NODE is None or not (PACKAGES / "ws").is_dir():
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
        with trio.fail_after(30):
            done = await trio.run_process(command, capture_stdout=True)
        nursery.cancel_scope.cancel()
    assert json.loads(done.stdout) == [100, 200, 400, 800, 1600, 3200]

"""The commands of the page on commands are typed as they stand there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..consoles import sleep_until_listening
from ..ports import free_port
from ..processes import besides_slowness
from .console_blocks import WAIT
from .pages import blocks_of, texts_of

COMMANDS = texts_of("commands.md", "console")


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in blocks_of("commands.md")} == {"console"}
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("block", COMMANDS)
def test_the_commands(block: str, tmp_path: Path) -> None:
    lines = block.splitlines()
    assert all(line.startswith("$ ") for line in lines)
    port = str(free_port())
    script = "\n".join(line.removeprefix("$ ").replace("8888", port) for line in lines)
    ready = sleep_until_listening(int(port))
    script = f"set -e\ntrap 'kill $(jobs -p)' EXIT\n{ready}{script}\n{WAIT}"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if "trio-rtc send" in block:
        # What is for people goes to standard error.
        assert done.stderr.endswith("sent 1 file, 6 bytes\n")
        assert (tmp_path / "received" / "greeting.txt").read_text() == "hello\n"
        return
    if "trio-rtc load" in block:
        assert (tmp_path / "view.webm").stat().st_size > 1000
        assert "signed in  4 of 4" in done.stdout
        return
    assert besides_slowness(done.stderr) == ""
    if "--record view.mp4" in block:
        assert (tmp_path / "view.mp4").stat().st_size > 10_000
    else:
        assert "bob: hello" in done.stdout

"""What the README shows is run as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trio_rtc.rtc.backend.ice.host_addresses import host_addresses

from ..ports import free_port

ROOT = Path(__file__).parent.parent.parent
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
CONSOLE = [text for language, text in BLOCKS if language == "console"]
COMMANDS = [text for text in CONSOLE if "trio-rtc" in text]
SCRIPTS = [text.removeprefix("$ ").strip() for text in CONSOLE if text not in COMMANDS]

# The server is the first job, and runs on; the clients after it come to an end.
WAIT = 'set -- $(jobs -p); shift; for job; do wait "$job"; done\n'


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert [
        language for language, _ in BLOCKS if language not in ("console", "python", "text")
    ] == []
    assert SCRIPTS == ["scripts/demo", "scripts/test"]
    assert len(COMMANDS) == 3


def test_the_first_program() -> None:
    (program,) = (text for language, text in BLOCKS if language == "python")
    (output,) = (text for language, text in BLOCKS if language == "text")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (output, "")


@pytest.mark.parametrize("block", COMMANDS)
def test_the_commands(block: str, tmp_path: Path) -> None:
    lines = block.splitlines()
    assert all(line.startswith("$ ") for line in lines)
    port = str(free_port())
    script = "\n".join(line.removeprefix("$ ").replace("8888", port) for line in lines)
    script = f"set -e\ntrap 'kill $(jobs -p)' EXIT\n{script}\n{WAIT}"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if "trio-rtc send" in block:
        # What is for people goes to standard error.
        assert done.stderr.endswith("sent 1 file, 6 bytes\n")
        assert (tmp_path / "received" / "greeting.txt").read_text() == "hello\n"
        return
    assert done.stderr == ""
    if "--record view.mp4" in block:
        assert (tmp_path / "view.mp4").stat().st_size > 10_000
    else:
        assert "bob: hello" in done.stdout


@pytest.mark.skipif(
    all(address in ("127.0.0.1", "::1") for address in host_addresses()) and "CI" not in os.environ,
    reason="there is no network, and what a fresh checkout needs comes from a package registry",
)
@pytest.mark.timeout(400)
def test_the_demo_in_a_fresh_checkout(tmp_path: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, tracked.stdout.split("\0")):
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    done = subprocess.run(
        [tmp_path / "scripts" / "demo"], cwd="/", capture_output=True, text=True, timeout=390
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [
        "listening", "signed in", "found", "offer to", "ICE candidates", "answer to",
        "connected to", "received a message", "first frame of audio", "first frame of video",
        "hung up", "done",
    ]  # fmt: skip
    for step in steps:
        assert step in done.stdout, done.stdout
    assert re.search(r"hung up.*: [1-9]\d* of video, [1-9]\d* of audio", done.stdout)

"""What the README shows is run as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from trio_rtc.rtc.backend.ice.host_addresses import host_addresses

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.S | re.M)
CONSOLE = [text for language, text in BLOCKS if language == "console"]
SCRIPTS = [text.removeprefix("$ ").strip() for text in CONSOLE if "scripts/" in text]
#: What tests/browser/test_from_a_phone.py types.
FROM_A_PHONE = [text for text in CONSOLE if "scripts/" not in text]


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert [
        language for language, _ in BLOCKS if language not in ("console", "python", "text")
    ] == []
    assert SCRIPTS == ["scripts/demo", "scripts/test"]
    assert len(FROM_A_PHONE) == 1


def test_the_first_program() -> None:
    (program,) = (text for language, text in BLOCKS if language == "python")
    (output,) = (text for language, text in BLOCKS if language == "text")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=200
    )
    assert (done.stdout, done.stderr) == (output, "")


def test_the_badges_are_true() -> None:
    badges = dict(re.findall(r"img\.shields\.io/badge/(\w+)-([\w.%]+)-", README))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert badges["python"] == project["project"]["requires-python"].removeprefix(">=") + "%2B"
    assert badges["licence"] == project["project"]["license"]
    assert badges["mypy"] == "strict"
    assert project["tool"]["mypy"]["strict"]


def test_it_says_in_five_lines_what_it_is() -> None:
    about = next(part for part in README.split("\n\n") if part.startswith("WebRTC for"))
    assert len(about) < 5 * 110


@pytest.mark.parametrize("target", re.findall(r"\]\(([^):#]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


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
        # What tests beside this one make for a moment is nothing of the project.
        with suppress(FileNotFoundError):
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

"""What a release is known by: its version, its licence, its changes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import trio_rtc

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version() -> None:
    assert trio_rtc.__version__ == PROJECT["version"]
    assert "__version__" in dir(trio_rtc)
    shown = subprocess.run(
        [sys.executable, "-m", "trio_rtc", "--version"], capture_output=True, text=True, check=True
    )
    assert (shown.stdout, shown.stderr) == (f"trio-rtc {PROJECT['version']}\n", "")


def test_the_licence_travels_with_the_distribution() -> None:
    distributed = metadata("trio-rtc")
    assert distributed["License-Expression"] == PROJECT["license"] == "MIT"
    assert distributed.get_all("License-File") == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


def test_the_changes_of_this_version_are_told() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text().split("\n")

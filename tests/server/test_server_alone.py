"""The server alone: its own distribution, in an environment without anything else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
import trio
from packaging.requirements import Requirement

from trio_rtc import SignalingError, __version__, open_signaling

from ..listening import listening
from ..ports import free_port
from ..scripts import ROOT

MAX_BYTES = 60_000_000


def needed(requirements: list[str], extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """What has to be installed for these, and for what they need."""
    for text in requirements:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": one}) for one in {"", *extras}):
            one = distribution(requirement.name)
            yield one
            yield from needed(one.requires or [], frozenset(requirement.extras))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "CI" not in os.environ:
        pytest.importorskip(
            "hatchling", reason="hatchling is not installed (pip install -e .[dev])"
        )
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT / "packaging" / "server",
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def requirements_of(wheel: Path) -> list[str]:
    return metadata_of(wheel).get_all("Requires-Dist") or []


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    paths = sysconfig.get_paths("venv", {"base": str(folder), "platbase": str(folder)})
    packages = Path(paths["purelib"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())
    for one in {each.name: each for each in needed(requirements_of(wheel))}.values():
        files = [file for file in one.files or [] if ".." not in file.parts]
        size += sum(
            Path(str(file.locate())).stat().st_size for file in files if file.suffix != ".pyc"
        )
        for top in {file.parts[0] for file in files} - {"__pycache__"}:
            (packages / top).symlink_to(Path(str(one.locate_file(top))))
    assert size < MAX_BYTES
    return folder / "bin" / "python"


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-I", *arguments], capture_output=True, text=True, timeout=60)


def test_it_is_the_same_release_with_less(wheel: Path) -> None:
    metadata = metadata_of(wheel)
    assert (metadata["Name"], metadata["Version"]) == ("trio-rtc-server", __version__)
    names = {one.name.lower() for one in needed(requirements_of(wheel))}
    assert "trio" in names
    assert not names & {"av", "aiortc", "aioice", "pylibsrtp", "httpx"}
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert {"trio_rtc/py.typed", "trio_rtc/page/index.html"} <= inside
    assert not [name for name in inside if name.endswith(".pyc") or "node_modules" in name]


async def test_a_server_that_signs_tokens_and_lets_in_who_has_one(
    alone: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef")
    port = free_port()
    key = ["--jwt-key-file", str(tmp_path / "key")]
    command = [str(alone), "-I", "-W", "error", "-m", "trio_rtc"]
    server = [*command, "server", "--host", "127.0.0.1", "--port", str(port), *key]
    made = run(alone, "-m", "trio_rtc", "token", "create", "--key-file", str(tmp_path / "key"))
    assert (made.returncode, made.stderr) == (0, "")
    url = f"ws://127.0.0.1:{port}"
    with trio.fail_after(60):
        async with listening(server, tmp_path, tmp_path / "log", ("127.0.0.1", port)):
            async with open_signaling(url, name="ann", token=made.stdout.strip()) as ann:
                assert ann.name == "ann"
            with pytest.raises(SignalingError, match="token"):
                async with open_signaling(url, name="bob"):
                    pass


def test_what_is_not_there_is_named_in_a_line(alone: Path) -> None:
    assert run(alone, "-m", "trio_rtc", "--version").stdout == f"trio-rtc {__version__}\n"
    sent = run(alone, "-m", "trio_rtc", "send", "file")
    assert sent.returncode == 1
    assert sent.stderr.startswith("trio-rtc send: ")
    assert sent.stderr.endswith(
        "is not installed: all that trio-rtc needs comes by pip install trio-rtc\n"
    )
    assert sent.stderr.count("\n") == 1
    relay = run(alone, "-m", "trio_rtc", "server", "--relay")
    assert relay.returncode == 2
    assert relay.stderr == (
        "trio-rtc server: --relay: it needs the media stack: pip install trio-rtc\n"
    )
    used = run(alone, "-c", "import trio_rtc; trio_rtc.serve_signaling; trio_rtc.open_call")
    assert used.stderr.splitlines()[-1].startswith("ImportError: ")
    assert "pip install trio-rtc" in used.stderr

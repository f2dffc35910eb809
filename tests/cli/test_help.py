"""What the commands say of themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from trio_rtc.cli.app import app

NAMES = sorted(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_in_its_two_forms(name: str) -> None:
    shown = [
        CliRunner().invoke(app, [*name.split(), flag], prog_name="trio-rtc")
        for flag in ("-h", "--help")
    ]
    assert [one.exit_code for one in shown] == [0, 0]
    assert shown[0].output == shown[1].output
    assert f"Usage: trio-rtc {name}".rstrip() in shown[0].output


@pytest.mark.parametrize(
    "name",
    ["server", "send", "receive", "forward", "record", "play", "call", "load", "peers", "doctor"],
)
def test_examples_and_exit_statuses(name: str) -> None:
    output = CliRunner().invoke(app, [name, "--help"]).output
    assert "Examples: " in output
    assert "exit status" in " ".join(output.split())


def test_shells_complete() -> None:
    output = CliRunner().invoke(app, ["--help"]).output
    assert "--install-completion" in output


@pytest.mark.parametrize(
    ("loading", "kept_out"),
    [
        ("import trio_rtc.cli.app", {"trio", "trio_rtc.server", "aiortc", "av"}),
        ("import trio_rtc.cli.diagnosis.peers", {"aiortc", "aioice", "av"}),
        ("import trio_rtc.server.token_signing", {"aiortc", "aioice", "av"}),
    ],
    ids=["help and version", "peers", "token"],
)
def test_what_a_command_does_not_need_is_not_loaded(loading: str, kept_out: set[str]) -> None:
    code = f"import sys\n{loading}\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not kept_out & set(ran.stdout.split())

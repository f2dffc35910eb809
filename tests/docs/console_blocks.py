"""Runs what stands in a console block, as somebody would who types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Final

from ..consoles import sleep_until_listening
from ..ports import free_port

#: Clients come to an end by themselves; the server, which is the first job, is ended then.
PRELUDE: Final = """
set -eu
trap 'trap - EXIT; kill $(jobs -p) 2>/dev/null || true; wait' EXIT
"""
WAIT: Final = 'set -- $(jobs -p); [ $# = 0 ] || shift; for job; do wait "$job"; done\n'


def commands_of(block: str) -> tuple[str, list[str]]:
    """The commands of a block, and the lines that they are to print."""
    commands, printed = [], []
    for line in block.splitlines():
        if line.startswith(("$ ", "> ")):
            commands.append(line[2:])
        else:
            printed.append(line)
    return "\n".join(commands), printed


def going_on_when_ready(script: str) -> str:
    """Commands that go on when the last one in the background is signed in, or listens.

    Whoever types sees that; ``sleep`` in a block stands for it, and is too short on a busy machine.
    Its process is ``$program``.
    """
    numbers = count()

    def waited_for(_: re.Match[str]) -> str:
        log = f"{next(numbers)}.log"
        return (
            f" > {log} 2>&1 &\nprogram=$!\n"
            f"until grep -qsE 'listening|signed in' {log}; do kill -0 $program; sleep 0.1; done\n"
            f"cat {log}"
        )

    lines = [line for line in script.splitlines() if not line.startswith("sleep ")]
    return re.sub(r" &$", waited_for, "\n".join(lines), flags=re.M)


def run_console(block: str, folder: Path) -> str:
    """Run the commands of a block in a folder, with a port of their own; what they print."""
    commands, printed = commands_of(block)
    port = free_port()
    script = PRELUDE + (sleep_until_listening(port) if "trio-rtc server" in commands else "")
    script += commands.replace("8888", str(port)) + "\n" + WAIT
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in printed:
        assert line in done.stdout.splitlines()
    return done.stdout

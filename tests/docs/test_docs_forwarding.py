"""What docs/forwarding.md shows is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from trio_rtc.wire.channel_protocols import FORWARD, LISTEN

from ..ports import free_port
from .test_docs_files import FRAME

PAGE = (Path(__file__).parent.parent.parent / "docs" / "forwarding.md").read_text()


def test_the_example() -> None:
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.S | re.M)
    [*_, output] = re.findall(r"^```text\n(.*?)^```$", PAGE, re.S | re.M)
    ports = f"TARGET, LISTEN = {free_port()}, {free_port()}\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{ports}{program}\n{FRAME}"],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert (done.stdout, done.stderr) == (output, "")


def test_the_protocols_are_those_of_the_code() -> None:
    assert f"`{FORWARD}`" in PAGE
    assert f"`{LISTEN}`" in PAGE

"""The ``trio-rtc`` command."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, or those of the process, and exit."""
    # Importing takes long enough for somebody to press Ctrl-C, and an exception in the middle of
    # it could come out as any other. While a command runs, it hears of the signal instead.
    signal.signal(signal.SIGINT, _leave)
    for stream in (sys.stdout, sys.stderr):
        # Others may have any name: what the terminal cannot show is no reason to end.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    from .app import app

    app(args=None if arguments is None else list(arguments), prog_name="trio-rtc")


def _leave(signal_number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"trio-rtc: interrupted\n")
    os._exit(128 + signal_number)

"""The ``trio-rtc`` command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, or those of the process, and exit."""
    try:
        # Importing takes long enough for somebody to press Ctrl-C.
        from .app import app

        app(args=None if arguments is None else list(arguments), prog_name="trio-rtc")
    except KeyboardInterrupt:
        print("trio-rtc: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)

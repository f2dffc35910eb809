"""What commands say: a line for people, or a JSON object for programs."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ..terminal.wrapping import print_wrapped


class Events:
    """Says what happens: on standard output, and errors on standard error as well.

    Args:
        command: which command this is.
        as_json: whether programs read it.
    """

    def __init__(self, command: str, as_json: bool):
        self._command = command
        self.as_json = as_json

    def say(self, event: str, text: str, **fields: Any) -> None:
        """Tell of an event: people its text, programs its fields."""
        if self.as_json:
            text = json.dumps({"event": event, "time": time.time(), **fields})
            print(text, flush=True)
        else:
            print_wrapped(text, sys.stdout)

    def hint(self, text: str) -> None:
        """Tell people what is waited for, or what they may do."""
        if not self.as_json:
            print_wrapped(text, sys.stderr)

    def error(self, code: str, message: str) -> None:
        """Tell of what went wrong."""
        print_wrapped(f"trio-rtc {self._command}: {message}", sys.stderr)
        if self.as_json:
            self.say("error", "", code=code, message=message)

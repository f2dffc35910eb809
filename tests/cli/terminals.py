"""Commands in a terminal, as people have them."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl


class Terminal:
    """A command in a terminal of so many columns."""

    def __init__(self, columns: int, *words: str, **environment: str):
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trio_rtc", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        self._slave = slave
        self.shown = b""

    def until(self, pattern: str, seconds: float = 30) -> re.Match[bytes]:
        """Read until this is shown."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern.encode(), self.shown)):
            ready, _, _ = select.select([self._master], [], [], deadline - time.monotonic())
            assert ready, self.shown.decode(errors="replace")
            self.shown += os.read(self._master, 65536)
        return found

    def next(self, pattern: str) -> re.Match[bytes]:
        """The same, of what was not looked at by this before."""
        found = self.until(pattern)
        self.shown = self.shown[found.end() :]
        return found

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows by itself what is typed."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Its exit status, when all is read."""
        os.close(self._slave)
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                break
            self.shown += data
        os.close(self._master)
        return self.process.wait(30)

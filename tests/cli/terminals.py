"""Commands in a terminal, as people have them."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import trio


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
            # It is the terminal that makes a signal of Ctrl-C.
            start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm", **environment},
        )
        self._slave = slave
        self.shown = b""

    async def until(self, pattern: str, seconds: float = 200) -> re.Match[bytes]:
        """Read until this is shown."""
        with trio.move_on_after(seconds):
            while not (found := re.search(pattern.encode(), self.shown)):
                if not await self._read():
                    break
            else:
                return found
        raise AssertionError(f"not shown: {pattern}\n{self.shown.decode(errors='replace')}")

    async def next(self, pattern: str) -> re.Match[bytes]:
        """The same, of what was not looked at by this before."""
        found = await self.until(pattern)
        self.shown = self.shown[found.end() :]
        return found

    async def _read(self) -> bool:
        """Wait for more; whether there was some."""
        await trio.lowlevel.wait_readable(self._master)
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # The last one who could write has closed it.
            return False
        self.shown += data
        return bool(data)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows by itself what is typed."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def end(self) -> int:
        """Its exit status, when all is read."""
        os.close(self._slave)
        with trio.fail_after(200):
            while await self._read():
                pass
        os.close(self._master)
        return await trio.to_thread.run_sync(self.process.wait, 200)

"""Service notification (sd_notify(3)): that it is ready, lives, and stops."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

import trio


class ServiceManager:
    """Who has started us, if it wants to hear of us.

    Args:
        environment: where it says so. The variables are taken out: they are not for our children.
    """

    def __init__(self, environment: MutableMapping[str, str]):
        self._address = environment.pop("NOTIFY_SOCKET", "")
        pid = environment.pop("WATCHDOG_PID", str(os.getpid()))
        microseconds = environment.pop("WATCHDOG_USEC", "")
        has_watchdog = microseconds.isdecimal() and pid == str(os.getpid())
        self._watchdog_seconds = int(microseconds) / 1e6 if has_watchdog else 0.0

    @property
    def watchdog_seconds(self) -> float:
        """Within which time it is to be told that we live; 0 for ever."""
        return self._watchdog_seconds

    def notify(self, *states: str) -> None:
        """Tell it something such as ``READY=1``. One that does not listen misses it."""
        if self._address[:1] not in ("/", "@"):
            return
        # An @ stands for the null byte of an abstract name.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
            sender.setblocking(False)
            sender.sendto("\n".join(states).encode(), address)

    async def keep_watchdog_quiet(self) -> None:
        """Tell it often enough that we live: whoever stands still does not."""
        while self._watchdog_seconds:
            self.notify("WATCHDOG=1")
            await trio.sleep(self._watchdog_seconds / 2)

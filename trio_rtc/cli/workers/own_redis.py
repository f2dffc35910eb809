"""A Redis of their own for the workers of a server that has been given none."""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REDIS_SECONDS: Final = 10.0
"""How long it may take to start."""

#: prctl(2): what a process is sent when its parent has ended.
_PDEATHSIG: Final = 1


class NoWorkers(OSError):
    """Workers cannot be started."""


@dataclass
class OwnRedis:
    """A Redis for the workers of this machine only, which keeps nothing when it ends."""

    socket: str
    command: list[str]
    process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it again, when it has ended."""
        self.process = _start(self.command)


@contextmanager
def own_redis(folder: Path) -> Iterator[OwnRedis]:
    """Run one during the block.

    Raises:
        NoWorkers: there is none to be run, or it does not start.
    """
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise NoWorkers("workers need a Redis: install redis-server, or give cluster")
    path = str(folder / "redis.sock")
    command = [program, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
    redis = OwnRedis(
        path, [*command, "--dir", str(folder)], _start([*command, "--dir", str(folder)])
    )
    try:
        _await(path, redis.process)
        yield redis
    finally:
        redis.process.terminate()
        with suppress(ChildProcessError):
            redis.process.wait()


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    # A Ctrl-C is for the workers, which need it to the end.
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, start_new_session=True, preexec_fn=end_with_parent
    )


def _await(path: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + REDIS_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        time.sleep(0.02)
    raise NoWorkers("the Redis for the workers does not start")


def end_with_parent() -> None:
    """Have this process told to end when its parent has, on systems that can."""
    if sys.platform == "linux":
        with suppress(OSError):
            ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM)

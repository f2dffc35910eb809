"""Commands as processes, with their events."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn

import trio

from .server.harness import tcp_server

Event = dict[str, Any]


class ProcessEnded(AssertionError):
    """A process has ended that something was expected of."""


def besides_slowness(errors: str) -> str:
    """What stands on standard error, but for pictures that a busy machine cannot record."""
    slow = ("does not keep up with what comes", "its encoder was too slow")
    lines = errors.splitlines(keepends=True)
    return "".join(line for line in lines if not any(words in line for words in slow))


class Command:
    """A running command.

    Attributes:
        events: the JSON objects on its standard output so far.
        errors: its standard error, complete once it has ended.
    """

    def __init__(self, process: trio.Process):
        self.process = process
        self.lines: list[str] = []
        self.events: list[Event] = []
        self.errors = ""
        self._news = trio.Event()
        self._over = False
        self._errors_read = trio.Event()

    async def event(self, name: str, /, **fields: object) -> Event:
        """Wait for an event with these fields."""
        wanted = {"event": name, **fields}
        while True:
            for event in self.events:
                if wanted.items() <= event.items():
                    return event
            await self.news(str(wanted))

    async def line(self, part: str) -> str:
        """Wait for a line of output with this in it."""
        while True:
            for line in self.lines:
                if part in line:
                    return line
            await self.news(repr(part))

    async def error(self, part: str) -> None:
        """Wait for this on standard error."""
        while part not in self.errors:
            if self._errors_read.is_set():
                await self._fail(f"it has not said {part!r}")
            await self._news.wait()

    async def news(self, wanted: str = "more") -> None:
        """Wait for more output.

        Raises:
            ProcessEnded: there will be no more; with what there was.
        """
        if self._over:
            await self._fail(f"it has not said {wanted}")
        await self._news.wait()

    async def type(self, text: str) -> None:
        """Bring this to its standard input.

        Raises:
            ProcessEnded: it does not read any more; with what it printed.
        """
        assert self.process.stdin is not None
        try:
            await self.process.stdin.send_all(text.encode())
        except trio.BrokenResourceError:
            await self._fail("it reads no more")

    async def _fail(self, why: str) -> NoReturn:
        status = await self.exit_status()
        said = "\n".join([*self.lines[-20:], self.errors])
        raise ProcessEnded(f"{why}: it ended with {status}, after\n{said}")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    async def exit_status(self) -> int:
        """Wait for its end, and for all that it printed."""
        status = await self.process.wait()
        while not self._over:
            await self._news.wait()
        await self._errors_read.wait()
        return status

    async def read_output(self) -> None:
        assert self.process.stdout is not None
        pending = b""
        async for data in self.process.stdout:
            *complete, pending = (pending + data).split(b"\n")
            for line in complete:
                self.lines.append(line.decode())
                if line.startswith(b"{"):
                    self.events.append(json.loads(line))
            self._tell()
        self._over = True
        self._tell()

    async def read_errors(self) -> None:
        assert self.process.stderr is not None
        async for data in self.process.stderr:
            self.errors += data.decode()
            self._tell()
        self._errors_read.set()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()


def command(
    *arguments: str, stdin: int = subprocess.DEVNULL
) -> AbstractAsyncContextManager[Command]:
    """Run ``trio-rtc`` with these arguments, with warnings as errors."""
    return python("-X", "dev", "-W", "error", "-m", "trio_rtc", *arguments, stdin=stdin)


def python(
    *arguments: str, stdin: int = subprocess.DEVNULL, prefix: Sequence[str] = ()
) -> AbstractAsyncContextManager[Command]:
    """Run Python with these arguments. ``prefix`` is a command that runs another one."""
    return program(*prefix, sys.executable, *arguments, stdin=stdin)


@asynccontextmanager
async def program(
    *arguments: str, stdin: int = subprocess.DEVNULL, seconds: float = 250
) -> AsyncIterator[Command]:
    """Run a program, for so long at most; it is killed at the end if it still runs."""
    process = await trio.lowlevel.open_process(
        arguments,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running = Command(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.read_output)
            nursery.start_soon(running.read_errors)
            try:
                with trio.fail_after(seconds):
                    yield running
            finally:
                if process.returncode is None:
                    process.kill()
    finally:
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def server_here() -> AsyncIterator[str]:
    """A server in this process: it is there at once. Gives its URL."""
    async with tcp_server() as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """A server as a process; gives its URL."""
    async with command("server", "--host", "127.0.0.1", "--port", "0") as running:
        yield (await running.line("listening on")).split()[-1]
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0
        assert running.errors == ""


def client(
    url: str, name: str, *arguments: str, stdin: int = subprocess.DEVNULL
) -> AbstractAsyncContextManager[Command]:
    """A client as a process."""
    return command("client", "--server", url, "--name", name, *arguments, stdin=stdin)

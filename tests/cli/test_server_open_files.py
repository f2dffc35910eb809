"""The limit on open files is no lower than it has to be: each connection is a file."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from ..processes import Command, python
from ..server.harness import Client, get

SERVER = ("-X", "dev", "-W", "error", "-m", "trio_rtc", "server", "--host", "127.0.0.1")


@asynccontextmanager
async def server(ulimit: str, *arguments: str) -> AsyncIterator[tuple[Command, int]]:
    prefix = ("sh", "-c", f'ulimit {ulimit} && exec "$@"', "sh")
    async with python(*SERVER, "--port", "0", *arguments, prefix=prefix) as running:
        yield running, int((await running.line("listening on")).rpartition(":")[2])
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4200 and "CI" not in os.environ,
    reason="the hard limit is low here",
)
async def test_a_low_soft_limit_is_raised() -> None:
    async with server("-S -n 64") as (running, port), AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
        client = Client(
            await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
        )
        await client.send(get("/healthz"))
        answer = await client.answer()
        assert answer is not None
        assert answer.body == b"ok"
    assert running.errors == ""


@pytest.mark.parametrize(("connections", "lines"), [(30, 0), (200, 1)])
async def test_a_low_hard_limit_is_told(connections: int, lines: int) -> None:
    arguments = ("--connections-per-address", str(connections))
    async with server("-n 100", *arguments) as (running, _):
        pass
    assert running.errors.count("\n") == lines
    assert ("only 100 files may be open" in running.errors) == (lines == 1)

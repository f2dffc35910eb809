"""The end of the server as a process: nothing new, what is under way ends, and the status is 0."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from ..processes import Command, command
from .server_side import has_read

HALF = b"GET /sign_in?alice HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def server_with_half_a_request(
    *arguments: str,
) -> AsyncIterator[tuple[Command, int, trio.SocketStream]]:
    async with command(
        "server", "--host", "127.0.0.1", "--port", "0", "--request-seconds", "3600", *arguments
    ) as running:
        port = int((await running.line("listening on")).rpartition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            # One whole request shows that the server reads the other one.
            await stream.send_all(HALF + b"\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
            await stream.send_all(HALF)
            await has_read(stream)
            yield running, port, stream
        assert running.errors == ""


async def refuses_connections(port: int) -> None:
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            return
        await stream.aclose()
        await trio.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_is_under_way_ends_and_nothing_begins(number: signal.Signals) -> None:
    async with server_with_half_a_request("--drain-seconds", "3600") as (running, port, stream):
        running.process.send_signal(number)
        await refuses_connections(port)
        assert running.process.returncode is None
        await stream.send_all(b"\r\n")
        assert b"\r\nConnection: close\r\n" in await stream.receive_some()
        await stream.send_eof()
        assert await running.exit_status() == 0


async def test_the_deadline() -> None:
    async with server_with_half_a_request("--drain-seconds", "0.5") as (running, _, stream):
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0
        assert await stream.receive_some() == b""


async def test_no_time_at_all() -> None:
    async with server_with_half_a_request("--drain-seconds", "0") as (running, _, _):
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0


async def test_a_second_signal_changes_nothing() -> None:
    async with server_with_half_a_request("--drain-seconds", "3600") as (running, port, stream):
        running.interrupt()
        await refuses_connections(port)
        running.interrupt()
        running.process.send_signal(signal.SIGTERM)
        # It goes on with what it was at.
        for byte in b"X: y\r\n":
            await stream.send_all(bytes([byte]))
            await has_read(stream)
        await stream.send_all(b"\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
        await stream.send_eof()
        assert await running.exit_status() == 0

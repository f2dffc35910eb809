"""Listening on what there is, and accepting while there is no place."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from trio_rtc.server.http.listeners import EagerListener, open_listeners

from ...ports import free_port
from ..harness import Client, get, tcp_server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that this machine is to know, with their addresses."""
    known: dict[str, list[str]] = {}
    real = trio.socket.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host not in known:
            return await real(host, port, *args, **options)
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, port),
            )
            for one in known[host]
        ]

    monkeypatch.setattr(trio.socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.mark.parametrize("port", [0, "free"])
@pytest.mark.parametrize("elsewhere", ["2001:db8::1", "240.0.0.1"])
async def test_a_name_with_addresses_that_are_not_here(
    names: dict[str, list[str]], elsewhere: str, port: object
) -> None:
    names["half.example"] = [elsewhere, "127.0.0.1"]
    number = free_port() if port == "free" else 0
    listeners = await open_listeners(number, "half.example")
    assert [one.socket.getsockname()[0] for one in listeners] == ["127.0.0.1"]
    assert number in (0, listeners[0].socket.getsockname()[1])
    for one in listeners:
        await one.aclose()


async def test_a_name_with_no_address_that_is_here(names: dict[str, list[str]]) -> None:
    names["none.example"] = ["240.0.0.1", "240.0.0.2"]
    with pytest.raises(OSError, match=r"240\.0\.0\.1") as error:
        await open_listeners(0, "none.example")
    assert error.value.errno == errno.EADDRNOTAVAIL


async def test_a_port_that_is_taken_on_one_address(names: dict[str, list[str]]) -> None:
    names["both.example"] = ["127.0.0.1", "127.0.0.2"]
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.2")
    port = taken.socket.getsockname()[1]
    with pytest.raises(OSError, match=r"127\.0\.0\.2") as error:
        await open_listeners(port, "both.example")
    assert error.value.errno == errno.EADDRINUSE
    await taken.aclose()
    # Nothing is left on the other one.
    for listener in await open_listeners(port, "both.example"):
        await listener.aclose()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
async def test_no_place_is_told_once_a_second(
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    autojump_clock: trio.testing.MockClock,
) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    eager = EagerListener(listener)
    until = trio.current_time() + 10

    async def accept() -> object:
        if trio.current_time() < until:
            raise OSError(number, os.strerror(number))
        return "a stream"

    monkeypatch.setattr(listener, "accept", accept)
    assert await eager.accept() == "a stream"  # type: ignore[comparison-overlap]
    told = [record for record in caplog.records if record.name == "trio_rtc.server"]
    assert 9 <= len(told) <= 11
    assert {record.levelno for record in told} == {logging.ERROR}
    assert all(record.exc_info is None for record in told)
    await eager.aclose()


async def test_other_faults_of_accepting_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    eager = EagerListener(listener)
    listener.socket.close()
    with pytest.raises(trio.ClosedResourceError):
        await eager.accept()
    await eager.aclose()


def files_that_are_left() -> Iterator[int]:
    """All that may still be open, whichever numbers are in use."""
    with suppress(OSError):
        while True:
            yield os.dup(0)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc here")
async def test_files_that_run_out_for_real(caplog: pytest.LogCaptureFixture) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with trio.fail_after(30):
        async with tcp_server() as port:
            waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
            await trio.testing.wait_all_tasks_blocked()
            late = socket.socket()
            late.setblocking(False)
            used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 10, limits[1]))
            rest = list(files_that_are_left())
            try:
                late.connect_ex(("127.0.0.1", port))
                while "no connection can be accepted" not in caplog.text:  # noqa: ASYNC110
                    await trio.sleep(0.02)
            finally:
                for one in rest:
                    os.close(one)
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            client = Client(trio.SocketStream(trio.socket.from_stdlib_socket(late)))
            await client.send(get("/healthz"))
            answer = await client.answer()
            assert answer is not None
            assert answer.body == b"ok"
            await client.stream.aclose()
            for sock in waiting:
                sock.close()

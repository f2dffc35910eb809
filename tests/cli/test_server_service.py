"""The server as a service: what it is handed, what it tells, and where its metrics are."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from trio_rtc.cli.listening import inherited_listeners, open_unix_listener, parse_address
from trio_rtc.cli.logs import OncePerSecond, TextFormatter
from trio_rtc.cli.notify import ServiceManager

from ..ports import free_port
from ..processes import Command, python
from ..server.harness import Client, get

SERVER = ("-X", "dev", "-W", "error", "-m", "trio_rtc", "server")
LOCAL = (*SERVER, "--host", "127.0.0.1", "--port", "0")


@asynccontextmanager
async def server(
    *arguments: str, prefix: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Command, str]]:
    async with python(*arguments, prefix=prefix) as running:
        yield running, (await running.line("listening on")).split()[-1]
        running.process.terminate()
        assert await running.exit_status() == 0
        assert "Traceback" not in running.errors


async def ask(stream: trio.abc.Stream, request: bytes) -> tuple[int, bytes]:
    client = Client(stream)
    await client.send(request)
    answer = await client.answer()
    assert answer is not None
    await stream.aclose()
    return answer.status, answer.body


class Manager:
    """What a service manager hears."""

    def __init__(self, path: Path):
        self._socket = trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._path = path

    async def __aenter__(self) -> Manager:
        await self._socket.bind(str(self._path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    async def hear(self) -> list[str]:
        with trio.fail_after(200):
            return (await self._socket.recv(4096)).decode().splitlines()


async def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    async with Manager(tmp_path / "notify") as manager:
        async with server(*LOCAL) as (_, url):
            ready, status = await manager.hear()
            assert ready == "READY=1"
            assert status.endswith(url)
            assert [await manager.hear() for _ in range(3)] == [["WATCHDOG=1"]] * 3
        told = ["WATCHDOG=1"]
        while told == ["WATCHDOG=1"]:
            told = await manager.hear()
        assert told == ["STOPPING=1"]


def test_who_is_not_asked_to_tell_does_not() -> None:
    environment = {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1", "A": "b"}
    manager = ServiceManager(environment)
    assert environment == {"A": "b"}
    manager.notify("READY=1")
    ServiceManager({"NOTIFY_SOCKET": "/nowhere/at all"}).notify("READY=1")
    ServiceManager({"NOTIFY_SOCKET": "@nobody"}).notify("READY=1")
    trio.run(manager.keep_watchdog_quiet)


#: Starts what follows with a socket that listens as its descriptor 3, as systemd does.
ACTIVATE = """
import os, socket, sys
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[1], sys.argv[1:])
"""


async def test_a_socket_that_is_handed_on() -> None:
    async with server(*SERVER, prefix=(sys.executable, "-c", ACTIVATE)) as (_, url):
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(timeout=60) as http:
            assert (await http.get(f"{url}/healthz")).text == "ok"


async def test_what_is_handed_on_and_does_not_listen() -> None:
    broken = ACTIVATE.replace("listening.listen()\n", "")
    async with python(*SERVER, prefix=(sys.executable, "-c", broken)) as running:
        assert await running.exit_status() == 1
        assert "no socket that listens" in running.errors
        assert running.errors.count("\n") == 1


def test_what_is_handed_to_somebody_else_is_left_alone() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}
    assert inherited_listeners(environment) == []
    assert environment == {}
    assert inherited_listeners({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) == []


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "rtc"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    arguments = (*SERVER, "--unix-socket", str(path), "--trusted-proxies", "unix")
    async with server(*arguments) as (_, where):
        assert where == f"http+unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o660
        assert await ask(await trio.open_unix_socket(path), get("/healthz")) == (200, b"ok")
        status, body = await ask(
            await trio.open_unix_socket(path),
            get("/sign_in?x", extra="X-Forwarded-For: 192.0.2.1\r\n"),
        )
        assert (status, body) == (200, b"x,1,1\n")
        async with python(*SERVER, "--unix-socket", str(path)) as second:
            assert await second.exit_status() == 1
            assert second.errors.startswith(f"trio-rtc server: cannot listen on {path}: ")
            assert second.errors.count("\n") == 1


def test_a_file_is_not_taken_for_a_stale_socket(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="no socket"):
        open_unix_listener(str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


METRICS = get("/metrics", extra="Host: localhost\r\n")


async def test_metrics_are_for_this_machine(tmp_path: Path) -> None:
    path = str(tmp_path / "rtc")
    for arguments in ((*LOCAL,), (*SERVER, "--unix-socket", path)):
        async with server(*arguments) as (_, url):

            async def ask_for(extra: str, url: str = url) -> int:
                if url.startswith("http+unix"):
                    stream: trio.abc.Stream = await trio.open_unix_socket(path)
                else:
                    stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
                return (await ask(stream, get("/metrics", extra=extra)))[0]

            assert await ask_for("") == 200
            for extra in [
                "X-Forwarded-For: 127.0.0.1\r\n",
                "Forwarded: for=127.0.0.1\r\n",
                "Via: 1.1 proxy\r\n",
                "Origin: https://evil.example\r\n",
                "Sec-Fetch-Site: cross-site\r\n",
                "Sec-Fetch-Site: same-origin\r\n",
                "Host: evil.example\r\n",
            ]:
                assert await ask_for(extra) == 403


async def test_metrics_with_an_address_of_their_own() -> None:
    port = free_port()
    async with (
        server(*LOCAL, "--metrics-listen", f"127.0.0.1:{port}") as (_, url),
        httpx.AsyncClient(timeout=60) as http,
    ):
        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
        assert "trio_rtc_connections_total" in answer.text
        assert (await http.get(f"http://127.0.0.1:{port}/sign_in?x")).status_code == 404
        assert (await http.get(f"{url}/metrics")).status_code == 404
        # No page reads them, as elsewhere.
        assert "Access-Control-Allow-Origin" not in answer.headers
        for page in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = await http.get(f"http://127.0.0.1:{port}/metrics", headers=page)
            assert refused.status_code == 403
        # Nor one that has its own name lead here.
        for host, status in (("localhost", 200), ("[::1]:9464", 200), ("evil.example", 421)):
            named = await http.get(f"http://127.0.0.1:{port}/metrics", headers={"Host": host})
            assert named.status_code == status
    async with (
        server(*LOCAL, "--allowed-hosts", "rtc.example", "--metrics-listen", f"127.0.0.1:{port}"),
        httpx.AsyncClient(timeout=60) as http,
    ):
        for host, status in (("rtc.example", 200), ("127.0.0.1", 200), ("evil.example", 421)):
            named = await http.get(f"http://127.0.0.1:{port}/metrics", headers={"Host": host})
            assert named.status_code == status
    async with server(*LOCAL, "--metrics", "no", "--metrics-listen", f"127.0.0.1:{port}"):
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)


@pytest.mark.parametrize("text", ["", "9464", ":9464", "host:", "host:x", "host:70000", "::1:80"])
async def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"no (address|port)"):
        parse_address(text)


def test_addresses() -> None:
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address("localhost:0") == ("localhost", 0)


async def test_an_address_that_is_not_here() -> None:
    async with python(*SERVER, "--host", "240.0.0.1", "--port", "1") as running:
        assert await running.exit_status() == 1
        assert "240.0.0.1" in running.errors
        assert running.errors.count("\n") == 1


def test_a_repeated_fault_is_told_once_a_second() -> None:
    now = 100.0
    limit = OncePerSecond(lambda: now)

    def passes(line: int, level: int = logging.ERROR, **extra: object) -> logging.LogRecord | None:
        record = logging.LogRecord("x", level, "f.py", 1, "no %s", (f"place {line}",), None)
        vars(record).update(extra)
        return record if limit.filter(record) else None

    assert [bool(passes(1, peer=peer)) for peer in range(5)] == [True, False, False, False, False]
    assert passes(2)
    assert all(passes(3, logging.INFO) for _ in range(5))
    now += 1
    record = passes(1)
    assert record is not None
    assert TextFormatter().format(record).endswith("error no place 1 repeated=4")
    now += 1
    again = passes(1)
    assert again is not None
    assert "repeated" not in vars(again)

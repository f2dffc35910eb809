"""The server as a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from unittest.mock import Mock

import httpx
import pytest
import trio

from trio_rtc.cli import server as server_command
from trio_rtc.cli.server_settings import load_server_settings

from ..processes import command, server
from .server_side import has_been_asked


async def test_one_line_tells_the_address() -> None:
    async with command("server", "--port", "0") as running:
        line = await running.line("listening on")
        url = re.search(r"http://\S+:\d+", line)
        assert url
        async with httpx.AsyncClient(timeout=60) as http:
            response = await http.get(f"{url[0]}/sign_in?alice")
        assert response.status_code == 200
        assert response.text == "alice,1,1\n"
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0
        assert running.lines == [line]
        assert running.errors == ""


async def test_a_port_in_use() -> None:
    async with server() as url:
        port = url.rpartition(":")[2]
        async with command("server", "--host", "127.0.0.1", "--port", port) as running:
            assert await running.exit_status() == 1
            assert running.errors.count("\n") == 1
            assert port in running.errors
            assert running.lines == []


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--port", "x"]])
async def test_a_port_that_is_none(arguments: list[str]) -> None:
    async with command("server", *arguments) as running:
        assert await running.exit_status() == 2


async def test_a_host_that_is_not_here() -> None:
    async with command("server", "--host", "192.0.2.77", "--port", "0") as running:
        assert await running.exit_status() == 1
        assert "192.0.2.77" in running.errors
        assert running.errors.count("\n") == 1


async def test_an_interrupt_ends_hanging_gets_in_order() -> None:
    async with command("server", "--host", "127.0.0.1", "--port", "0") as running:
        url = (await running.line("listening on")).split()[-1]
        async with httpx.AsyncClient(timeout=60) as http:
            await http.get(f"{url}/sign_in?alice")
            answers: list[str] = []

            async def wait() -> None:
                answers.append((await http.get(f"{url}/wait?peer_id=1")).text)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await has_been_asked(url, 2)
                running.interrupt()
        assert answers == ["Server shutting down"]
        assert await running.exit_status() == 0
        assert running.errors == ""


async def test_a_hangup_without_tls_changes_nothing() -> None:
    """A service manager may send one to reload; it is no reason to end."""
    arguments = ("server", "--host", "127.0.0.1", "--port", "0", "--log-level", "info")
    async with command(*arguments) as running:
        url = (await running.line("listening on")).split()[-1]
        running.process.send_signal(signal.SIGHUP)
        await running.error("there is no certificate to be read again")
        async with httpx.AsyncClient(timeout=60) as http:
            assert (await http.get(f"{url}/healthz")).text == "ok"
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_status() == 0


def test_the_server_loads_no_media_stack() -> None:
    code = (
        "import sys, trio_rtc.cli.server, trio_rtc; trio_rtc.serve_signaling\n"
        "assert not {'aiortc', 'av', 'aioice', 'httpx'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_a_signal_as_soon_as_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cancelled may close its listeners before anybody has looked at them."""
    command_of_server = server_command._ServerCommand(load_server_settings({}, {}))
    monkeypatch.setattr(server_command, "gc", Mock())

    async def serve(_: object, task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listeners)
        scope.cancel()
        listeners[0].socket.close()

    monkeypatch.setattr(command_of_server, "_serve", serve)
    with trio.CancelScope() as scope:
        await command_of_server.run()
    assert scope.cancelled_caught

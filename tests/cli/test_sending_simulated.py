"""Sender and client as they are, on a simulated network: no transfer waits for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

import trio_rtc
from trio_rtc.cli.client import _Client
from trio_rtc.cli.commands.client_options import ClientOptions
from trio_rtc.cli.commands.sharing_options import ReceiveOptions, SendOptions
from trio_rtc.cli.report import Reporter
from trio_rtc.cli.sharing.narrator import Narrator
from trio_rtc.cli.sharing.receive import _FilesReceiver
from trio_rtc.cli.sharing.send import _FilesSender
from trio_rtc.cli.sharing.statuses import status_of
from trio_rtc.testing import Link, Network, simulate, start_signaling_server

from ..testing.simulated import URL, call_bob, run


class _Told(Reporter):
    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def _say(self, text: str) -> None:
        pass

    def error(self, code: str, message: str) -> None:
        self.errors.append(code)


class _Silent(Narrator):
    def say(self, text: str = "") -> None:
        pass


async def send(path: Path) -> None:
    """Send as the command does."""
    options = SendOptions(server=[URL], name="alice", paths=[str(path)], to="bob")
    await _FilesSender(options, _Silent("send")).run()


async def decline(network: Network, path: Path) -> None:
    """One who sends, and a client that takes nothing and ends after that."""
    link = Link(delay=0.02, jitter=0.02, loss=0.05)
    alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
    await start_signaling_server(network)
    told = _Told()
    client = _Client(ClientOptions(server=[URL], name="bob", once=True), told, None)
    is_over = trio.Event()

    async def answer() -> None:
        await client.run()
        is_over.set()

    bob.start_soon(answer)
    with trio.fail_after(200):
        with pytest.raises(trio_rtc.FileError) as caught:
            await alice.run(lambda: send(path))
        assert caught.value.code == "declined"
        await is_over.wait()
    assert told.errors == ["not_saved"]


def test_who_is_declined_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Client, "_read_input", lambda self: None)
    path = tmp_path / "report.txt"
    path.write_text("42")
    simulate(lambda network: decline(network, path), seeds=(*range(20, 28),))


def test_a_program_that_takes_no_files_says_so(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("42")

    async def program(network: Network) -> Any:
        alice, bob = (network.host(name, link=Link(delay=0.02)) for name in ("alice", "bob"))

        async def during(call: trio_rtc.Call) -> float:
            began = trio.current_time()
            with pytest.raises(trio_rtc.FileError) as caught:
                await trio_rtc.send_files(call, [path])
            assert caught.value.code == "not_taken"
            return trio.current_time() - began

        return await call_bob(network, alice, bob, during)

    assert 30 <= run(program) < 32


def test_an_interruption_has_a_status_of_its_own() -> None:
    assert (status_of("interrupted"), status_of("no_such_file"), status_of("other")) == (6, 5, 1)


def test_a_receiver_that_vanishes_is_an_interruption(tmp_path: Path) -> None:
    path, here = tmp_path / "large.bin", tmp_path / "here"
    path.write_bytes(bytes(1_000_000))
    here.mkdir()

    async def program(network: Network) -> str:
        link = Link(delay=0.02, rate=4_000_000)
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        await start_signaling_server(network)

        def look(done: trio_rtc.FileProgress) -> None:
            if done.bytes > 200_000:
                bob.crash()

        async def take(call: trio_rtc.Call) -> None:
            await trio_rtc.receive_files(call, here, progress=look)

        async def receive() -> None:
            async with trio_rtc.open_signaling(URL, name="bob") as signaling:
                await trio_rtc.serve_calls(take, signaling)

        bob.start_soon(receive)
        with trio.fail_after(200), pytest.raises(trio_rtc.TrioRTCError) as caught:
            await alice.run(lambda: send(path))
        return caught.value.code

    assert status_of(run(program)) == 6
    assert not (here / "large.bin").exists()


def test_a_folder_is_made_and_looked_at_before_the_code_is_used(tmp_path: Path) -> None:
    """There is no server: whoever asked for one would hear of that."""

    async def receive(folder: Path) -> str:
        options = ReceiveOptions(
            server=[URL], code=["7-guitarist-paperweight"], folder=folder, yes=True
        )
        with pytest.raises(trio_rtc.TrioRTCError) as caught:
            await _FilesReceiver(options, _Silent("receive")).run()
        return caught.value.code

    async def program(network: Network) -> list[str]:
        network.host("server")
        alice = network.host("alice")
        (tmp_path / "file").touch()
        folders = [tmp_path / "here", tmp_path / "file", tmp_path / "file" / "here"]
        return [await alice.run(receive, folder) for folder in folders]

    assert run(program) == ["server_unreachable", "not_writable", "not_writable"]
    assert (tmp_path / "here").is_dir()

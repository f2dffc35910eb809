"""``send`` and ``receive`` as processes: files, codes, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from ..processes import Command, command, server_here
from .terminals import Terminal


@asynccontextmanager
async def ws_server() -> AsyncIterator[str]:
    async with server_here() as url:
        yield url.replace("http", "ws")


@asynccontextmanager
async def sending(
    url: str, *paths: object, stdin: int = subprocess.DEVNULL
) -> AsyncIterator[tuple[Command, str]]:
    """Somebody who sends, and the code."""
    words = ["send", "--server", url, "--json", *map(str, paths)]
    async with command(*words, stdin=stdin) as sender:
        yield sender, (await sender.event("code"))["code"]


def receiving(url: str, code: str, folder: Path) -> AbstractAsyncContextManager[Command]:
    words = ["receive", "--server", url, "--json", "--yes", "--folder", str(folder), code]
    return command(*words)


@pytest.fixture
def things(tmp_path: Path) -> Path:
    (tmp_path / "things" / "inner").mkdir(parents=True)
    (tmp_path / "things" / "a.txt").write_text("hello")
    (tmp_path / "things" / "inner" / "b.bin").write_bytes(os.urandom(2_000_000))
    (tmp_path / "here").mkdir()
    return tmp_path / "things"


async def test_a_folder_and_a_pipe(things: Path) -> None:
    here = things.parent / "here"
    async with (
        ws_server() as url,
        sending(url, things, "-", stdin=subprocess.PIPE) as (sender, code),
    ):
        await sender.type("what is piped in\n")
        assert sender.process.stdin is not None
        await sender.process.stdin.aclose()
        said = await sender.event("code")
        assert said["command"] == f"trio-rtc receive --server {url} {code}"
        assert said["link"] == f"{url.replace('ws', 'http')}/#{code}"
        async with receiving(url, code, here) as receiver:
            assert await receiver.exit_status() == 0, receiver.errors
            offered = await receiver.event("offered")
            assert (offered["size"], len(offered["paths"])) == (None, 3)
            arrived = (await receiver.event("received"))["paths"]
            assert arrived == [str(here / "things"), str(here / "stdin")]
        assert await sender.exit_status() == 0, sender.errors
        assert (await sender.event("sent"))["count"] == 3
    for name in ["a.txt", "inner/b.bin"]:
        assert (here / "things" / name).read_bytes() == (things / name).read_bytes()
    assert (here / "stdin").read_text() == "what is piped in\n"


async def test_a_wrong_code_ends_both_and_leaves_nothing(things: Path) -> None:
    here = things.parent / "here"
    async with ws_server() as url, sending(url, things) as (sender, code):
        wrong = f"{code.split('-')[0]}-wrong-words"
        async with receiving(url, wrong, here) as receiver:
            assert await receiver.exit_status() == 3
            assert len(receiver.errors.splitlines()) == 1, receiver.errors
        assert await sender.exit_status() == 3
        assert len(sender.errors.splitlines()) == 1, sender.errors
        assert "cannot be used again" in sender.errors
        # The right one is good for nobody any more.
        async with receiving(url, code, here) as late:
            assert await late.exit_status() == 3
    assert not list(here.iterdir())


async def test_two_receivers_of_one_code(things: Path) -> None:
    (things / "large.bin").write_bytes(os.urandom(30_000_000))
    here = things.parent / "here"
    async with ws_server() as url, sending(url, things) as (sender, code):
        async with receiving(url, code, here) as first:
            await first.event("connected")
            async with receiving(url, code, here) as second:
                assert await second.exit_status() == 3
            assert await first.exit_status() == 0, first.errors
        assert await sender.exit_status() == 0, sender.errors
    assert [path.name for path in here.iterdir()] == ["things"]


async def test_a_receiver_that_is_killed_goes_on_later(things: Path) -> None:
    (things / "large.bin").write_bytes(os.urandom(60_000_000))
    here = things.parent / "here"
    async with ws_server() as url:
        async with sending(url, things) as (sender, code):
            async with receiving(url, code, here) as receiver:
                while (await receiver.event("progress"))["bytes"] < 5_000_000:
                    receiver.events = [e for e in receiver.events if e["event"] != "progress"]
                receiver.process.kill()
            # It would wait for the other side to come back, and who sends need not.
            sender.interrupt()
            assert await sender.exit_status() == 128 + signal.SIGINT
        assert not (here / "things" / "large.bin").exists()
        async with sending(url, things) as (sender, code):
            async with receiving(url, code, here) as receiver:
                assert (await receiver.event("offered"))["kept"] > 1_000_000
                assert await receiver.exit_status() == 0, receiver.errors
            assert await sender.exit_status() == 0, sender.errors
    large = (here / "things" / "large.bin").read_bytes()
    assert large == (things / "large.bin").read_bytes()
    assert [path.name for path in here.iterdir()] == ["things"]


async def test_ctrl_c_cleans_up_and_tells_the_other_side(things: Path) -> None:
    (things / "large.bin").write_bytes(os.urandom(60_000_000))
    here = things.parent / "here"
    async with ws_server() as url, sending(url, things) as (sender, code):
        async with receiving(url, code, here) as receiver:
            await receiver.event("progress")
            receiver.interrupt()
            assert await receiver.exit_status() == 128 + signal.SIGINT
        assert await sender.exit_status() == 4
        assert "cancelled" in sender.errors
    assert not list(here.glob(".*"))


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["send", "missing"], 5, "No such file"),
        (["send", "/dev/null"], 5, "neither a file nor a folder"),
        (["receive", "nonsense"], 2, "is no code"),
        (["receive", "7-guitarist-paperweight"], 2, "--yes"),
        (
            ["receive", "--yes", "--folder", "/dev/null/here", "7-guitarist-paperweight"],
            5,
            "cannot write /dev/null",
        ),
        (["send", "--server", "ws://127.0.0.1:1", __file__], 1, ""),
        (["send", "--ca", __file__, "--server", "wss://127.0.0.1:1", __file__], 1, "--ca"),
    ],
)
async def test_what_cannot_be_done_is_one_line(words: list[str], status: int, said: str) -> None:
    async with command(*words) as failing:
        assert await failing.exit_status() == status
        assert failing.lines == []
        *_, last = failing.errors.splitlines()
        assert last.startswith(f"trio-rtc {words[0]}: ")
        assert said in last
        assert "Traceback" not in failing.errors


async def ends(*terminals: Terminal) -> list[int]:
    """The exit statuses of what shows something at the same time."""
    statuses = [0] * len(terminals)

    async def end(index: int) -> None:
        statuses[index] = await terminals[index].end()

    async with trio.open_nursery() as nursery:
        for index in range(len(terminals)):
            nursery.start_soon(end, index)
    return statuses


@pytest.mark.parametrize(
    ("columns", "environment"),
    [(100, {"LC_ALL": "C.UTF-8"}), (20, {"LC_ALL": "C", "PYTHONUTF8": "0"})],
    ids=["wide", "narrow, no UTF-8"],
)
async def test_people_at_terminals(things: Path, columns: int, environment: dict[str, str]) -> None:
    here = things.parent / "here"
    (things / "Straße ünd.txt").write_text("x")
    async with ws_server() as url:
        environment = {"PYTHONCOERCECLOCALE": "0", "TRIO_RTC_SERVER": url, **environment}
        sender = Terminal(columns, "send", str(things), **environment)
        code = (await sender.until(r"code: (\d+-\w+-\w+)"))[1].decode()
        await sender.until(r"Ctrl-C\s+ends\s+it")
        has_picture = "▄".encode() in sender.shown
        assert has_picture == (columns == 100)
        receiver = Terminal(columns, "receive", "--folder", str(here), code, **environment)
        await receiver.until(r"\[Y/n\]")
        receiver.type("y\n")
        assert await ends(sender, receiver) == [0, 0], sender.shown + receiver.shown
        interrupted = Terminal(columns, "send", str(things), **environment)
        await interrupted.until(r"Ctrl-C\s+ends\s+it")
        interrupted.type("\x03")
        assert await interrupted.end() == 130, interrupted.shown
        for terminal in (sender, receiver, interrupted):
            assert b"Traceback" not in terminal.shown
    assert len(list(here.rglob("*.txt"))) == 2


async def test_a_narrow_terminal_that_knows_no_utf8(tmp_path: Path) -> None:
    name = "sch\u00f6n \u2603.bin"
    (tmp_path / "here").mkdir()
    await trio.Path(tmp_path / name).write_bytes(os.urandom(100_000))
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    async with ws_server() as url:
        sender = Terminal(20, "send", str(tmp_path / name), "--server", url, **plain)
        shown = [sender]
        try:
            code = (await sender.until(r"code: (\S+)"))[1].decode()
            words = ["receive", "--yes", "--folder", str(tmp_path / "here"), "--server", url, code]
            shown.append(Terminal(20, *words, **plain))
            assert await ends(*shown) == [0, 0]
        finally:
            for each in shown:
                each.process.kill()
                each.process.wait()
    assert [path.name for path in (tmp_path / "here").iterdir()] == [name]
    for each in shown:
        assert b"Traceback" not in each.shown
        assert each.shown.isascii()

"""The client at a terminal: a prompt, commands, and what comes in between."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio

from ..processes import client, server_here
from .terminals import Terminal


@asynccontextmanager
async def ws_server() -> AsyncIterator[str]:
    async with server_here() as url:
        yield url.replace("http", "ws")


@contextmanager
def open_terminal(url: str, name: str, *words: str, columns: int = 100) -> Iterator[Terminal]:
    terminal = Terminal(columns, "client", "--server", url, "--name", name, *words)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()


async def test_a_conversation(tmp_path: Path) -> None:
    note, saved = tmp_path / "a note.txt", tmp_path / "saved"
    note.write_text("by hand")
    saved.mkdir()
    async with (
        ws_server() as url,
        client(url, "bob", "--json", "--echo", "--save", str(saved)) as bob,
    ):
        await bob.event("signed_in")
        with open_terminal(url, "alice", "--audio", "tone") as alice:
            await alice.next(r"signed in to .* as alice")
            await alice.next("/help tells what may be typed")
            # What nobody hears goes to nobody later.
            alice.type("is anybody there?\n")
            await alice.next("not sent: there is nobody in a call with us")
            alice.type("/nonsense\n/who\n")
            await alice.next("there is no /nonsense; /help tells what there is")
            await alice.next(r"  bob \(1\)\r")
            alice.type("/stats\n")
            await alice.next("there is no call")
            alice.type("/call carol\n")
            await alice.next("no peer 'carol' is signed in")
            alice.type("/call bob\n")
            await alice.next(r"connected to bob \(1\)")
            await alice.next("bob> ")
            alice.type("hello\n")
            await alice.next("me: hello")
            await alice.next("bob: hello")
            # What comes in leaves what is being typed where it is.
            alice.type("unfinis")
            await alice.next("bob> unfinis")
            await bob.event("frames")
            alice.type("\x1b[A\x1b[Bhed")
            await alice.next("bob> unfinished")
            alice.type("\n")
            await alice.next("me: unfinished")
            await alice.next("bob: unfinished")
            alice.type("//not a command\n")
            await alice.next("bob: /not a command")
            alice.type("/who\n/stats bob\n/mute\n/mute\n")
            await alice.next("  bob .*, in a call with us")
            # What is known at once need not come before what has to be looked up.
            await alice.until("muted; /mute again")
            await alice.until("not muted any more")
            await alice.until("ms there and back")
            await alice.next("audio sent: [1-9]")
            alice.type(f"/send '{note}' nowhere\n")
            await alice.next("nowhere")
            alice.type(f"/send '{note}'\n")
            await alice.next("bob has a note.txt")
            assert (saved / "a note.txt").read_text() == "by hand"
            alice.type("/hangup bob\n")
            await alice.next("the call with bob .* is over: hung up")
            alice.type("/quit\n")
            assert await alice.end() == 0
            assert b"Traceback" not in alice.shown
        await bob.event("peer_left")
        heard = [event["data"] for event in bob.events if event["event"] == "message"]
        assert heard == ["hello", "unfinished", "/not a command"]


async def test_who_is_asked_answers_or_does_not() -> None:
    async with ws_server() as url:
        with open_terminal(url, "bob", "--ask", columns=30) as bob:
            await bob.next(r"signed\s+in\s+to")
            bob.type("/answer\n")
            await bob.next(r"nobody\s+is\s+calling")
            async with client(url, "alice", "--call", "bob", "--hold", "0") as alice:
                await bob.next("/decline")
                bob.type("/answer carol\n/decline\n")
                await bob.next(r"carol\s+is\s+not\s+calling")
                assert await alice.exit_status() == 1
                assert "declined the call" in alice.errors
            async with client(url, "alice", "--call", "bob", "--send", "\x1b[2Jhi") as alice:
                await bob.next("/decline")
                bob.type("/answer alice\n")
                await bob.next(r"connected\s+to\s+alice")
                await bob.next(r"alice: \\x1b\[2Jhi")
                assert await alice.exit_status() == 0, alice.errors
            await bob.next(r"is\s+over:\s+peer\s+hung\s+up")
            bob.type("\x04")
            assert await bob.end() == 0


async def test_the_terminal_is_as_before_after_an_interrupt() -> None:
    async with ws_server() as url:
        with open_terminal(url, "bob") as bob:
            await bob.next("/help tells")
            assert not bob.echoes
            bob.process.send_signal(signal.SIGINT)
            assert await trio.to_thread.run_sync(bob.process.wait, 200) == 130
            assert bob.echoes

"""The client as a process: what it prints, and how it ends."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
from pathlib import Path

import av
import httpx
import pytest
import trio

from ..ports import free_port
from ..processes import client, command, server, server_here
from .server_side import has_been_asked


async def test_two_clients_chat() -> None:
    async with (
        server() as url,
        client(url, "bob", "--json", "--once", "--echo") as bob,
        client(url, "alice", "--json", "--call", "bob", "--send", "hello", "--send", "é😀",
               "--expect", "2") as alice,
    ):  # fmt: skip
        assert await alice.exit_status() == 0, alice.errors
        assert await bob.exit_status() == 0, bob.errors
        assert (alice.errors, bob.errors) == ("", "")
        ids = {c: (await c.event("signed_in"))["peer_id"] for c in (alice, bob)}
        assert sorted(ids.values()) == [1, 2]
        await alice.event("peer_joined", peer_id=ids[bob], name="bob")
        for one, other in ((alice, bob), (bob, alice)):
            connected = await one.event("call_connected", peer_id=ids[other])
            assert connected["setup_ms"] > 0
            for text in ("hello", "é😀"):
                await one.event("message", channel="chat", data=text)
        await alice.event("hung_up", reason="hung_up")
        await bob.event("hung_up", reason="peer_hung_up")


async def test_media_is_counted_and_recorded(tmp_path: Path) -> None:
    recording = tmp_path / "call.mp4"
    async with (
        server_here() as url,
        client(url, "bob", "--json", "--once", "--video", "pattern", "--audio", "tone") as bob,
    ):
        await bob.event("signed_in")
        async with client(url, "alice", "--json", "--call", "bob", "--hold", "90", "--record",
                          str(recording), "--audio", "tone") as alice:  # fmt: skip
            while not all(
                any(e.get("kind") == kind and e["count"] > 20 for e in alice.events)
                for kind in ("video", "audio")
            ):
                await alice.news()
            alice.interrupt()
            assert await alice.exit_status() == 130, alice.errors
            assert await bob.exit_status() == 0, bob.errors
        for kind in ("video", "audio"):
            counts = [e["count"] for e in alice.events if e.get("kind") == kind]
            assert counts == sorted(counts)
            assert counts[0] == 1
        assert {e["kind"] for e in bob.events if e["event"] == "frames"} == {"audio"}
        names = [event["event"] for event in bob.events]
        assert names.index("frames") < names.index("hung_up")
    with av.open(str(recording)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        # A busy machine leaves out pictures.
        assert list(container.decode(video=0))


async def test_each_call_has_a_recording_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "call-2.wav").touch()
    async with (
        server_here() as url,
        client(url, "bob", "--json", "--record", str(tmp_path / "call-{n}.wav")) as bob,
    ):
        await bob.event("signed_in")
        for number in (1, 2):
            async with client(
                url, "alice", "--call", "bob", "--hold", "200", "--audio", "tone"
            ) as alice:
                while len([e for e in bob.events if e.get("count") == 1]) < number:
                    await bob.news()
                alice.interrupt()
                assert await alice.exit_status() == 130, alice.errors
        while len([e for e in bob.events if e["event"] == "hung_up"]) < 2:
            await bob.news()
        bob.interrupt()
        await bob.exit_status()
        assert bob.errors == ""
    for number in (1, 3):
        with av.open(str(tmp_path / f"call-{number}.wav")) as container:
            assert any(frame.samples for frame in container.decode(audio=0))
    assert not (tmp_path / "call-4.wav").exists()


async def test_a_person_types() -> None:
    async with (
        server_here() as url,
        client(url, "bob", "--echo", "--once") as bob,
        client(url, "alice", "--call", "bob", stdin=subprocess.PIPE) as alice,
    ):
        # What is typed before there is anybody to hear it waits.
        await alice.type("hello\nhow are")
        await alice.line("bob: hello")
        await alice.type(" you?\n")
        await alice.line("bob: how are you?")
        await bob.line("alice: hello")
        alice.interrupt()
        assert await alice.exit_status() == 130
        assert await bob.exit_status() == 0
        assert await alice.line("connected to bob")
        assert await bob.line("is over: peer hung up")
        assert alice.errors == ""


async def test_a_message_that_has_to_be_split() -> None:
    async with (
        server_here() as url,
        client(url, "bob", "--json", "--once") as bob,
        client(url, "alice", "--json", "--call", "bob", stdin=subprocess.PIPE) as alice,
    ):
        await alice.type("x" * 300_000 + "\nhello\n")
        await bob.event("message", data="x" * 300_000)
        await bob.event("message", data="hello")
        alice.interrupt()
        assert await alice.exit_status() == 130
        assert await bob.exit_status() == 0


async def test_without_once_the_next_call_is_answered() -> None:
    async with server_here() as url, client(url, "bob", "--json", "--echo") as bob:
        await bob.event("signed_in")
        for text in ("one", "two"):
            async with client(url, "alice", "--call", "bob", "--send", text,
                              "--expect", "1") as alice:  # fmt: skip
                assert await alice.exit_status() == 0, alice.errors
            await bob.event("message", data=text)
        bob.process.terminate()
        assert await bob.exit_status() == 143
        assert bob.errors == ""


async def test_a_call_by_id() -> None:
    async with (
        server_here() as url,
        client(url, "bob", "--json", "--once", "--send", "yes?") as bob,
    ):
        number = (await bob.event("signed_in"))["peer_id"]
        async with client(url, "alice", "--json", "--call", str(number), "--expect", "1") as alice:
            await alice.event("message", data="yes?")
            # Both follow a script, and either may be the first to be done.
            assert {await alice.exit_status(), await bob.exit_status()} <= {0, 1}


async def test_both_call_each_other() -> None:
    async with (
        server_here() as url,
        client(url, "alice", "--json", "--call", "bob", "--send", "a", "--expect", "1") as a,
        client(url, "bob", "--json", "--call", "alice", "--send", "b", "--expect", "1") as b,
    ):
        await a.event("message", data="b")
        await b.event("message", data="a")
        # Who is done first hangs up.
        assert {await a.exit_status(), await b.exit_status()} <= {0, 1}


async def test_peers_come_and_go() -> None:
    async with server_here() as url, client(url, "bob", "--json") as bob:
        await bob.event("signed_in")
        async with client(url, "carol", "--json") as carol:
            joined = await bob.event("peer_joined", name="carol")
            # Others hear of it first; who does not know yet leaves nothing, and is waited for.
            await carol.event("signed_in")
            carol.interrupt()
            assert await carol.exit_status() == 130
            await bob.event("peer_left", peer_id=joined["peer_id"])


async def fails(*arguments: str, code: str, status: int = 1) -> str:
    """Run a client that cannot work; return its only line on standard error."""
    async with command("client", "--json", "--name", "alice", *arguments) as running:
        assert await running.exit_status() == status
        await running.event("error", code=code)
        assert running.errors.count("\n") == 1, running.errors
        return running.errors


async def test_a_server_that_is_not_there() -> None:
    # Nobody else gets a port that is taken, and nobody listens at it.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        line = await fails("--server", f"http://127.0.0.1:{port}", code="server_unreachable")
    assert str(port) in line


async def test_a_url_that_is_none() -> None:
    await fails("--server", "localhost:8888", code="bad_url")


async def test_an_unknown_peer() -> None:
    async with server_here() as url:
        line = await fails("--server", url, "--call", "nobody", code="unknown_peer")
        assert "'nobody'" in line


async def test_a_name_that_no_server_may_get() -> None:
    await fails("--name", "", code="bad_name")
    await fails("--name", "x" * 513, code="bad_name")


@pytest.mark.parametrize("option", ["--video", "--audio"])
async def test_a_media_file_that_is_not_there(option: str, tmp_path: Path) -> None:
    # It is found out before anybody is disturbed: the server need not even be there.
    await fails(option, str(tmp_path / "none.mp4"), code="media_not_found")
    text = tmp_path / "text.mp4"
    text.write_text("no media")
    await fails(option, str(text), code="media_unreadable")


async def test_an_interrupt_while_a_source_does_not_open(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    async with command("client", "--name", "x", "--video", str(pipe)) as running:
        # Nobody ever writes into it.
        writer = await until_read(pipe)
        running.interrupt()
        assert await running.exit_status() == 130
        assert running.errors == ""
        os.close(writer)


async def until_read(pipe: Path) -> int:
    """Open a pipe as soon as somebody reads from it."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            await trio.sleep(0.05)


async def test_a_recording_that_cannot_be_written(tmp_path: Path) -> None:
    await fails("--record", str(tmp_path / "no" / "dir.mp4"), code="media_unwritable")


async def test_time_is_up() -> None:
    async with server_here() as url:
        await fails("--server", url, "--once", "--timeout", "1", code="timeout")


async def test_a_call_that_ends_too_soon() -> None:
    async with server_here() as url, client(url, "bob", "--once", "--hold", "0") as bob:
        await bob.line("signed in")
        async with client(url, "alice", "--json", "--call", "bob", "--expect", "3") as alice:
            assert await alice.exit_status() == 1
            error = await alice.event("error", code="call_ended")
            assert "call" in error["message"]


async def test_the_server_goes_while_the_client_waits() -> None:
    async with command("server", "--host", "127.0.0.1", "--port", "0") as running:
        url = (await running.line("listening on")).split()[-1]
        async with client(url, "bob", "--json", "--once") as bob:
            await bob.event("signed_in")
            # A notice shows that its GET hangs.
            async with httpx.AsyncClient(timeout=60) as http:
                await http.get(f"{url}/sign_in?carol")
            await bob.event("peer_joined", name="carol")
            # Two have signed in, and bob waits for the second time.
            await has_been_asked(url, 4)
            running.interrupt()
            assert await running.exit_status() == 0
            assert await bob.exit_status() == 1
            await bob.event("error", code="server_shutdown")


async def test_a_client_that_stays_signs_in_again() -> None:
    # Nothing else takes the port meanwhile.
    at = ("--host", "127.0.0.1", "--port", str(free_port()))
    async with command("server", *at) as running:
        url = (await running.line("listening on")).split()[-1]
        ws = url.replace("http", "ws")
        async with client(ws, "bob", "--json", "--echo") as bob:
            await bob.event("signed_in")
            running.interrupt()
            assert await running.exit_status() == 0
            await bob.event("server", state="reconnecting")
            async with command("server", *at) as again:
                await again.line("listening on")
                await bob.event("server", state="lost")
                async with client(ws, "alice", "--call", "bob", "--wait", "30", "--send", "hello",
                                  "--expect", "1") as alice:  # fmt: skip
                    assert await alice.exit_status() == 0, alice.errors
            assert len([e for e in bob.events if e["event"] == "signed_in"]) == 2
            assert bob.errors == ""


async def test_the_end_of_a_pipe_hangs_up() -> None:
    async with (
        server_here() as url,
        client(url, "bob", "--once", "--json") as bob,
        client(url, "alice", "--call", "bob", stdin=subprocess.PIPE) as alice,
    ):
        await alice.type("hello\nand goodbye")
        assert alice.process.stdin is not None
        await alice.process.stdin.aclose()
        assert await alice.exit_status() == 0, alice.errors
        await bob.event("message", data="hello")
        await bob.event("message", data="and goodbye")
        assert await bob.exit_status() == 0


@pytest.mark.parametrize(
    "arguments",
    [["--expect", "-1"], ["--hold", "x"], ["--bogus"], ["more"], ["--save", "/dev/null/here"]],
)
async def test_options_that_make_no_sense(arguments: list[str]) -> None:
    async with command("client", *arguments) as running:
        assert await running.exit_status() == 2
        assert arguments[0] in running.errors or "more" in running.errors


async def test_help() -> None:
    for arguments in (["--help"], ["client", "--help"], ["server", "--help"]):
        async with command(*arguments) as running:
            assert await running.exit_status() == 0
            assert any("Usage" in line for line in running.lines)


INTERRUPTIONS = ["signed_in", "peer_joined", "offer_sent", "candidate_sent", "call_connected",
                 "message", "frames"]  # fmt: skip


@pytest.mark.parametrize("moment", INTERRUPTIONS)
async def test_an_interrupt_at_any_moment_signs_out(moment: str) -> None:
    async with (
        server_here() as url,
        client(url, "bob", "--json", "--echo", "--audio", "tone") as bob,
    ):
        await bob.event("signed_in")
        async with client(url, "alice", "--json", "--call", "bob", "--send", "x",
                          "--hold", "30") as alice:  # fmt: skip
            await alice.event(moment)
            alice.interrupt()
            assert await alice.exit_status() == 130
            assert alice.errors == ""
        # It has signed out: bob hears of it at once, not after half a minute without a GET.
        await bob.event("peer_left", name="alice")
        assert not re.search("Traceback|never", bob.errors)


async def test_an_interrupt_while_it_starts() -> None:
    for delay in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6):
        async with command("client", "--server", "http://127.0.0.1:9", "--name", "x") as running:
            await trio.sleep(delay)
            running.interrupt()
            # 1: it was fast enough to find no server; -2: Python itself was still starting.
            assert await running.exit_status() in (130, 1, -2)
            # Until it comes to our code Python shows where it was; after that, never.
            assert "trio_rtc/cli/" not in running.errors


async def test_files_are_saved(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("42")
    async with server_here() as http:
        url = http.replace("http", "ws")
        words = ["send", "--json", "--server", url, "--to", "bob", str(tmp_path / "report.txt")]
        async with client(url, "bob", "--json", "--once", "--save", str(tmp_path / "here")) as bob:
            await bob.event("signed_in")
            async with command(*words) as sender:
                assert await sender.exit_status() == 0, sender.errors
            await bob.event("files", paths=[str(tmp_path / "here" / "report.txt")])
            assert await bob.exit_status() == 0, bob.errors
    assert (tmp_path / "here" / "report.txt").read_text() == "42"

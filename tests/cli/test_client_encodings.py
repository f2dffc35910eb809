"""The client, and what others are called and say: nothing of it ends it, or steers a terminal."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
import trustme

from trio_rtc import Call, open_signaling, serve_calls

from ..processes import client, command, server_here
from ..server.harness import tcp_server

YAMADA = "山田"
STEERING = "a\x1b[2Jb\x07c\nd\u2028e\u202ef\x9bg"


async def say_it(call: Call) -> None:
    async for channel in call.channels:
        async for _ in channel:
            await channel.send(f"{YAMADA} {STEERING}")


@pytest.mark.parametrize(
    ("encoding", "form"), [("latin-1", []), ("utf-8", []), ("ascii", ["--json"])]
)
async def test_names_and_texts_of_others(
    encoding: str, form: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    async with (
        server_here() as url,
        open_signaling(url.replace("http", "ws"), name=YAMADA) as signaling,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(serve_calls, say_it, signaling)
        async with client(
            url, "alice", "--call", YAMADA, "--send", "hello", "--expect", "1", *form
        ) as alice:
            status = await alice.exit_status()
            assert (status, alice.errors) == (0, "")
        nursery.cancel_scope.cancel()
    said = "\n".join(alice.lines)
    if form:
        (message,) = [event for event in alice.events if event["event"] == "message"]
        assert message["data"] == f"{YAMADA} {STEERING}"
    else:
        shown = YAMADA if encoding == "utf-8" else r"\u5c71\u7530"
        assert f"{shown} (1) is there" in alice.lines
        assert rf"{shown}: {shown} a\x1b[2Jb\x07c\x0ad\u2028e\u202ef\x9bg" in alice.lines
    assert not any(ord(character) < 32 for character in said.replace("\n", ""))


async def test_arguments_that_are_no_text() -> None:
    """Bytes that are no UTF-8 come as halves of characters (PEP 383)."""
    async with server_here() as url:
        async with client(url, "\udcff") as alice:
            assert await alice.exit_status() == 1
            assert len(alice.errors.splitlines()) == 1
        async with (
            client(url, "bob", "--json", "--once", "--echo") as bob,
            client(url, "alice", "--call", "bob", "--send", "a\udcff", "--expect", "1") as alice,
        ):
            assert await alice.exit_status() == 0, alice.errors
            assert await bob.exit_status() == 0
            await bob.event("message", data="a\N{REPLACEMENT CHARACTER}")


async def test_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    async with tcp_server(ssl_context=context) as port:
        url = f"wss://localhost:{port}"
        async with client(url, "alice", "--ca", str(file)) as alice:
            await alice.line("signed in")
            alice.interrupt()
            assert await alice.exit_status() == 130
        async with client(url, "alice") as alice:
            assert await alice.exit_status() == 1
            assert "--ca" in alice.errors
            assert "certificate is not accepted" in alice.errors
            assert len(alice.errors.splitlines()) == 1


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_authority_that_is_none(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    async with command("client", "--ca", str(file)) as running:
        assert await running.exit_status() == 2
        assert str(file) in running.errors
        assert len(running.errors.splitlines()) == 1

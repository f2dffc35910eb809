"""``trio-rtc peers``: who is signed in."""

from __future__ import annotations

import json

from trio_rtc.signaling import open_signaling

from ..processes import command
from ..server.harness import tcp_server


async def test_who_is_there() -> None:
    async with tcp_server() as port:
        url = f"ws://127.0.0.1:{port}"
        async with (
            open_signaling(url, name="alice") as alice,
            open_signaling(url.replace("ws", "http"), name="bob") as bob,
            open_signaling(url, name="carol", room="den"),
        ):
            async with command("peers", "--server", url, "--json") as looking:
                assert await looking.exit_status() == 0, looking.errors
            assert [json.loads(line) for line in looking.lines] == [
                {"peer_id": alice.peer_id, "name": "alice", "protocol": "native"},
                {"peer_id": bob.peer_id, "name": "bob", "protocol": "classic"},
            ]
            async with command("peers", "--server", url, "--room", "den") as looking:
                assert await looking.exit_status() == 0, looking.errors
            (line,) = looking.lines
            assert line.split()[1] == "carol"
            async with command("peers", "--server", url, "--room", "attic") as looking:
                assert await looking.exit_status() == 0, looking.errors
            assert looking.lines == []


async def test_no_server() -> None:
    async with command("peers", "--server", "ws://127.0.0.1:1") as looking:
        assert await looking.exit_status() == 1
    assert looking.errors.startswith("trio-rtc peers: no signaling server answers at ")
    assert looking.errors.count("\n") == 1

"""``doctor``: what it finds with a server and TURN of this machine, and without."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest

from trio_rtc.cli.commands.doctor_options import DoctorOptions
from trio_rtc.cli.diagnosis.doctor import _server
from trio_rtc.server.authorize import jwt_tokens

from ..coturn import coturn, needs_coturn
from ..processes import Command, command, server
from ..server.harness import tcp_server


def about(running: Command, what: str) -> list[tuple[str, str]]:
    found = [event for event in running.events if event["about"] == what]
    return [(event["level"], event["what"]) for event in found]


@needs_coturn
async def test_a_server_and_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        coturn(tmp_path, "--lt-cred-mech", "--user=alice:secret", "--realm=test") as port,
        server() as url,
    ):
        good = f"turn:127.0.0.1:{port}"
        monkeypatch.setenv(
            "TRIO_RTC_ICE_SERVERS",
            f'[{{"urls": "{good}", "username": "alice", "credential": "secret"}},'
            f' {{"urls": "{good}?transport=tcp", "username": "alice", "credential": "wrong"}}]',
        )
        async with command("doctor", "--json", "--server", url.replace("http", "ws")) as running:
            assert await running.exit_status() == 0, running.errors
        [(level, what)] = about(running, "server")
        assert level == "ok"
        assert "trio-rtc.v1" in what
        [(level, what)] = about(running, good)
        assert level == "ok"
        assert "(relay)" in what
        [(level, _)] = about(running, f"{good}?transport=tcp")
        assert level == "warning"
        for what in ("Python", "packages", "aiortc", "audio codecs", "video codecs"):
            assert [level for level, _ in about(running, what)] == ["ok"]
        assert "opus" in about(running, "audio codecs")[0][1]


async def test_a_server_that_is_not_there() -> None:
    # As it was before there was --server here.
    async with command("doctor", "ws://127.0.0.1:1") as running:
        assert await running.exit_status() == 1
    assert running.errors == "trio-rtc doctor: write --server before the URL, as for all commands\n"
    text = "\n".join(running.lines)
    assert "ERROR" in text
    assert "is it running" in text


async def test_a_token_for_one_name() -> None:
    key = "k" * 64
    token = jwt.encode({"exp": time.time() + 600, "name": "alice"}, key, "HS256")
    async with tcp_server(authorize=jwt_tokens(key, ["HS256"])) as port:
        url = f"ws://127.0.0.1:{port}"
        [refused] = [one async for one in _server(url, DoctorOptions(token=token), None, [])]
        assert (refused.level, "--name" in refused.hint) == ("error", True)
        as_alice = DoctorOptions(token=token, name="alice")
        levels = {one.about: one.level async for one in _server(url, as_alice, None, [])}
        assert levels["server"] == "ok"

"""TURN credentials: their form, and what a real coturn makes of them."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_rtc.server.turn import TurnCredentials

from ..coturn import TURNSERVER, coturn

TURNUTILS = shutil.which("turnutils_uclient")
SECRET = "the secret of all TURN servers"


def test_the_form() -> None:
    turn = TurnCredentials("north", ["turn:turn.example.org:3478?transport=udp"], lifetime=86400)
    # The digest is `printf 1700086400:7 | openssl dgst -sha1 -hmac north -binary | base64`.
    assert turn.issue(1_700_000_000.0, "7") == [
        {
            "urls": ["turn:turn.example.org:3478?transport=udp"],
            "username": "1700086400:7",
            "credential": "VQBoFbUjwRf6jg8ak5HeALvzb34=",
        }
    ]
    assert turn.lifetime == 86400


def test_what_is_issued_is_the_callers() -> None:
    turn = TurnCredentials("north", ["stun:a", "turn:b"])
    first = turn.issue(0.0, "1")
    for server in first:
        server["urls"].clear()
    assert [server["urls"] for server in turn.issue(0.0, "1")] == [["stun:a"], ["turn:b"]]


def test_they_last_no_shorter_than_told() -> None:
    (server,) = TurnCredentials("north", ["turn:b"], lifetime=60.5).issue(1000.2, "1")
    assert server["username"] == "1061:1"


def test_stun_urls_go_without_credentials() -> None:
    urls = ["turns:b:443?transport=tcp", "stun:[2001:db8::1]:3478", "turn:10.0.0.1"]
    stun, turn = TurnCredentials("north", urls).issue(0.0, "1")
    assert stun == {"urls": ["stun:[2001:db8::1]:3478"]}
    assert turn["urls"] == ["turns:b:443?transport=tcp", "turn:10.0.0.1"]


def test_users_and_secrets_have_credentials_of_their_own() -> None:
    def credential(secret: str, now: float, user: str) -> Any:
        return TurnCredentials(secret, ["turn:b"]).issue(now, user)[0]["credential"]

    combinations = [("a", 0, "1"), ("a", 0, "2"), ("a", 1, "1"), ("b", 0, "1")]
    assert len({credential(*combination) for combination in combinations}) == 4


@pytest.mark.parametrize(
    "url",
    ["", "turn", "turn:", "http://b", "turn://b", "turn:b:0", "turn:b:65536", "turn:b:x",
     "turn:b?transport=sctp", "stun:b?transport=udp", "turn:b c", "turn:user@b", "turn:b\n",
     "turn:b:٣"],
)  # fmt: skip
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a STUN or TURN server"):
        TurnCredentials("north", ["turn:b", url])


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="secret"):
        TurnCredentials("", ["turn:b"])
    for urls in ([], ["stun:b"]):
        with pytest.raises(ValueError, match="no URL of a TURN server"):
            TurnCredentials("north", urls)
    for lifetime in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="lifetime"):
            TurnCredentials("north", ["turn:b"], lifetime=lifetime)


@dataclass(frozen=True)
class Coturn:
    port: int
    log: Path

    async def allocates(self, username: str, credential: str) -> bool:
        """Whether coturn's own client gets an allocation, and a message through it."""
        assert TURNUTILS is not None
        with trio.fail_after(200):
            done = await trio.run_process(
                [TURNUTILS, "-u", username, "-w", credential, "-p", str(self.port), "-y", "-c",
                 "-n", "1", "-m", "1", "127.0.0.1"],
                check=False, capture_stdout=True, capture_stderr=True,
            )  # fmt: skip
        output = done.stdout.decode() + done.stderr.decode()
        if done.returncode == 0:
            assert "Total lost packets 0" in output, output
            return True
        # The server writes it when it likes.
        reason = f"check_stun_auth: Cannot find credentials of user <{username}>"
        with trio.move_on_after(100):
            while reason not in self.log.read_text():  # noqa: ASYNC110
                await trio.sleep(0.05)
            return False
        raise AssertionError(output + self.log.read_text())


@pytest.mark.skipif(
    (TURNSERVER is None or TURNUTILS is None) and "CI" not in os.environ,
    reason="coturn is not installed (Debian: apt-get install coturn)",
)
async def test_coturn_takes_them(tmp_path: Path) -> None:
    secret = ["--use-auth-secret", "--static-auth-secret", SECRET, "--realm", "example.org"]
    async with coturn(tmp_path, *secret, "--allow-loopback-peers") as port:
        server = Coturn(port, tmp_path / "coturn.log")
        urls = [f"turn:127.0.0.1:{server.port}"]
        turn = TurnCredentials(SECRET, urls, lifetime=60)
        now = time.time()
        (good,) = turn.issue(now, "7")
        assert await server.allocates(good["username"], good["credential"])
        (other,) = turn.issue(now, "8")
        (expired,) = turn.issue(now - 120, "7")
        (foreign,) = TurnCredentials("another", urls, lifetime=60).issue(now, "9")
        refused: list[str] = []

        async def refuse(username: str, credential: str) -> None:
            assert not await server.allocates(username, credential)
            refused.append(username)

        # At once: a client that is refused takes its time to see that it is.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse, other["username"], good["credential"])
            nursery.start_soon(refuse, expired["username"], expired["credential"])
            nursery.start_soon(refuse, foreign["username"], foreign["credential"])
        assert len(set(refused)) == 3

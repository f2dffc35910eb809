"""TURN over TLS, as on port 443 where nothing else gets out: a real coturn and its certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from trio_rtc import IceServer

from ....coturn import needs_coturn, started
from ....ports import free_port
from ...pairs import open_pair
from ...turn_server import host_address
from .test_trickle import candidates_of, exchange, types

pytestmark = needs_coturn

ADDRESS = host_address()


@asynccontextmanager
async def turn_over_tls(folder: Path, certificate_of: str) -> AsyncIterator[IceServer]:
    """A server that speaks TLS only, with a certificate of `authority.pem` for this name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    made = authority.issue_cert(certificate_of)
    made.private_key_pem.write_to_path(folder / "key.pem")
    made.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    port = free_port(ADDRESS)
    options = [
        "-n", "--listening-ip", ADDRESS, "--relay-ip", ADDRESS, "--listening-port", "0",
        "--tls-listening-port", str(port), "--no-udp", "--no-tcp", "--no-dtls", "--no-cli",
        "--cert", str(folder / "certificate.pem"), "--pkey", str(folder / "key.pem"),
        "--lt-cred-mech", "--user", "alice:secret", "--realm", "test",
        *(["--allow-loopback-peers"] if ADDRESS.startswith("127.") else []),
        "--pidfile", str(folder / "pid"), "--userdb", str(folder / "db"),
        "--log-file", "stdout", "--simple-log",
    ]  # fmt: skip
    async with started(folder, *options, awaited=(ADDRESS, port)):
        yield IceServer(f"turns:{ADDRESS}:{port}?transport=tcp", "alice", "secret")


async def test_a_call_over_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(60):
        async with turn_over_tls(tmp_path, ADDRESS) as server:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
            options: dict[str, Any] = {"ice_servers": [server], "ice_transport_policy": "relay"}
            async with open_pair(**options) as (alice, bob):
                await exchange(alice, bob)
                assert set(types(alice)) <= {"relay", "end"}


@pytest.mark.parametrize(("name", "is_known"), [(ADDRESS, False), ("turn.example.org", True)])
async def test_who_shows_another_certificate_is_not_told_our_password(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    is_known: bool,
) -> None:
    with trio.fail_after(60):
        async with turn_over_tls(tmp_path, name) as server:
            if is_known:
                monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
            async with open_pair(ice_servers=[server]) as (alice, _):
                assert "relay" not in await candidates_of(alice)
    [warning] = [r for r in caplog.records if getattr(r, "code", "") == "ice_server_untrusted"]
    assert f"{server.urls} shows a certificate that is not taken" in warning.getMessage()

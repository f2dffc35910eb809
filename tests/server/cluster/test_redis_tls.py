"""Redis behind TLS (``rediss://``)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import parse_redis_address

from ...ports import free_port
from ...redis_server import needs_redis, running_redis
from ..native_client import NativeClient
from .cluster_serving import hear, serving, two
from .test_refusals import refusal

pytestmark = needs_redis


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    return authority


@pytest.fixture
def url(authority: trustme.CA, tmp_path: Path) -> Iterator[str]:
    """Of a Redis that speaks TLS."""
    port = free_port()
    files = {"cert": "cert.pem", "key": "key.pem", "ca-cert": "ca.pem"}
    options = [word for name, file in files.items()
               for word in (f"--tls-{name}-file", str(tmp_path / file))]  # fmt: skip
    options += ["--tls-port", str(port), "--tls-auth-clients", "no"]
    with running_redis(tmp_path, *options):
        yield f"rediss://localhost:{port}"


async def test_peers_of_two_servers(url: str, authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    cluster = ClusterSettings(redis=parse_redis_address(url), ssl_context=context)
    async with serving(cluster, 2) as servers:
        alice, bob = await two(servers)
        assert isinstance(alice, NativeClient)
        await alice.say(type="send", seq=1, to=bob.id, data="x" * 100_000)
        assert (await hear(bob, "message"))["data"] == "x" * 100_000


async def test_an_authority_that_nobody_knows(url: str) -> None:
    cluster = ClusterSettings(redis=parse_redis_address(url))
    assert "certificate verify failed" in await refusal(cluster)
    # Nor is anything but TLS spoken there.
    plain = replace(cluster.redis, tls=False)
    assert "the cluster at localhost" in await refusal(replace(cluster, redis=plain))

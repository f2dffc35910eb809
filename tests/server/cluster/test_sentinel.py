"""Redis fails over, as Sentinels have decided."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import parse_redis_address

from ...ports import free_port
from ...redis_server import REDIS, RedisProcess, needs_redis, running_redis
from ..native_client import connect
from .cluster_serving import hear, serving, two, until

pytestmark = needs_redis


@contextmanager
def sentinel(folder: Path, port: int, primary: int) -> Iterator[None]:
    """One that decides by itself."""
    assert REDIS is not None
    file = folder / "sentinel.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor main 127.0.0.1 {primary} 1\n"
        "sentinel down-after-milliseconds main 500\n"
        "sentinel failover-timeout main 3000\n"
    )
    process = subprocess.Popen([REDIS, str(file), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(200)  # A Sentinel whose clock seems to leap decides nothing for 30 s.
async def test_sessions_go_on_with_the_replica(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("primary", "replica", "sentinel")]
    for folder in folders:
        folder.mkdir()
    ports = [free_port() for _ in range(3)]
    following = ("--replicaof", f"127.0.0.1 {ports[0]}")
    with (
        running_redis(folders[0], port=ports[0]) as primary,
        running_redis(folders[1], *following, port=ports[1]) as replica,
        sentinel(folders[2], ports[2], ports[0]),
    ):
        await until(lambda: "master_link_status:up" in replica.ask("INFO", "replication"))
        await until(lambda: _knows(ports[2], replica))
        address = parse_redis_address(f"redis+sentinel://127.0.0.1:{ports[2]}/main")
        async with serving(ClusterSettings(redis=address), 2) as servers:
            alice, bob = await two(servers)
            await alice.say(type="send", seq=1, to=bob.id, data="before")
            await hear(bob, "message")
            await hear(alice, "ack")
            # What is not copied yet would be forgotten, and have to be told.
            written = _offset(primary, "master_repl_offset")
            await until(lambda: _offset(replica, "slave_repl_offset") >= written)
            primary.kill()
            await alice.say(type="send", seq=2, to=bob.id, data="after")
            while (got := await bob.hear())["type"] != "message":
                pass
            assert got["data"] == "after"
            assert servers[0].statistics.cluster_generation == 2
            again = await connect(servers[1])
            assert (await again.resume(alice.session, 1))["received"] == 2
        primary.start()


def _offset(redis: RedisProcess, name: str) -> int:
    """How much a Redis has written, or copied."""
    (line,) = [
        line for line in redis.ask("INFO", "replication").splitlines() if line.startswith(name)
    ]
    return int(line.split(":")[1])


def _client() -> str:
    client = shutil.which("redis-cli") or shutil.which("valkey-cli")
    assert client is not None
    return client


def _knows(port: int, replica: RedisProcess) -> bool:
    """Whether a Sentinel has heard of the replica by now."""
    told = subprocess.run(
        [_client(), "-p", str(port), "SENTINEL", "REPLICAS", "main"],
        capture_output=True,
        check=False,
    )
    return str(replica.port).encode() in told.stdout

"""A Redis for the tests of clusters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio.testing

from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import parse_redis_address

from ...redis_server import RedisProcess, running_redis
from .held_redis import HeldRedis

_prefixes = itertools.count()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a Redis may be late that is none the worse for it."""
    for name in ("ANSWER_SECONDS", "START_SECONDS"):
        monkeypatch.setattr(cluster_server, name, 60.0)


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """One for all tests that do it no harm."""
    with running_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """One that may be stopped and killed, and then has what it was given."""
    # With everysec it answers before it writes while an fsync of a slow disk is under way.
    with running_redis(tmp_path, "--appendonly", "yes", "--appendfsync", "no") as redis:
        yield redis


def settings_of(redis: RedisProcess) -> ClusterSettings:
    """A cluster of one's own in a Redis."""
    address = parse_redis_address(redis.url)
    return ClusterSettings(redis=address, prefix=f"test-{next(_prefixes)}")


@pytest.fixture
def cluster(shared_redis: RedisProcess) -> ClusterSettings:
    """A cluster of the test's own."""
    return settings_of(shared_redis)


@pytest.fixture
def held_redis(monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock) -> HeldRedis:
    """Nothing is given up meanwhile, and nothing asked for but by clients: the clock stands."""
    redis = HeldRedis()
    monkeypatch.setattr(cluster_server, "open_redis", redis.open)
    return redis

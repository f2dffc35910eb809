"""No dialect knows its engine: what holds with a server alone holds with one of a cluster."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest

from trio_rtc.server import serve
from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.server.context import Context
from trio_rtc.server.hub.engine import HubEngine

from ...peerjs import test_server
from ..again import again
from ..dialects import (
    test_classic,
    test_native_joins,
    test_native_lifecycle,
    test_native_rooms,
    test_native_sessions,
    test_whip,
)
from .model_redis import ModelRedis

SOMEWHERE = RedisAddress(unix_socket="/nowhere")

#: All of their tests are tests of this module, too.
MODULES = [
    test_classic,
    test_native_joins,
    test_native_lifecycle,
    test_native_rooms,
    test_native_sessions,
    test_server,
    test_whip,
]

#: There the log tells of Redis, too.
LOGS = {"test_the_log_tells_whom_it_is_about"}

for each in MODULES:
    globals().update(again(each, "with_a_cluster", but=LOGS))


@pytest.fixture(autouse=True)
def redis(monkeypatch: pytest.MonkeyPatch) -> ModelRedis:
    """Each server is one of a cluster, with this Redis."""
    redis = ModelRedis()
    open_engine = serve._open_engine

    def opening(
        _: ClusterSettings | None, context: Context
    ) -> AbstractAsyncContextManager[HubEngine]:
        return open_engine(ClusterSettings(redis=SOMEWHERE), context)

    monkeypatch.setattr(serve, "_open_engine", opening)
    monkeypatch.setattr(cluster_server, "open_redis", redis.open)
    return redis

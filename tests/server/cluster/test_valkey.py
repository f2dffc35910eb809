"""Valkey does as Redis does: the script, and servers that talk over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...redis_server import VALKEY, RedisProcess, needs_valkey, running_redis
from ..again import again
from . import test_script, test_servers
from .test_script import connection

__all__ = ["connection"]

pytestmark = needs_valkey

for each in (test_script, test_servers):
    globals().update(again(each, "with_valkey"))


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """It is one."""
    with running_redis(tmp_path_factory.mktemp("valkey"), program=VALKEY) as valkey:
        assert "valkey_version:" in valkey.ask("INFO", "server")
        yield valkey

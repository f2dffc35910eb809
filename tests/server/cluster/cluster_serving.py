"""Servers of a cluster, and clients which wait for what they are to hear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio

from trio_rtc.server import serve
from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.dialects.native import native_dialect

from ..harness import MemoryServer, memory_server
from ..native_client import NativeClient, join


@asynccontextmanager
async def serving(
    cluster: ClusterSettings, count: int = 3, **options: Any
) -> AsyncIterator[list[MemoryServer]]:
    """So many servers, which are ready."""
    async with AsyncExitStack() as stack:
        often = stack.enter_context(pytest.MonkeyPatch.context())
        # What is due within a second is so at once: nobody here has that much time.
        often.setattr(native_dialect, "ACK_SECONDS", 0.02)
        often.setattr(serve, "TICK_SECONDS", 0.02)
        often.setattr(cluster_server, "TICK_SECONDS", 0.1)
        servers = [
            await stack.enter_async_context(
                memory_server(cluster=cluster, **({"drain_seconds": 0.1} | options))
            )
            for _ in range(count)
        ]
        for server in servers:
            await until(lambda server=server: server.statistics.cluster_up == 1)
        yield servers


async def until(condition: Any) -> None:
    """Wait for something that is about to be so."""
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


@asynccontextmanager
async def impatient(servers: list[MemoryServer]) -> AsyncIterator[None]:
    """During the block a Redis that does not answer is soon given up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_server, "ANSWER_SECONDS", 0.5)
        # Nothing is on its way that was begun with more patience.
        before = [server.statistics.cluster_batches for server in servers]
        for server, batches in zip(servers, before, strict=True):
            await until(
                lambda server=server, batches=batches: (
                    server.statistics.cluster_batches > batches + 1
                )
            )
        yield


async def hear(client: NativeClient, kind: str) -> dict[str, Any]:
    """The next message of a kind, whatever comes before it."""
    with trio.fail_after(60):
        while (got := await client.hear())["type"] != kind:
            pass
    return got


async def two(servers: list[MemoryServer], **fields: Any) -> tuple[NativeClient, NativeClient]:
    """Alice on the first server, who has heard of Bob, who is on the second."""
    alice = await join(servers[0], "alice", **fields)
    bob = await join(servers[1], "bob", **fields)
    assert (await hear(alice, "joined"))["id"] == bob.id
    return alice, bob

"""Native sessions that are cancelled at one point after the other: nothing is left of them."""

from __future__ import annotations

import threading

import pytest
import trio

from tests.rtc.bridge.stepping import cancelled_after_each_step
from tests.server.harness import tcp_server
from trio_rtc import tasks
from trio_rtc.server.counters import Statistics
from trio_rtc.signaling import Signaling, open_signaling

from ..rtc.virtual import in_virtual_time
from .proxy import open_proxy


async def hear(signaling: Signaling, count: int) -> None:
    for _ in range(count):
        await anext(signaling)


@in_virtual_time
async def test_a_session_is_cancelled_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCELLED_GRACE", 0.02)
    statistics = Statistics()
    async with tcp_server(statistics=statistics) as port, open_proxy(port) as (proxy, far):

        async def converse() -> None:
            async with open_signaling(f"ws://127.0.0.1:{far}", name="alice") as alice:
                await alice.send(alice.peer_id, "to myself")
                await hear(alice, 1)
                proxy.cut()
                await alice.send(alice.peer_id, "and again")
                await hear(alice, 1)

        threads = threading.active_count()
        assert await cancelled_after_each_step(converse, stride=2) > 20
        assert threading.active_count() <= threads + 1
        await converse()
        with trio.fail_after(20):
            while statistics.connections_open:
                await trio.testing.wait_all_tasks_blocked(0.01)

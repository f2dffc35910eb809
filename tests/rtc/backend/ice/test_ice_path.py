"""ICE agents that are given up while they come about."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCIceGatherer, RTCIceTransport

from trio_rtc.rtc.backend.ice.restartable import RestartableIceTransport


@pytest.mark.parametrize("steps", range(10))
def test_an_agent_that_is_given_up_while_it_binds_leaves_no_socket(steps: int) -> None:
    async def main() -> None:
        gatherer = RTCIceGatherer(iceServers=[])
        transport = RTCIceTransport(gatherer)
        await gatherer.gather()
        path = RestartableIceTransport(transport, lambda: None)
        restarting = asyncio.ensure_future(path.restart())
        for _ in range(steps):
            await asyncio.sleep(0)
        agent = path._next
        await path.abandon()
        await restarting
        # What had not begun yet has, by now.
        await path.abandon()
        if agent is not None:
            assert all(protocol.transport.is_closing() for protocol in agent._protocols)
        await transport.stop()

    asyncio.run(main())

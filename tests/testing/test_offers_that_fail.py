"""Offers that cannot be sent, in a call that goes on without its server."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio

from trio_rtc.calls.negotiator import OFFER_AGAIN_SECONDS, Negotiator
from trio_rtc.testing import MemoryHub, Network, connected_pair

from .simulated import run


def test_they_are_not_made_again_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    offers: dict[Negotiator, list[float]] = {}
    offer = Negotiator.offer

    async def counted(negotiator: Negotiator) -> int:
        times = offers.setdefault(negotiator, [])
        times.append(trio.current_time())
        assert len(times) < 50
        return await offer(negotiator)

    async def program(network: Network) -> None:
        hub = MemoryHub()
        async with connected_pair(network, hub=hub) as (call, _):
            hub.cut("alice offer")
            network.hosts["alice"].unplug()
            await trio.sleep(12)
            await call.wait_ended()

    monkeypatch.setattr(Negotiator, "offer", counted)
    run(program)
    assert max(len(times) for times in offers.values()) > 2
    for times in offers.values():
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert min(pauses, default=1) > OFFER_AGAIN_SECONDS / 2

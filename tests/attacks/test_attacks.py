"""Attacks on a server, from loopback: it keeps within its memory, and others lose nothing.

What they do to the times of others depends on the machine: `scripts/attack` tells.
"""

from __future__ import annotations

import pytest

from .attacks import ATTACKS
from .measure import MEMORY_BAR_MIB, measure

#: What somebody has to be told, however little time there is.
TOLD = {"empty lines": {"head_bytes"}, "trailers without end": {"body_bytes"}}


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_short_attack(name: str) -> None:
    await check(name, seconds=1, size=0.3)


@pytest.mark.attack
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ATTACKS)
async def test_a_long_attack(name: str) -> None:
    await check(name, seconds=60, size=1)


async def check(name: str, *, seconds: float, size: float) -> None:
    told = TOLD.get(name, set())
    outcome = await measure(name, quiet=0.2, seconds=seconds, size=size, told=told)
    assert outcome.lost == 0
    assert outcome.attacked
    assert outcome.failures == 0
    assert outcome.memory_mib < MEMORY_BAR_MIB
    assert told <= outcome.over_limit

"""Whole calls on a simulated network, in virtual time: the same seed is the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import trio_rtc
from trio_rtc.testing import Link, Network

from .simulated import call_bob, run, say

ROOT = Path(__file__).parent.parent.parent


async def a_call(network: Network, loss: float = 0.0, seconds: float = 1.0) -> str:
    """Alice calls Bob; what happened, as text."""
    link = Link(delay=0.02, jitter=0.005, loss=loss)
    alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))

    async def talk(call: trio_rtc.Call) -> None:
        await say(call, "hello")
        await trio.sleep(seconds)
        await say(call, "still there")

    await call_bob(network, alice, bob, talk)
    return network.record.text()


def print_a_call() -> None:
    print(run(lambda network: a_call(network, 0.02, 60), seed=7))


def test_a_call_takes_no_real_time() -> None:
    text = run(lambda network: a_call(network, seconds=600))
    assert "STUN binding request" in text
    assert "DTLS handshake" in text
    assert float(text.splitlines()[-1].split()[0]) > 600


def test_time_passes_as_the_clock_has_it() -> None:
    """One that jumps does so as soon as nothing else can happen, one with a rate runs by that."""

    async def program() -> float:
        async with Network() as network:
            hours = 0

            async def sleep_for_hours() -> None:
                nonlocal hours
                for _ in range(5):
                    await trio.sleep(3600)
                    hours += 1

            network.host("carol").start_soon(sleep_for_hours)
            await trio.sleep(4.5 * 3600)
            assert hours == 4
            return trio.current_time()

    async def runs_by_a_rate() -> None:
        async with Network() as network:
            clock = trio.lowlevel.current_clock()
            assert isinstance(clock, MockClock)
            await a_call(network, seconds=0.2)
            # It does not jump, and can be made to.
            clock.rate, clock.autojump_threshold = 0.0, 0.0
            await trio.sleep(60)
            clock.jump(60)
            assert trio.current_time() > 120

    assert trio.run(program, clock=MockClock(autojump_threshold=0)) < 5 * 3600
    trio.run(runs_by_a_rate, clock=MockClock(rate=0.5))


def test_the_same_seed_is_the_same_run_in_any_process() -> None:
    command = "from tests.testing.test_simulated_calls import print_a_call; print_a_call()"
    texts = [
        subprocess.run(
            [sys.executable, "-c", command],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert len(texts[0].splitlines()) > 200
    assert texts[0] == texts[1]
    assert run(lambda network: a_call(network, 0.02, 60), seed=7) == texts[0].rstrip("\n")
    assert run(lambda network: a_call(network, 0.02, 60), seed=8) != texts[0].rstrip("\n")


def test_a_handshake_recovers_from_losses_in_round_trips() -> None:
    waits: list[float] = []
    for seed in range(12):
        text = run(lambda network: a_call(network, 0.04), seed)
        times: dict[str, float] = {}
        for line in text.splitlines():
            if "DTLS handshake" in line and " is lost" not in line:
                time, _, _, packet = line.split(maxsplit=3)
                if packet in times:
                    waits.append(float(time) - times[packet])
                times[packet] = float(time)
    # OpenSSL's own timer begins at a second.
    assert len(waits) > 3
    assert sorted(waits)[len(waits) // 2] < 0.5


async def test_a_network_needs_virtual_time() -> None:
    with pytest.raises(RuntimeError, match="virtual time"):
        async with Network():
            pass


@pytest.mark.parametrize("seed", ["1", 1.0, None, True])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        Network(seed)  # type: ignore[arg-type]


def test_there_is_one_simulation_at_a_time() -> None:
    async def nested(network: Network) -> None:
        async with Network():
            pass

    with pytest.raises(RuntimeError, match="one at a time"):
        run(nested)

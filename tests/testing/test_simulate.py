"""Many seeds of a program: the failing one fails again, and tells why."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from trio_rtc.testing import (
    Host,
    HostCrashed,
    Link,
    Network,
    SimulationFailed,
    SimulationStuck,
    connected_pair,
    simulate,
)

LOSSY = Link(delay=0.02, loss=0.1, reordering=0.05, duplication=0.05)


async def slow_set_up(network: Network) -> None:
    """Fails where chance makes a call take more than a second to come about."""
    for name in ("alice", "bob"):
        network.host(name, link=LOSSY)
    async with connected_pair(network) as (alice, _):
        assert alice.setup_seconds < 1.0


def failure(program: Callable[[Network], Awaitable[object]], seeds: int = 60) -> SimulationFailed:
    with pytest.raises(SimulationFailed) as caught:
        simulate(program, seeds)
    return caught.value


def test_a_failing_seed_fails_again_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed) as caught:
        simulate(slow_set_up, 60, folder=tmp_path)
    failed = caught.value
    assert isinstance(failed.__cause__, AssertionError)
    # Of all that chance did, what matters is left: without it the seed passes.
    assert 0 < len(failed.faults) < 8
    text = str(failed)
    assert f"seed {failed.seed} fails: AssertionError" in text
    assert str(failed.faults[0]) in text
    assert "to bob: offer" in text
    assert "is lost: loss" in text
    assert failed.capture == tmp_path / f"simulation-{failed.seed}.pcapng"
    assert failed.capture.read_bytes()[:4] == b"\n\r\r\n"
    again = failure(slow_set_up)
    assert (again.seed, again.faults, str(again.record.text())) == (
        failed.seed, failed.faults, str(failed.record.text()),
    )  # fmt: skip
    with pytest.raises(SimulationFailed):
        simulate(slow_set_up, seeds=[failed.seed], shrink=False)
    simulate(slow_set_up, seeds=range(failed.seed))


def test_the_order_of_tasks_is_that_of_the_seed() -> None:
    orders: list[list[int]] = []

    async def race(_: Network) -> None:
        order: list[int] = []

        async def run(number: int) -> None:
            await trio.sleep(1)
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(run, number)
        orders.append(order)

    simulate(race, [*range(8), *range(8)])
    assert orders[:8] == orders[8:]
    assert len({tuple(order) for order in orders}) > 1


async def waits_for_ever(network: Network) -> None:
    await network.host("alice").run(trio.Event().wait)


async def goes_on_for_ever(network: Network) -> None:
    for _ in count():
        await trio.sleep(1)


async def sleeps_for_eight_days(_: Network) -> None:
    await trio.sleep(8 * 24 * 3600)


async def sleeps_twice(_: Network) -> None:
    for days in (4, 4):
        await trio.sleep(days * 24 * 3600)


def test_a_deadlock_tells_who_waits() -> None:
    failed = failure(waits_for_ever)
    assert isinstance(failed.__cause__, SimulationStuck)
    assert "deadlock" in str(failed)
    assert "in waits_for_ever, for Host.run" in str(failed)


def test_too_long_is_told_in_either_time() -> None:
    with pytest.raises(SimulationFailed, match="after 3600 virtual seconds") as caught:
        simulate(goes_on_for_ever, 1, virtual_seconds=3600)
    assert "in goes_on_for_ever" in str(caught.value)
    with pytest.raises(SimulationFailed, match="real seconds"):
        simulate(goes_on_for_ever, 1, real_seconds=0.1)


@pytest.mark.parametrize("program", [sleeps_for_eight_days, sleeps_twice])
def test_a_single_sleep_can_be_too_long(program: Callable[[Network], Awaitable[None]]) -> None:
    failed = failure(program)
    assert isinstance(failed.__cause__, SimulationStuck)
    assert "after 604800 virtual seconds" in str(failed)
    simulate(program, 1, virtual_seconds=9 * 24 * 3600)


async def waits_for_a_lock(_: Network) -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


async def computes_for_ever(_: Network) -> None:
    for number in count():
        del number


@pytest.mark.parametrize(("program", "line"), [(waits_for_a_lock, 3), (computes_for_ever, 1)])
def test_what_blocks_is_told_with_its_line(
    program: Callable[[Network], Awaitable[None]], line: int
) -> None:
    with pytest.raises(SimulationFailed, match="has blocked: it has not ended after") as caught:
        simulate(program, 1, real_seconds=2)
    assert isinstance(caught.value.__cause__, SimulationStuck)
    where = str(caught.value.__cause__).split(" has blocked")[0]
    first = program.__code__.co_firstlineno
    assert where in [f"{__file__}:{number}" for number in range(first + line, first + line + 2)]


async def test_in_a_run_of_trio_there_is_none_to_begin() -> None:
    with pytest.raises(RuntimeError, match="begins runs of Trio"):
        simulate(goes_on_for_ever, 1)


@pytest.mark.parametrize("seeds", [0, -1, True])
def test_no_seed_at_all_would_show_nothing(seeds: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        simulate(goes_on_for_ever, seeds)


def test_an_interrupt_beside_an_error_is_an_interrupt() -> None:
    async def is_interrupted(_: Network) -> None:
        raise BaseExceptionGroup("both", [ValueError("a"), KeyboardInterrupt()])

    with pytest.raises(BaseExceptionGroup) as caught:
        simulate(is_interrupted, 1)
    assert caught.group_contains(KeyboardInterrupt)


def test_a_host_that_runs_can_be_started_again() -> None:
    async def start_again(network: Network) -> None:
        host = network.host("alice")
        host.start_soon(trio.sleep_forever)
        await trio.sleep(1)
        await host.restart()
        assert host.is_up
        await host.run(trio.sleep, 1)

    simulate(start_again, 1)


@pytest.mark.parametrize(
    ("name", "address", "told"),
    [
        ("", None, "cannot be called ''"),
        ("localhost", None, "cannot be called 'localhost'"),
        ("alice", "127.0.0.1", "127.0.0.1 is no address"),
        ("alice", "::", ":: is no address"),
    ],
)
def test_hosts_that_cannot_be(name: str, address: str | None, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Network().host(name, address=address)


def test_a_seed_is_a_whole_number() -> None:
    with pytest.raises(TypeError, match="whole number"):
        simulate(goes_on_for_ever, ["1"])  # type: ignore[list-item]


@pytest.mark.parametrize("seeds", [b"ab", "ab", 3.0, None])
def test_what_are_no_seeds(seeds: Any) -> None:
    with pytest.raises(TypeError, match="seeds are how many, at least 1, or which ones, not"):
        simulate(goes_on_for_ever, seeds)


@pytest.mark.parametrize("limit", ["virtual_seconds", "real_seconds"])
def test_no_time_at_all_would_show_nothing(limit: str) -> None:
    with pytest.raises(ValueError, match="more than 0 s"):
        simulate(goes_on_for_ever, 1, **dict[str, Any]({limit: 0.0}))


def part(network: Network, *groups: Any) -> None:
    for name in ("alice", "bob"):
        network.host(name)
    network.part(*groups)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda network: network.host("alice", link=0.1), "0.1 is no link: Link(delay=…)"),
        (lambda network: network.host("alice", down=0.1), "0.1 is no link: Link(delay=…)"),
        (lambda network: network.host("alice", link=None), "None is no link: Link(delay=…)"),
        (lambda network: network.turn_server(link=0.1), "0.1 is no link: Link(delay=…)"),
        (lambda network: network.router("home", link=0.1), "0.1 is no link: Link(delay=…)"),
        (lambda network: network.host("alice", router="home"), "'home' is no router: network.r"),
        (lambda network: network.router("home", behind="isp"), "'isp' is no router: network.r"),
        (lambda network: network.host("alice").move("home"), "'home' is no router: network.r"),
        (lambda network: part(network, "alice", "bob"), "as part([a], [b]), not 'alice'"),
        (lambda network: part(network, ["alice"], ["bob"]), "'alice' is no host: network.hosts"),
        (lambda network: part(network, network.host("carol"), []), "not <Host carol>"),
    ],
)
def test_networks_that_cannot_be(build: Callable[[Any], object], told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(told)):
        build(Network())


def test_a_host_that_crashes_while_a_program_starts_on_it() -> None:
    async def never_ready(task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep_forever()

    async def ends_without_a_word(task_status: trio.TaskStatus[None]) -> None:
        await trio.lowlevel.checkpoint()

    async def crash(network: Network) -> None:
        host = network.host("alice")
        with pytest.raises(RuntimeError, match="without calling task_status"):
            await host.start(ends_without_a_word)
        network.nursery.start_soon(_crash_later, host)
        with pytest.raises(HostCrashed, match="alice has crashed"):
            await host.start(never_ready)

    simulate(crash, 1)


async def _crash_later(host: Host) -> None:
    await trio.sleep(1)
    host.crash()


def test_a_program_of_asyncio_can_simulate() -> None:
    ends: list[float] = []

    async def sleep(_: Network) -> None:
        await trio.sleep(3600)
        ends.append(trio.current_time())

    async def main() -> None:
        simulate(sleep, 2)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert ends == [3600, 3600]

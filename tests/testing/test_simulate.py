"""Many seeds of a program: the failing one fails again, and tells why."""

from __future__ import annotations

import datetime as calendar
import email.utils
import os
import random
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from time import monotonic

import httpx
import pytest
import trio

from trio_rtc.testing import (
    Link,
    Network,
    SimulationFailed,
    SimulationStuck,
    connected_pair,
    simulate,
)
from trio_rtc.testing.leaving import LeftSimulation

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


def test_all_chance_is_that_of_the_seed() -> None:
    seen: list[object] = []

    async def draw(_: Network) -> None:
        seen.append((random.random(), secrets.token_hex(4), random.SystemRandom().random()))

    before = random.getstate()
    simulate(draw, [1, 2, 1])
    assert seen[0] == seen[2] != seen[1]
    assert random.getstate() == before


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


async def draws_nothing(_: Network) -> None:
    await trio.lowlevel.checkpoint()


async def waits_for_ever(network: Network) -> None:
    await network.host("alice").run(trio.Event().wait)


async def goes_on_for_ever(network: Network) -> None:
    for _ in count():
        await trio.sleep(1)


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


async def opens_a_socket(_: Network) -> None:
    socket.socket()


async def looks_up_a_name(_: Network) -> None:
    socket.getaddrinfo("example.org", 80)


async def starts_a_thread(_: Network) -> None:
    threading.Thread(target=print).start()


async def uses_a_thread(_: Network) -> None:
    await trio.to_thread.run_sync(print)


async def starts_a_process(_: Network) -> None:
    subprocess.run(["true"], check=False)  # noqa: ASYNC221


async def calls_a_shell(_: Network) -> None:
    os.system("true")  # noqa: ASYNC221


async def divides(_: Network) -> None:
    os.fork()


async def blocks(_: Network) -> None:
    time.sleep(0.001)  # noqa: ASYNC251


async def reads_the_time_of_day(_: Network) -> None:
    time.time()


async def reads_a_clock(_: Network) -> None:
    time.monotonic()


async def reads_a_clock_that_was_taken_out(_: Network) -> None:
    monotonic()


async def asks_what_time_it_is(_: Network) -> None:
    datetime.now()


async def asks_what_day_it_is(_: Network) -> None:
    calendar.date.today()


async def hides_it(_: Network) -> None:
    try:
        time.time()
    except Exception:  # noqa: BLE001
        await trio.sleep(1)


@pytest.mark.parametrize(
    "program",
    [
        opens_a_socket,
        looks_up_a_name,
        starts_a_thread,
        uses_a_thread,
        starts_a_process,
        calls_a_shell,
        divides,
        blocks,
        reads_the_time_of_day,
        reads_a_clock,
        reads_a_clock_that_was_taken_out,
        asks_what_time_it_is,
        asks_what_day_it_is,
        hides_it,
    ],
)
def test_what_leaves_a_simulation_is_an_error_with_its_line(
    program: Callable[[Network], Awaitable[None]],
) -> None:
    failed = failure(program)
    assert isinstance(failed.__cause__, LeftSimulation)
    line = program.__code__.co_firstlineno + (2 if program is hides_it else 1)
    assert f"{__file__}:{line} " in str(failed.__cause__)


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


def test_libraries_have_the_date_of_the_simulation() -> None:
    seen: list[object] = []

    async def ask(network: Network) -> None:
        assert isinstance(calendar.datetime(2026, 1, 2), calendar.date)
        assert not isinstance(calendar.date(2026, 1, 2), calendar.datetime)
        seen.append(email.utils.format_datetime(email.utils.localtime()))

    simulate(ask, [1, 1])
    assert seen[0] == seen[1]


def test_the_machine_is_as_it_was_afterwards() -> None:
    simulate(draws_nothing, 1)
    assert type(datetime.now()) is datetime is calendar.datetime
    assert monotonic is time.monotonic
    began = time.monotonic()
    time.sleep(0.001)
    assert time.monotonic() > began
    thread = threading.Thread(target=time.time)
    thread.start()
    thread.join()
    socket.socket().close()


def test_libraries_have_the_time_and_the_sockets_of_the_simulation() -> None:
    async def ask(network: Network) -> None:
        alice, server = network.host("alice"), network.host("server")

        async def answer(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        with server:
            (listener,) = await trio.open_tcp_listeners(80, host="0.0.0.0")
        server.start_soon(trio.serve_listeners, answer, [listener])

        async def get() -> None:
            async with httpx.AsyncClient(verify=False, trust_env=False) as client:
                assert (await client.get("http://server/")).text == "hi"

        await alice.run(get)

    simulate(ask, 3)


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

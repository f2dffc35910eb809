"""What leaves a simulation is an error with its line; libraries have what the seed makes."""

from __future__ import annotations

import _thread
import asyncio
import datetime as calendar
import email.utils
import logging
import os
import queue
import random
import secrets
import select
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from multiprocessing import get_context
from time import gmtime, monotonic

import httpx
import pytest
import trio

from trio_rtc.testing import Network, SimulationFailed, simulate
from trio_rtc.testing.leaving import LeftSimulation

#: What a program may do, and what is told of it.
LEAVES: list[tuple[Callable[[], object], str]] = [
    (lambda: socket.socket(), "opens a real socket"),
    (lambda: socket.socketpair(), "opens a real socket"),
    (lambda: trio.socket.socketpair(), "opens a real socket"),
    (lambda: socket.getaddrinfo("example.org", 80), "looks up a name in the real network"),
    (lambda: socket.getnameinfo(("192.0.2.1", 80), 0), "looks up a name in the real network"),
    (lambda: threading.Thread(target=print).start(), "starts a thread"),
    (lambda: threading.Timer(1, print).start(), "starts a thread"),
    (lambda: _thread.start_new_thread(print, ()), "starts a thread"),
    (lambda: ThreadPoolExecutor().submit(print), "starts a thread"),
    (lambda: threading.current_thread().join(), "waits for a thread"),
    (lambda: subprocess.run(["true"], check=False), "starts a process"),
    (lambda: os.system("true"), "starts a process"),
    (lambda: os.fork(), "starts a process"),
    (lambda: get_context("spawn").Process(target=print).start(), "starts a process"),
    (lambda: asyncio.run(asyncio.sleep(0)), "runs an asyncio loop of its own"),
    (lambda: asyncio.new_event_loop(), "runs an asyncio loop of its own"),
    (lambda: time.sleep(0.001), "blocks in real time"),
    (lambda: signal.sigtimedwait([], 0.001), "blocks in real time"),
    (lambda: signal.alarm(0), "sets a timer of the machine"),
    (lambda: threading.Event().wait(0.001), "waits in real time"),
    (lambda: queue.Queue[None]().get(timeout=0.001), "waits in real time"),
    (lambda: select.select([], [], [], 0.001), "waits in real time"),
    (lambda: select.poll(), "waits in real time"),
    (lambda: time.time(), "reads a real clock (time.time)"),
    (lambda: time.monotonic_ns(), "reads a real clock (time.monotonic_ns)"),
    (lambda: monotonic(), "reads a real clock (time.monotonic)"),
    (lambda: time.perf_counter(), "reads a real clock (time.perf_counter)"),
    (lambda: time.process_time(), "reads a real clock (time.process_time)"),
    (lambda: time.thread_time(), "reads a real clock (time.thread_time)"),
    (lambda: time.clock_gettime(time.CLOCK_REALTIME), "reads a real clock (time.clock_gettime)"),
    (lambda: time.localtime(), "reads a real clock (time.localtime)"),
    (lambda: time.gmtime(None), "reads a real clock (time.gmtime)"),
    (lambda: gmtime(), "reads a real clock (time.gmtime)"),
    (lambda: time.ctime(), "reads a real clock (time.ctime)"),
    (lambda: time.strftime("%Y"), "reads a real clock (time.strftime)"),
    (lambda: datetime.now(), "reads a real clock (datetime.now)"),
    (lambda: calendar.date.today(), "reads a real clock (date.today)"),
]


@pytest.mark.parametrize(("leave", "told"), LEAVES)
def test_what_leaves_a_simulation_is_an_error_with_its_line(
    leave: Callable[[], object], told: str
) -> None:
    async def program(_: Network) -> None:
        leave()

    check_left(program, leave.__code__.co_firstlineno, told)


def check_left(program: Callable[[Network], Awaitable[None]], line: int, told: str) -> None:
    with pytest.raises(SimulationFailed) as caught:
        simulate(program, 1)
    cause = caught.value.__cause__
    assert isinstance(cause, LeftSimulation)
    assert str(cause).startswith(f"{__file__}:{line} {told}, which a simulation cannot do")


async def uses_a_thread(_: Network) -> None:
    await trio.to_thread.run_sync(print)


async def hides_it(_: Network) -> None:
    with suppress(Exception):
        time.time()
    await trio.sleep(1)


@pytest.mark.parametrize(
    ("program", "line", "told"),
    [
        (uses_a_thread, 1, "runs something in a thread (trio.to_thread)"),
        (hides_it, 2, "reads a real clock (time.time)"),
    ],
)
def test_it_is_told_of_tasks_too(
    program: Callable[[Network], Awaitable[None]], line: int, told: str
) -> None:
    check_left(program, program.__code__.co_firstlineno + line, told)


def test_what_does_not_wait_may_be_asked() -> None:
    async def ask(_: Network) -> None:
        assert not threading.Event().wait(0)
        assert select.select([], [], [], 0) == ([], [], [])
        assert time.gmtime(0).tm_year == 1970
        assert time.strftime("%Y", time.gmtime(0)) == "1970"

    simulate(ask, 1)


def test_all_chance_is_that_of_the_seed() -> None:
    seen: list[object] = []

    async def draw(_: Network) -> None:
        seen.append(
            (
                random.random(),
                secrets.token_hex(4),
                random.SystemRandom().random(),
                random.Random().random(),
                os.getrandom(4),
                uuid.uuid1(),
                uuid.uuid4(),
            )
        )
        random.seed()
        seen[-1] = (seen[-1], random.random())

    before = random.getstate()
    simulate(draw, [1, 2, 1])
    assert seen[0] == seen[2] != seen[1]
    assert random.getstate() == before


def test_a_host_has_its_name() -> None:
    async def ask(network: Network) -> None:
        with network.host("alice"):
            assert socket.gethostname() == trio.socket.gethostname() == "alice"
        assert socket.gethostname() == "localhost"

    before = socket.gethostname()
    simulate(ask, 1)
    assert socket.gethostname() == trio.socket.gethostname() == before


def test_libraries_have_the_clocks_of_the_simulation() -> None:
    async def ask(_: Network) -> None:
        await trio.sleep(3600)
        made = logging.LogRecord("a", logging.INFO, "", 1, "", (), None).created
        assert email.utils.formatdate(made) == email.utils.formatdate()

    simulate(ask, 1)


async def sleeps(_: Network) -> None:
    await trio.sleep(1)


def test_libraries_have_the_date_of_the_simulation() -> None:
    seen: list[object] = []

    async def ask(network: Network) -> None:
        assert isinstance(calendar.datetime(2026, 1, 2), calendar.date)
        assert not isinstance(calendar.date(2026, 1, 2), calendar.datetime)
        seen.append(email.utils.format_datetime(email.utils.localtime()))

    simulate(ask, [1, 1])
    assert seen[0] == seen[1]


def test_the_machine_is_as_it_was_afterwards() -> None:
    simulate(sleeps, 1)
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

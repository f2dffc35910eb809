"""Time, chance, addresses and threads come in through one place: the code is searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import trio_rtc
from trio_rtc.world import REAL, World, set_world, world

ROOT = Path(trio_rtc.__file__).parent

#: What reads the machine, by module; an empty set is all of it.
READS: dict[str, set[str]] = {
    "time": set(),
    "random": set(),
    "secrets": set(),
    "ifaddr": set(),
    "os": {"urandom", "getrandom"},
    "uuid": {"uuid1", "uuid4"},
    "datetime": {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"},
    "socket": {"socket", "create_connection", "getaddrinfo", "gethostbyname", "gethostname"},
    "threading": {"Thread", "Timer"},
    "trio.to_thread": set(),
    "trio": {"to_thread.run_sync"},
}

#: Where that is meant, and why.
MEANT = {
    "world": "the one place",
    "netlink": "the kernel tells the one place of addresses",
    "rtc/bridge/engines": "the loop in a thread of its own is for the real world only",
    "rtc/backend/media/player": "a file or a camera is read in a thread",
    "testing/leaving": "its chance is put in the place of the machine's",
    "testing/machine": "what programs read is replaced here",
    "testing/stuck": "how long a simulation takes",
    "testing/network": "has a generator of its own, made of the seed",
    "cli": "is no part of a simulation",
    "forwarding/sockets": "what is forwarded are sockets of the machine",
    "server/metrics": "how old an answer is that is kept",
    "server/http": "sockets of the machine, which a simulation has none of",
    "rtc/backend/sctp/fragmentation": "what is set on a socket of the machine",
}


def reads(text: str) -> set[str]:
    """What a module reads of the machine, as ``time.monotonic``."""
    return set(_reads(ast.parse(text)))


def _reads(tree: ast.Module) -> Iterator[str]:
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                modules[alias.asname or alias.name] = name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (path := _path(node)):
            first, _, rest = path.partition(".")
            full = ".".join(filter(None, [modules.get(first, ""), rest]))
            for module, names in READS.items():
                if first in modules and full.startswith(f"{module}."):
                    name = full.removeprefix(f"{module}.")
                    # A generator that is made with a seed is no chance.
                    if (not names and name != "Random") or name in names:
                        yield full


def _path(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _path(node.value)):
        return f"{before}.{node.attr}"
    return ""


def modules() -> list[str]:
    return sorted(str(path.relative_to(ROOT)).removesuffix(".py") for path in ROOT.rglob("*.py"))


def test_what_is_meant_is_there() -> None:
    for meant in MEANT:
        inside = [m for m in modules() if m == meant or m.startswith(f"{meant}/")]
        if meant != "testing/network":
            assert any(reads((ROOT / f"{module}.py").read_text()) for module in inside), meant


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.monotonic()",
        "import time as t\nt.time()",
        "from time import monotonic\nmonotonic()",
        "from time import monotonic as clock\ndef f(c=clock): ...",
        "import os\nos.urandom(4)",
        "from os import urandom\nurandom(4)",
        "import random\nrandom.random()",
        "import secrets\nsecrets.token_hex(4)",
        "from uuid import uuid4\nuuid4()",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.now()",
        "import trio\ntrio.to_thread.run_sync(f)",
        "from trio import to_thread\nto_thread.run_sync(f)",
        "import threading\nthreading.Thread(target=f)",
        "import socket\nsocket.socket()",
        "import ifaddr\nifaddr.get_adapters()",
    ],
)
def test_what_reads_it_is_found(text: str) -> None:
    assert reads(text)


@pytest.mark.parametrize(
    "text",
    ["from random import Random\nRandom(1)", "import socket\nsocket.AF_INET", "time.time()"],
)
def test_what_does_not_is_not_found(text: str) -> None:
    assert not reads(text)


async def test_a_run_is_in_the_real_world_until_it_is_in_another() -> None:
    assert world() is REAL
    assert abs(len(world().random_bytes(7))) == 7
    assert world().random_bytes(16) != world().random_bytes(16)
    other = World()
    set_world(other)
    try:
        seen: list[World] = []

        async def look() -> None:
            seen.append(world())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
        assert seen == [other]
        # A thread is in none, and finds that of the machine.
        assert await trio.to_thread.run_sync(world) is REAL
    finally:
        set_world(REAL)


def test_outside_of_a_run_the_world_is_real() -> None:
    assert world() is REAL

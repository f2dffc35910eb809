"""Host addresses: loopback only where there is no other (RFC 8445, section 5.1.1.1)."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import aioice
import ifaddr
import pytest
import trio

from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.ice.host_addresses import gather_from, host_addresses
from trio_rtc.rtc.ice_gather_options import IceGatherOptions

from ...lacking import lacking
from ...pairs import Peer, negotiate, open_pair

ROOT = Path(__file__).parents[4]

LO = ("lo", "127.0.0.1", ("::1", 0, 0))
CABLE = ("eth0", ("fe80::2", 0, 3))

#: Two peers in one program, who say how they reach each other: before and after an ICE restart.
PROGRAM = """
import trio, trio_rtc
from trio_rtc.testing import MemoryHub

async def echo(call):
    async for channel in call.channels:
        async for message in channel:
            await channel.send(message)

async def main():
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio_rtc.serve_calls, echo, bob)
        async with (
            trio_rtc.open_call(alice, "bob") as call,
            await call.open_channel("chat") as channel,
        ):
            for turn in range(2):
                await channel.send("hello")
                assert await channel.receive() == "hello"
                stats = await call.stats()
                print(stats.local_candidate.address, stats.remote_candidate.address)
                if not turn:
                    await call.restart()
        nursery.cancel_scope.cancel()

trio.run(main)
"""


def alone(setup: str) -> list[str]:
    """What runs a command on a machine of its own, without a network, after this setup.

    The kernel has to let us; root may always.
    """
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    prefix = ["unshare", *root, "--net", "sh", "-ec", f'{setup}; exec "$@"', "sh"]
    problem = "there is no unshare, or no ip"
    if shutil.which("unshare") and shutil.which("ip"):
        tried = subprocess.run([*prefix, "true"], capture_output=True, text=True)
        if not tried.returncode:
            return prefix
        problem = tried.stderr
    if "CI" in os.environ:
        pytest.fail(problem)
    pytest.skip(problem)


def has(monkeypatch: pytest.MonkeyPatch, *adapters: tuple[str, *tuple[object, ...]]) -> None:
    found = [
        ifaddr.Adapter(name, name, [ifaddr.IP(ip, 64, name) for ip in ips])  # type: ignore[arg-type]
        for name, *ips in adapters
    ]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: found)


@pytest.mark.parametrize(
    ("adapters", "expected"),
    [
        ([LO, ("eth0", "192.0.2.2", ("fe80::2", 0, 3))], ["192.0.2.2"]),
        ([LO, ("eth0", "192.0.2.2", ("2001:db8::2", 0, 0))], ["192.0.2.2", "2001:db8::2"]),
        # Others of 127/8 are loopback, too.
        ([("lo", "127.0.0.1", "127.0.1.1"), ("eth0", "169.254.7.7")], ["169.254.7.7"]),
        ([LO, CABLE], ["fe80::2%eth0"]),
        ([LO], ["127.0.0.1", "::1"]),
        ([("lo", "127.0.0.1")], ["127.0.0.1"]),
        ([], []),
    ],
)
def test_which_addresses_are_used(
    monkeypatch: pytest.MonkeyPatch, adapters: list[tuple[str]], expected: list[str]
) -> None:
    has(monkeypatch, *adapters)
    assert host_addresses() == expected


async def candidates(alice: Peer, bob: Peer) -> list[bool]:
    """Of each candidate of Alice's whether it is the end of them."""
    with trio.fail_after(20):
        await alice.connection.create_data_channel("chat")
        await negotiate(alice, bob)
        while "end 0" not in alice.log:  # noqa: ASYNC110  # It is for tests, and takes no time.
            await trio.sleep(0.01)
    return [candidate.is_end for candidate in alice.candidates]


async def test_with_nothing_but_loopback_it_is_a_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has(monkeypatch, ("lo", "127.0.0.1"))
    async with open_pair() as (alice, bob):
        assert await candidates(alice, bob) == [False, True]


def test_the_addresses_of_the_machine_are_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = []

    def list_adapters() -> list[ifaddr.Adapter]:
        listed.append(1)
        return [ifaddr.Adapter("lo", "lo", [ifaddr.IP("127.0.0.1", 8, "lo")])]

    monkeypatch.setattr(ifaddr, "get_adapters", list_adapters)

    async def main() -> None:
        agent = aioice.Connection(ice_controlling=True)
        gather_from(agent, IceGatherOptions())
        for _ in range(2):
            await agent.gather_candidates()
        assert [candidate.host for candidate in agent.local_candidates] == ["127.0.0.1"]
        await agent.close()

    asyncio.run(main())
    assert len(listed) == 1


async def test_who_wants_relays_only_has_no_loopback_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has(monkeypatch, LO)
    async with open_pair(ice_transport_policy="relay") as (alice, bob):
        assert await candidates(alice, bob) == [True]


async def test_a_release_without_it_has_no_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, LO)
    with lacking("host_addresses", ledger.CONNECTION):
        async with open_pair() as (alice, bob):
            assert await candidates(alice, bob) == [True]


@pytest.mark.parametrize(
    ("setup", "address"),
    [
        ("ip link set lo up", r"127\.0\.0\.1|::1"),
        # A machine on a cable, with nobody to give it an address; lo has none before it is up.
        (
            "ip link add eth0 type veth peer name eth1; ip link set eth1 addrgenmode none; "
            "ip link set eth1 up; ip link set eth0 addrgenmode none; ip link set eth0 up; "
            "ip address add fe80::7/64 dev eth0 nodad; ip link set lo up",
            "fe80::7",
        ),
    ],
)
def test_without_a_network_two_peers_of_one_machine_call(setup: str, address: str) -> None:
    done = subprocess.run(
        [*alone(setup), sys.executable, "-W", "error", "-c", PROGRAM],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert re.fullmatch(rf"(({address}) ({address})\n){{2}}", done.stdout), done.stdout
    assert done.stderr == ""


def test_without_a_network_the_demo_runs() -> None:
    done = subprocess.run(
        [*alone("ip link set lo up"), sys.executable, "scripts/demo.py"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "done: both saw, heard and read the other" in done.stdout

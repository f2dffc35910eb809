"""Candidates that are told when they are found, with servers that answer, or do not."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from aioice import stun
from trio.testing import wait_all_tasks_blocked

from trio_rtc.rtc import IceServer
from trio_rtc.rtc.backend import ledger, patches, purposes
from trio_rtc.rtc.backend.ice import trickle
from trio_rtc.rtc.backend.ice.host_addresses import host_addresses

from ....coturn import needs_coturn
from ...lacking import lacking
from ...pairs import Peer, negotiate, open_pair
from ...turn_server import host_address, turn_server
from .test_host_addresses import alone


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The address of a server that hears everything and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host_address(), 0))
        yield "{}:{}".format(*sock.getsockname())


def types(peer: Peer) -> list[str]:
    return [
        "end" if candidate.is_end else candidate.candidate.split(" typ ")[1].split()[0]
        for candidate in peer.candidates
    ]


def is_ended(peer: Peer) -> bool:
    return bool(peer.candidates) and peer.candidates[-1].is_end


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await wait_all_tasks_blocked(0.01)


async def exchange(alice: Peer, bob: Peer) -> None:
    """Connect, and send a message each way."""
    channel = await alice.connection.create_data_channel("chat")
    await negotiate(alice, bob)
    await channel.send("ping")
    theirs = await bob.channels.receive()
    assert await theirs.receive() == "ping"
    await theirs.send("pong")
    assert await channel.receive() == "pong"


@pytest.mark.parametrize("purpose", ledger.ATTRIBUTES)
def test_what_is_private_is_still_there(purpose: purposes.Purpose) -> None:
    assert patches.missing_attributes(purpose) == []


async def test_without_what_is_private_servers_are_asked_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with lacking("trickle", ledger.CONNECTION):
        async with open_pair() as (alice, bob):
            await exchange(alice, bob)
    assert "_gone" in caplog.text
    assert is_ended(alice)


async def test_a_server_that_does_not_answer_delays_nothing(silent_server: str) -> None:
    servers = [f"stun:{silent_server}", IceServer(f"turn:{silent_server}", "u", "p")]
    with trio.fail_after(30):
        async with open_pair(ice_servers=servers) as (alice, bob):
            await exchange(alice, bob)
            # Connected, and the server is still waited for.
            assert set(types(alice)) == set(types(bob)) == {"host"}


async def test_closing_does_not_wait_for_a_server(silent_server: str) -> None:
    servers = [f"stun:{silent_server}", IceServer(f"turn:{silent_server}", "u", "p")]
    async with open_pair(ice_servers=servers) as (alice, _):
        await alice.connection.create_data_channel("chat")
        await alice.connection.set_local_description()


async def test_the_end_comes_when_a_server_has_had_its_time(
    silent_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trickle, "ANSWER_SECONDS", 0.2)
    async with open_pair(ice_servers=[f"stun:{silent_server}"]) as (alice, bob):
        await exchange(alice, bob)
        await until(lambda: is_ended(alice) and is_ended(bob))
        assert types(alice)[-1] == "end"
        assert types(alice).count("end") == 1


async def test_a_server_with_a_name_that_nobody_has(caplog: pytest.LogCaptureFixture) -> None:
    async with open_pair(ice_servers=["stun:nobody.invalid"]) as (alice, bob):
        await exchange(alice, bob)
        with trio.fail_after(20):
            await until(lambda: is_ended(alice))


@contextmanager
def stun_server(host: str, attributes: dict[str, Any]) -> Iterator[str]:
    """The URL of a server that answers whatever is asked with these."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock, ThreadPoolExecutor() as threads:
        sock.bind((host, 0))

        def serve() -> None:
            while data := sock.recvfrom(2000):
                if not data[0]:
                    return
                request = stun.parse_message(data[0])
                answer = stun.Message(
                    request.message_method,
                    stun.Class.RESPONSE,
                    request.transaction_id,
                    dict(attributes),
                )
                sock.sendto(bytes(answer), data[1])

        serving = threads.submit(serve)
        port = sock.getsockname()[1]
        yield f"stun:[{host}]:{port}" if ":" in host else f"stun:{host}:{port}"
        sock.sendto(b"", (host, port))
        serving.result()


async def candidates_of(alice: Peer) -> list[str]:
    """What has been found when all servers have had their say."""
    alice.described.set()
    alice.forwards = False
    await alice.connection.create_data_channel("chat")
    await alice.connection.set_local_description()
    await until(lambda: is_ended(alice))
    return types(alice)


async def test_a_server_of_the_old_kind() -> None:
    with stun_server(host_address(), {"MAPPED-ADDRESS": ("192.0.2.77", 7)}) as url:
        async with open_pair(ice_servers=[url]) as (alice, _):
            assert "srflx" in await candidates_of(alice)
            assert any(" 192.0.2.77 7 typ srflx" in c.candidate for c in alice.candidates)


@pytest.mark.parametrize(
    "attributes", [{}, {"XOR-MAPPED-ADDRESS": ("0.0.0.0", 7)}, {"XOR-MAPPED-ADDRESS": ("::1", 0)}]
)
async def test_an_answer_without_an_address_keeps_no_other_from_being_heard(
    attributes: dict[str, Any],
) -> None:
    useful = {"XOR-MAPPED-ADDRESS": ("192.0.2.77", 7)}
    with stun_server(host_address(), attributes) as bad, stun_server(host_address(), useful) as url:
        async with open_pair(ice_servers=[bad, url]) as (alice, _):
            assert (await candidates_of(alice)).count("srflx") == 1


def ipv6_addresses() -> list[str]:
    return [address for address in host_addresses() if ":" in address and "%" not in address]


@pytest.mark.skipif(bool(ipv6_addresses()), reason="this machine has an IPv6 address")
def test_a_server_that_has_an_ipv6_address_on_a_machine_that_has_one() -> None:
    network = "ip link set lo up; ip address add 2001:db8::1/64 dev lo nodad"
    test = f"{__file__}::test_a_server_that_has_an_ipv6_address"
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider")
    done = subprocess.run([*alone(network), *pytest_, test], capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("1 passed")) == (0, 1), done.stdout


@pytest.mark.skipif(not ipv6_addresses(), reason="it runs on a machine of the test's own")
async def test_a_server_that_has_an_ipv6_address() -> None:
    addresses = ipv6_addresses()
    with stun_server(addresses[0], {"XOR-MAPPED-ADDRESS": ("2001:db8::77", 7)}) as url:
        async with open_pair(ice_servers=[url]) as (alice, _):
            assert "srflx" in await candidates_of(alice)
            (found,) = {c.candidate for c in alice.candidates if " srflx " in c.candidate}
            assert " 2001:db8::77 7 typ srflx raddr " in found


async def test_who_wants_tls_is_not_asked_without(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host_address(), 0))
        url = "turns:{}:{}?transport=udp".format(*sock.getsockname())
        async with open_pair(ice_servers=[IceServer(url, "u", "p")]) as (alice, _):
            assert set(await candidates_of(alice)) == {"host", "end"}
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(2000)
    assert f"{url} is not asked" in caplog.text


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_relay_only(tmp_path: Path, transport: str) -> None:
    with trio.fail_after(60):
        async with turn_server(tmp_path) as server:
            options: dict[str, Any] = {
                "ice_servers": [server.turn(transport)],
                "ice_transport_policy": "relay",
            }
            async with open_pair(**options) as (alice, bob):
                await exchange(alice, bob)
                assert set(types(alice)) <= {"relay", "end"}
                # The address behind the relay is nobody's business (RFC 9429, section 3.5.3).
                assert "raddr 0.0.0.0 rport 9" in alice.candidates[0].candidate


@needs_coturn
async def test_all_kinds_of_candidates_and_the_end(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with turn_server(tmp_path) as server:
            options = {"ice_servers": [server.stun, server.turn()]}
            async with open_pair(**options) as (alice, bob):
                await exchange(alice, bob)
                await until(lambda: is_ended(alice) and is_ended(bob))
                # Without a NAT what the STUN server sees is the host's own address.
                found = types(alice)
                assert found[0] == "host"
                assert "relay" in found
                assert "srflx" not in found
                local = alice.connection.local_description
                assert local is not None
                for kind in ("host", "relay"):
                    assert f"typ {kind}" in local.sdp
                assert "a=end-of-candidates" in local.sdp


@needs_coturn
async def test_every_server_is_asked_not_just_the_first(tmp_path: Path, silent_server: str) -> None:
    with trio.fail_after(60):
        async with turn_server(tmp_path) as server:
            servers = [IceServer(f"turn:{silent_server}", "alice", "secret"), server.turn()]
            options: dict[str, Any] = {"ice_servers": servers, "ice_transport_policy": "relay"}
            async with open_pair(**options) as (alice, bob):
                await exchange(alice, bob)


@needs_coturn
async def test_wrong_credentials_are_a_warning_that_names_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with trio.fail_after(60):
        async with turn_server(tmp_path) as server:
            wrong = server.turn(credential="wrong")
            async with open_pair(ice_servers=[wrong]) as (alice, bob):
                await exchange(alice, bob)
                await until(lambda: is_ended(alice))
            assert "relay" not in types(alice)
    warnings = [r for r in caplog.records if getattr(r, "code", "") == "ice_server_refused"]
    assert warnings
    assert f"turn:{server.address}:{server.port}" in warnings[0].getMessage()
    assert "401" in warnings[0].getMessage()


@needs_coturn
async def test_a_relay_is_left_when_there_is_a_direct_way(tmp_path: Path) -> None:
    """As when the packets of the direct way were lost for a moment."""

    async def uses_relay(peer: Peer) -> bool:
        stats = await peer.connection.get_stats()
        assert stats.local_candidate is not None
        assert stats.remote_candidate is not None
        return "relay" in (stats.local_candidate.type, stats.remote_candidate.type)

    with trio.fail_after(60):
        async with (
            turn_server(tmp_path) as server,
            open_pair(ice_servers=[server.turn()]) as (alice, bob),
        ):
            alice.forwards = bob.forwards = False
            channel = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await until(lambda: is_ended(alice) and is_ended(bob))
            for relays in (True, False):
                for peer, other in ((alice, bob), (bob, alice)):
                    for candidate in peer.candidates:
                        if not candidate.is_end and relays == (" typ relay" in candidate.candidate):
                            await other.connection.add_ice_candidate(candidate)
                await channel.wait_open()
                for peer in (alice, bob):
                    while await uses_relay(peer) != relays:  # noqa: ASYNC110
                        await trio.sleep(0.01)
                await channel.send("still there?")
            theirs = await bob.channels.receive()
            for _ in range(2):
                assert await theirs.receive() == "still there?"

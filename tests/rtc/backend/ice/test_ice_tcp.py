"""ICE over TCP: passive candidates, active ones, and strangers who knock."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from trio_rtc import IceGatherOptions
from trio_rtc.rtc.backend.ice.ice_tcp import MOST_CONNECTIONS
from trio_rtc.rtc.backend.ice.tcp_mux import MOST_UNKNOWN

from ....ports import free_port
from ...pairs import Peer, negotiate, open_pair
from .test_trickle import is_ended, until

TCP = IceGatherOptions(tcp=True)


def paths(peer: Peer) -> Any:
    return peer.connection._loop_connection.exchange.paths.all()


def transport_of(peer: Peer) -> str:
    pair = paths(peer)[0].selected_pair()
    return "" if pair is None else str(pair.local_candidate.transport)


async def forward(alice: Peer, bob: Peer, kind: str) -> None:
    """Have each hear of the other's candidates of one kind only."""
    await until(lambda: is_ended(alice) and is_ended(bob))
    for peer, other in ((alice, bob), (bob, alice)):
        for candidate in peer.candidates:
            if candidate.is_end or re.search(kind, candidate.candidate):
                await other.connection.add_ice_candidate(candidate)


async def talk(alice: Peer, bob: Peer, size: int = 60_000, count: int = 20) -> None:
    channel = await alice.connection.create_data_channel("chat")
    await channel.wait_open()
    other = await bob.channels.receive()

    async def send() -> None:
        for number in range(count):
            await channel.send(bytes([number]) * size)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        for number in range(count):
            assert await other.receive() == bytes([number]) * size


async def test_a_connection_over_tcp_alone() -> None:
    with trio.fail_after(60):
        async with open_pair(ice_gathering=TCP) as (alice, bob):
            alice.forwards = bob.forwards = False
            await alice.connection.create_data_channel("first")
            await negotiate(alice, bob)
            await forward(alice, bob, r" tcp .* tcptype passive")
            await alice.connected.wait()
            await bob.connected.wait()
            await bob.channels.receive()
            await talk(alice, bob)
            assert transport_of(alice) == transport_of(bob) == "tcp"


async def test_all_connections_on_one_port() -> None:
    """Of TCP: each finds the agent that it is for, in both directions."""
    port = free_port()
    one_port = IceGatherOptions(tcp=True, udp_mux=port)
    with trio.fail_after(60):
        async with (
            open_pair(ice_gathering=one_port) as (alice, bob),
            open_pair(ice_gathering=one_port) as (carol, dave),
        ):
            for one, other in ((alice, bob), (carol, dave)):
                one.forwards = other.forwards = False
                await one.connection.create_data_channel("first")
                await negotiate(one, other)
                await forward(one, other, rf" tcp \d+ \S+ {port} .* tcptype passive")
            for one, other in ((alice, bob), (carol, dave)):
                await other.channels.receive()
                await talk(one, other, count=3)
                assert transport_of(one) == transport_of(other) == "tcp"
    # It is closed with the last one.
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_strangers_who_knock_at_the_port_of_all() -> None:
    port = free_port()
    one_port = IceGatherOptions(tcp=True, udp_mux=port)
    request = b"\0\1\0\x0c" + bytes(16) + b"\0\6\0\5ab:cd\0\0\0"
    with trio.fail_after(60):
        async with open_pair(ice_gathering=one_port) as (alice, bob):
            alice.forwards = bob.forwards = False
            await alice.connection.create_data_channel("first")
            await negotiate(alice, bob)
            await until(lambda: is_ended(alice))
            [address] = [
                match[1]
                for candidate in alice.candidates
                if (match := re.search(rf" tcp \d+ (\d+\.\S+) {port} ", candidate.candidate))
            ][:1]
            # What is no request, too long, empty, or for nobody.
            for data in (b"\0\4\x16abc", b"\xff\xff", b"\0\0", b"\0\x20" + request):
                async with await trio.open_tcp_stream(address, port) as knock:
                    await knock.send_all(data)
                    with suppress(trio.BrokenResourceError):
                        assert await knock.receive_some() == b""
            silent = [await trio.open_tcp_stream(address, port) for _ in range(MOST_UNKNOWN)]
            async with await trio.open_tcp_stream(address, port) as knock:
                with suppress(trio.BrokenResourceError):
                    assert await knock.receive_some() == b""
            for knock in silent:
                await knock.aclose()
            await forward(alice, bob, r" tcp .* tcptype passive")
            await bob.channels.receive()
            await talk(alice, bob, count=2)


async def test_udp_is_taken_where_it_works() -> None:
    with trio.fail_after(60):
        async with open_pair(ice_gathering=TCP) as (alice, bob):
            await alice.connection.create_data_channel("first")
            await negotiate(alice, bob)
            await bob.channels.receive()
            await talk(alice, bob, count=2)
            await until(lambda: transport_of(alice) == transport_of(bob) == "udp")


async def test_without_the_option_there_is_none_and_none_is_taken() -> None:
    with trio.fail_after(60):
        async with open_pair() as (alice, bob):
            await alice.connection.create_data_channel("first")
            await negotiate(alice, bob)
            await until(lambda: is_ended(alice))
            assert not [c for c in alice.candidates if " tcp " in c.candidate]
            with socket.create_server(("127.0.0.1", 0)) as server:
                server.setblocking(False)
                port = server.getsockname()[1]
                line = f"candidate:1 1 tcp 1518280447 127.0.0.1 {port} typ host tcptype passive"
                candidate = alice.candidates[0]
                await bob.connection.add_ice_candidate(replace(candidate, candidate=line))
                await bob.channels.receive()
                await talk(alice, bob, count=2)
                with pytest.raises(BlockingIOError):
                    server.accept()


async def test_strangers_who_knock() -> None:
    with trio.fail_after(60):
        async with open_pair(ice_gathering=TCP) as (alice, bob):
            alice.forwards = bob.forwards = False
            await alice.connection.create_data_channel("first")
            await negotiate(alice, bob)
            await until(lambda: is_ended(alice))
            [match] = [
                match
                for candidate in alice.candidates
                if (match := re.search(r" tcp \d+ (\d+\.\S+) (\d+) typ host", candidate.candidate))
            ][:1]
            knocks: list[trio.SocketStream] = []
            for data in (b"\0\0", b"\0\5hello", b"\xff\xff" + bytes(70_000), b"\0\4\x16abc", b""):
                knocks.append(await trio.open_tcp_stream(match[1], int(match[2])))
                await knocks[-1].send_all(data)
            for _ in range(MOST_CONNECTIONS):
                knocks.append(await trio.open_tcp_stream(match[1], int(match[2])))
            # There is no room for the last one.
            with pytest.raises(trio.BrokenResourceError):
                await knocks[-1].send_all(b"\0")
                assert await knocks[-1].receive_some() == b""
                raise trio.BrokenResourceError
            for knock in knocks:
                await knock.aclose()
            await forward(alice, bob, r" udp ")
            await bob.channels.receive()
            await talk(alice, bob, count=2)

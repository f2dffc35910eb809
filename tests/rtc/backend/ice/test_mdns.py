"""Host addresses that are hidden behind names, for which we answer."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import replace

import dns.message
import dns.rdatatype
import pytest
import trio
from aioice.ice import get_or_create_mdns_protocol, unref_mdns_protocol
from aioice.mdns import MDNS_ADDRESS, MDNS_PORT
from aiortc import RTCIceCandidate

from trio_rtc import IceGatherOptions
from trio_rtc.rtc import open_peer_connection
from trio_rtc.rtc.backend.aiortc_connection import LoopConnection
from trio_rtc.rtc.backend.ice.host_addresses import host_addresses
from trio_rtc.rtc.backend.ice.mdns import HiddenAddresses, keep_by_loop
from trio_rtc.testing import Network

from ....testing.simulated import call_bob, run, used_pair
from ...pairs import Peer, negotiate, open_pair
from .test_trickle import is_ended, until

HIDDEN = IceGatherOptions(mdns=True)


def _has_multicast() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            member = socket.inet_aton(MDNS_ADDRESS) + bytes(4)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        except OSError:
            return False
    return True


needs_multicast = pytest.mark.skipif(
    not _has_multicast(), reason="this machine has no network on which there is multicast"
)


def names_of(peer: Peer) -> list[str]:
    return [
        match[1]
        for candidate in peer.candidates
        if (match := re.search(r" (\S+\.local) \d+ typ host", candidate.candidate))
    ]


@needs_multicast
async def test_peers_connect_by_names_and_tell_no_address() -> None:
    with trio.fail_after(60):
        async with open_pair(ice_gathering=HIDDEN) as (alice, bob):
            channel = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await until(lambda: is_ended(alice) and is_ended(bob))
            for peer in (alice, bob):
                assert len(set(names_of(peer))) == len(host_addresses())
                description = peer.connection.local_description
                assert description is not None
                said = description.sdp + "".join(c.candidate for c in peer.candidates)
                assert not [own for own in host_addresses() if own in said]
                assert "c=IN IP4 0.0.0.0" in said
            await channel.wait_open()
            other = await bob.channels.receive()
            await channel.send("hello")
            assert await other.receive() == "hello"
            assert not set(names_of(alice)) & set(names_of(bob))


@needs_multicast
async def test_nobody_answers_for_a_name_after_the_connection() -> None:
    async def ask(name: str, kind: dns.rdatatype.RdataType, seconds: float) -> bool:
        """Whether there is an answer within some seconds."""
        question = dns.message.make_query(name, kind)
        question.id = question.flags = 0
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            member = socket.inet_aton(MDNS_ADDRESS) + bytes(4)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            await sock.bind(("", MDNS_PORT))
            await sock.sendto(question.to_wire(), (MDNS_ADDRESS, MDNS_PORT))
            with trio.move_on_after(seconds):
                while True:
                    data = await sock.recv(2000)
                    answer = dns.message.from_wire(data)
                    if any(name in str(each.name) for each in answer.answer):
                        return True
        return False

    async with open_pair(ice_gathering=HIDDEN) as (alice, bob):
        await alice.connection.create_data_channel("chat")
        await negotiate(alice, bob)
        name = names_of(alice)[0]
        assert await ask(name, dns.rdatatype.A, 30)
        # The other one keeps the socket.
        await alice.connection.aclose()
        assert not await ask(name, dns.rdatatype.A, 0.3)


async def test_what_servers_have_found_tells_no_address_either() -> None:
    hidden = HiddenAddresses(None)
    hidden._names = {"192.168.1.5": "5e1d7f4a-b.local", "fd00::5": None}
    known = RTCIceCandidate(1, "hash", "192.168.1.5", 5000, 1, "udp", "host")
    found = replace(known, ip="203.0.113.7", type="srflx", relatedPort=5000)
    for address, unspecified in (("192.168.1.5", "0.0.0.0"), ("fd00::5", "::")):
        told = hidden.told(replace(found, relatedAddress=address))
        assert told is not None
        assert (told.ip, told.relatedAddress, told.relatedPort) == ("203.0.113.7", unspecified, 9)
        assert "hash" not in told.foundation
    assert hidden.told(replace(known, ip="fd00::5")) is None
    # What is to be told instead of an address of ours is no secret.
    advertised = replace(known, ip="203.0.113.9")
    assert hidden.told(advertised) == advertised


def test_a_simulated_network_has_no_names() -> None:
    """Who hides its addresses is found by what servers have seen."""

    async def program(network: Network) -> tuple[str, str]:
        turn = network.turn_server()
        alice, bob = network.host("alice"), network.host("bob", router=network.router("bob's"))
        used: tuple[str, str] = await call_bob(
            network, alice, bob, used_pair, ice_servers=[turn.stun], ice_gathering=HIDDEN
        )
        return used

    assert run(program) == ("host", "srflx")


@pytest.mark.parametrize("turn", range(3))
async def test_loops_of_a_thread_one_after_another(turn: int) -> None:
    """Whoever waits for the lock of aioice binds it to a loop, and the next one is another."""

    async def contend(connection: LoopConnection) -> None:
        agents = [object(), object()]
        keep_by_loop()
        await asyncio.gather(*map(get_or_create_mdns_protocol, agents))
        await asyncio.gather(*map(unref_mdns_protocol, agents))

    with trio.fail_after(60):
        async with open_peer_connection() as connection:
            await connection._bridge.run(contend, connection._loop_connection)

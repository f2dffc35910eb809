"""What is received from a socket: of the other side only, and all that waits in one turn."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Iterator

import aioice
import pytest
import trio
from aioice import stun
from aioice.ice import StunProtocol

from trio_rtc.rtc import PeerConnection
from trio_rtc.rtc.backend import ledger, patches
from trio_rtc.rtc.backend.dtls import datagrams
from trio_rtc.rtc.backend.dtls.datagrams import (
    AT_ONCE,
    RECEIVE_BUFFER,
    UNLOOKED,
    protect,
    quicken,
)
from trio_rtc.rtc.backend.ice.checks import Checks
from trio_rtc.rtc.backend.ice.host_addresses import DEFAULTS, gather_from

from ...lacking import lacking
from ...pairs import open_channels, open_pair

#: First bytes of DTLS and of RTP (RFC 7983).
DATA = [b"\x16handshake", b"\x17data", b"\x80rtp", b"\xbfrtp"]


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.settimeout(30)
        yield sender


async def open_agent() -> tuple[aioice.Connection, StunProtocol]:
    """An agent, and that one of its sockets which is on IPv4."""
    agent = aioice.Connection(ice_controlling=False)
    gather_from(agent, DEFAULTS)
    await agent.gather_candidates()
    (protocol, *_) = (
        protocol for protocol in agent._protocols if "." in protocol.local_candidate.host
    )
    return agent, protocol


def address_of(protocol: StunProtocol) -> tuple[str, int]:
    return (protocol.local_candidate.host, protocol.local_candidate.port)


async def protected_agent(*known: socket.socket) -> tuple[aioice.Connection, StunProtocol]:
    """One that these belong to the other side of."""
    agent, protocol = await open_agent()
    protect(agent)
    for sock in known:
        host, port = sock.getsockname()
        candidate = f"1 1 udp 1 {host} {port} typ host"
        await agent.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
    return agent, protocol


def check_for(agent: aioice.Connection) -> stun.Message:
    """A check of the other side."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{agent.local_username}:theirs"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 1
    request.add_message_integrity(agent.local_password.encode())
    return request


def received(agent: aioice.Connection) -> list[bytes]:
    found = []
    while not agent._queue.empty():
        item = agent._queue.get_nowait()
        assert item is not None
        found.append(item[0])
    return found


async def until_received(agent: aioice.Connection) -> list[bytes]:
    """What has come when something has."""
    async with asyncio.timeout(30):
        first = await agent._queue.get()
    assert first is not None
    return [first[0], *received(agent)]


def test_many_come_in_one_turn_and_in_order(sender: socket.socket) -> None:
    async def main() -> None:
        agent, protocol = await open_agent()
        quicken(protocol)
        for data in DATA * 4:
            sender.sendto(data, address_of(protocol))
        assert await until_received(agent) == DATA * 4
        await agent.close()

    asyncio.run(main())


def test_a_flood_leaves_others_their_turn(sender: socket.socket) -> None:
    async def main() -> None:
        agent, protocol = await open_agent()
        quicken(protocol)
        for _ in range(AT_ONCE + 10):
            sender.sendto(DATA[0], address_of(protocol))
        assert len(await until_received(agent)) == AT_ONCE
        assert len(await until_received(agent)) == 10
        await agent.close()

    asyncio.run(main())


def test_nobody_looks_in_vain_again_after_one_that_came_alone(
    sender: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datagrams, "LONE", 0)

    async def main() -> None:
        agent, protocol = await open_agent()
        quicken(protocol)
        reader = protocol.datagram_received.__self__  # type: ignore[attr-defined]
        reads, read = 0, reader._read_ready

        def count() -> None:
            nonlocal reads
            reads += 1
            read()

        reader._read_ready = count
        # The first tells it.
        for expected in (1, 0, 0):
            reads = 0
            sender.sendto(DATA[0], address_of(protocol))
            assert await until_received(agent) == DATA[:1]
            assert reads == expected
        await agent.close()

    asyncio.run(main())


def test_a_slow_loop_does_not_stay_behind(
    sender: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn takes so long that what comes next might have come alone."""
    monkeypatch.setattr(datagrams, "LONE", 0)

    async def main() -> None:
        agent, protocol = await open_agent()
        quicken(protocol)
        sender.sendto(DATA[0], address_of(protocol))
        assert await until_received(agent) == DATA[:1]
        for _ in range(AT_ONCE):
            sender.sendto(DATA[1], address_of(protocol))
        left, turns = AT_ONCE, 0
        while left:
            left -= len(await until_received(agent))
            turns += 1
        assert turns <= UNLOOKED + 1
        await agent.close()

    asyncio.run(main())


def test_stun_between_data_is_answered(sender: socket.socket) -> None:
    async def main() -> None:
        agent, protocol = await open_agent()
        agent.remote_username, agent.remote_password = "theirs", "secret"
        quicken(protocol)
        request = check_for(agent)
        for data in (DATA[0], bytes(request), DATA[1]):
            sender.sendto(data, address_of(protocol))
        assert await until_received(agent) == [DATA[0], DATA[1]]
        answer = stun.parse_message(sender.recv(2000))
        assert answer.message_class is stun.Class.RESPONSE
        assert answer.transaction_id == request.transaction_id
        await agent.close()

    asyncio.run(main())


@pytest.mark.parametrize("quick", [False, True])
def test_data_of_strangers_is_dropped(sender: socket.socket, quick: bool) -> None:
    async def main(stranger: socket.socket) -> None:
        agent, protocol = await protected_agent(sender)
        if quick:
            quicken(protocol)
        for data in DATA:
            stranger.sendto(data, address_of(protocol))
        sender.sendto(DATA[0], address_of(protocol))
        assert await until_received(agent) == DATA[:1]
        await agent.close()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        asyncio.run(main(stranger))


def test_who_has_sent_a_check_is_no_stranger(sender: socket.socket) -> None:
    """Also if the description that tells of it is still on its way."""

    async def main() -> None:
        agent, protocol = await protected_agent()
        sender.sendto(bytes(check_for(agent)), address_of(protocol))
        sender.sendto(DATA[0], address_of(protocol))
        assert await until_received(agent) == DATA[:1]
        await agent.close()

    asyncio.run(main())


async def test_an_alert_of_a_stranger_ends_no_handshake() -> None:
    """It is not authenticated as long as there are no keys."""
    alert = bytes.fromhex("15fefd000000000000000000020228")

    async def attack(connection: PeerConnection) -> None:
        assert connection.local_description is not None
        sdp = connection.local_description.sdp
        addresses = re.findall(r"a=candidate:\S+ 1 udp \S+ (\S+\.\S+) (\S+)", sdp)
        assert addresses
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            while connection.connection_state != "connected":
                for host, port in addresses:
                    await stranger.sendto(alert, (host, int(port)))
                await trio.sleep(0.0005)

    with trio.fail_after(30):
        async with open_pair() as (alice, bob), trio.open_nursery() as nursery:
            channel = await alice.connection.create_data_channel("chat")
            offer = await alice.connection.set_local_description()
            nursery.start_soon(attack, alice.connection)
            await bob.connection.set_remote_description(offer)
            answer = await bob.connection.set_local_description()
            nursery.start_soon(attack, bob.connection)
            alice.described.set()
            bob.described.set()
            await alice.connection.set_remote_description(answer)
            await channel.wait_open()
            assert "failed" not in alice.log + bob.log


async def test_an_empty_one_does_no_harm() -> None:
    """Anybody can send it, and aiortc looks at the first byte of each."""
    async with open_channels() as (ours, theirs, *peers):
        for peer in peers:
            (path,) = peer.connection._loop_connection.exchange.paths.all()
            for protocol in path._agent._protocols:
                family = socket.AF_INET6 if ":" in address_of(protocol)[0] else socket.AF_INET
                with socket.socket(family, socket.SOCK_DGRAM) as stranger:
                    stranger.sendto(b"", address_of(protocol))
        await ours.send("still here")
        assert await theirs.receive() == "still here"
        await theirs.send("here too")
        assert await ours.receive() == "here too"


MALFORMED_STUN = {
    "an address without content": "000100042112a442" + "00" * 12 + "00200000",
    "a short priority": "000100082112a442" + "00" * 12 + "0024000201020000",
    "an unknown family": "0001000c2112a442" + "00" * 12 + "002000080009000001020304",
    "a name that is no UTF-8": "000100082112a442" + "00" * 12 + "00060002ffff0000",
    "an error without a code": "011100042112a442" + "00" * 12 + "00090000",
    "less than a header": "000100",
    "an unknown method": "03e300002112a442" + "00" * 12,
}


@pytest.mark.parametrize("data", MALFORMED_STUN.values(), ids=MALFORMED_STUN.keys())
def test_malformed_stun_is_dropped(sender: socket.socket, data: str) -> None:
    faults: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        agent, protocol = await protected_agent(sender)
        sender.sendto(bytes.fromhex(data), address_of(protocol))
        sender.sendto(DATA[0], address_of(protocol))
        assert await until_received(agent) == DATA[:1]
        await agent.close()

    asyncio.run(main())
    assert faults == []


def test_a_check_without_a_priority_is_dropped(sender: socket.socket) -> None:
    faults: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        agent, protocol = await open_agent()
        Checks(agent)
        agent._early_checks_done = True
        check = check_for(agent)
        del check.attributes["PRIORITY"]
        check.add_message_integrity(agent.local_password.encode())
        for data in (bytes(check), DATA[0]):
            sender.sendto(data, address_of(protocol))
        assert await until_received(agent) == DATA[:1]
        assert agent.remote_candidates == []
        await agent.close()

    asyncio.run(main())
    assert faults == []


def test_the_buffer_is_enlarged() -> None:
    async def main() -> None:
        agent, protocol = await open_agent()
        shown = protocol.transport.get_extra_info("socket")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as largest:
            largest.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            quicken(protocol)
            assert shown.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == largest.getsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF
            )
        await agent.close()

    asyncio.run(main())


def test_what_it_needs_is_there() -> None:
    assert patches.missing_attributes("datagrams") == []

    async def main() -> None:
        agent, protocol = await open_agent()
        assert hasattr(protocol.transport, "_read_ready")
        assert hasattr(protocol.transport, "max_size")
        assert set(ledger.ATTRIBUTES["datagrams"][ledger.STUN_PROTOCOL]) <= set(dir(protocol))
        await agent.close()

    asyncio.run(main())


def test_without_what_is_private_it_is_aioices(
    sender: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        agent, protocol = await open_agent()
        quicken(protocol)
        sender.sendto(DATA[0], address_of(protocol))
        assert await until_received(agent) == DATA[:1]
        await agent.close()

    with lacking("datagrams", ledger.STUN_PROTOCOL):
        asyncio.run(main())
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told == [
        "packets are received one at a time, and from strangers: the installed aiortc or aioice "
        "has no aioice.ice.StunProtocol._gone"
    ]

"""Data channels over networks that lose, double and reorder packets, with either SCTP."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from aiortc import RTCPeerConnection, RTCSctpTransport
from trio.testing import wait_all_tasks_blocked

from trio_rtc.rtc import DataChannel, PeerConnection
from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.sctp import association as sctp
from trio_rtc.rtc.backend.sctp import receiving_transport, sending_transport
from trio_rtc.rtc.backend.sctp.machine import received
from trio_rtc.rtc.backend.sctp.machine.cubic import Cubic
from trio_rtc.rtc.backend.sctp.machine.outbound import I_DATA
from trio_rtc.rtc.backend.sctp.machine.received import SACK
from trio_rtc.rtc.backend.sctp.sctp_packet import seal, unseal

from ...cutting import one_by_one
from ...lacking import lacking
from ...pairs import negotiate, open_channels, open_pair, transport
from ...virtual import in_virtual_time

SIDES = ["ours", "aiortc"]


@contextmanager
def bad_network(seed: int, *connections: PeerConnection) -> Iterator[list[str]]:
    """Of what these send, lose 3 of 100 packets, double 2, deliver 3 late; gives what it did."""
    chance = random.Random(seed)
    sockets: list[Any] = [
        protocol.transport
        for connection in connections
        for path in connection._loop_connection.exchange.paths.all()
        for protocol in path._agent._protocols
    ]
    originals = [sock.sendto for sock in sockets]
    done: list[str] = []

    def worsen(send: Callable[..., None]) -> Callable[..., None]:
        late: list[tuple[Any, ...]] = []

        def sendto(*packet: Any) -> None:
            event = chance.random()
            if event < 0.03:
                done.append("lost")
                return
            if event < 0.06:
                done.append("late")
                late.append(packet)
                return
            send(*packet)
            if event < 0.08:
                done.append("doubled")
                send(*packet)
            while late:
                send(*late.pop())

        return sendto

    for sock, original in zip(sockets, originals, strict=True):
        sock.sendto = worsen(original)
    try:
        with one_by_one():
            yield done
    finally:
        for sock, original in zip(sockets, originals, strict=True):
            sock.sendto = original


async def pour(channel: DataChannel, seed: int, sent: list[bytes]) -> None:
    sizes = random.Random(seed)
    for _ in range(40):
        message = sizes.randbytes(sizes.choice([1, 100, 1161, 16_384, 60_000]))
        sent.append(message)
        await channel.send(message)


async def drink(channel: DataChannel, received: list[bytes]) -> None:
    while len(received) < 40:
        message = await channel.receive()
        assert isinstance(message, bytes)
        received.append(message)


@pytest.mark.parametrize("caller", SIDES)
@pytest.mark.parametrize("callee", SIDES)
@in_virtual_time
async def test_all_arrives_in_order_over_a_bad_network(
    caller: str, callee: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = iter([caller, callee])
    install = sctp.install

    def install_for_side(connection: RTCPeerConnection, **options: Any) -> None:
        if next(sides) == "ours":
            install(connection, **options)

    monkeypatch.setattr(sctp, "install", install_for_side)
    lists: list[list[bytes]] = [[], [], [], []]
    with trio.fail_after(100):
        async with open_pair() as (alice, bob):
            ours = await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await ours.wait_open()
            theirs = await bob.channels.receive()
            assert isinstance(transport(alice), sctp.SctpTransport) == (caller == "ours")
            assert isinstance(transport(bob), sctp.SctpTransport) == (callee == "ours")
            with bad_network(7, alice.connection, bob.connection) as done:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pour, ours, 1, lists[0])
                    nursery.start_soon(pour, theirs, 2, lists[1])
                    nursery.start_soon(drink, theirs, lists[2])
                    nursery.start_soon(drink, ours, lists[3])
    assert lists[2] == lists[0]
    assert lists[3] == lists[1]
    assert {"lost", "late", "doubled"} <= set(done)


async def test_messages_that_may_be_lost_do_not_hold_up_the_rest() -> None:
    async with open_channels("chat", max_retransmits=0) as (ours, theirs, alice, _):
        with bad_network(3, alice.connection):
            for number in range(300):
                await ours.send(b"%d" % number)
                # Each is a packet: none waits for the next one.
                await wait_all_tasks_blocked()
        await ours.send(b"last")
        numbers: list[int] = []
        with trio.fail_after(60):
            while (message := await theirs.receive()) != b"last":
                assert isinstance(message, bytes)
                numbers.append(int(message))
        assert numbers == sorted(numbers)
        assert 200 < len(numbers) < 300


@contextmanager
def seeing_packets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[int]]]:
    """The kinds of the chunks of each packet that is sent in this block, by either side."""

    def seal_and_see(source: int, destination: int, tag: int, body: bytes) -> bytes:
        packet = seal(source, destination, tag, body)
        packets.append([kind for kind, _, _ in unseal(packet)[1]])
        return packet

    packets: list[list[int]] = []
    with monkeypatch.context() as patch:
        patch.setattr(sending_transport, "seal", seal_and_see)
        yield packets


async def test_every_second_packet_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels(strangers=True) as (ours, theirs, _, _):
        with seeing_packets(monkeypatch) as packets, trio.fail_after(30):
            for _ in range(20):
                await ours.send(bytes(16_384))
            for _ in range(20):
                await theirs.receive()
    sacks = sum(SACK in packet for packet in packets)
    data = sum(I_DATA in packet for packet in packets)
    assert data > 200
    assert sacks < 0.75 * data


@pytest.mark.parametrize(
    ("strangers", "packets", "sacks"),
    [
        *((True, *case) for case in [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2), (11, 3)]),
        *((False, *case) for case in [(1, 0), (2, 1), (16, 1), (17, 2), (35, 3)]),
    ],
)
async def test_what_has_come_together_is_acknowledged_together(
    strangers: bool, packets: int, sacks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received, "SACK_SECONDS", 3600)
    async with open_channels(strangers=strangers) as (_, _, alice, _):
        receiver, sent = transport(alice), 0

        async def count(self: object) -> None:
            nonlocal sent
            sent += 1
            receiver._take_sack()

        async def receive_packets() -> None:
            receiver._take_sack()
            for _ in range(packets):
                await receiver._acknowledge_soon(1_200, at_once=False)
            for _ in range(3):
                await asyncio.sleep(0)

        monkeypatch.setattr(sctp.SctpTransport, "_send_sack", count)
        await alice.connection._bridge.run(receive_packets)
        monkeypatch.undo()
    # One that came alone is still waited with.
    assert sent == sacks


@pytest.mark.parametrize("strangers", [True, False])
async def test_after_a_loss_strangers_hear_of_each_packet(
    strangers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their window has room for a few then, and waits for what is not acknowledged."""
    monkeypatch.setattr(received, "SACK_SECONDS", 3600)
    monkeypatch.setattr(receiving_transport, "PROMPT", 4)
    async with open_channels(strangers=strangers) as (_, _, alice, _):
        receiver, sent = transport(alice), 0

        async def count(self: object) -> None:
            nonlocal sent
            sent += 1
            receiver._take_sack()

        async def receive_packets() -> list[int]:
            receiver._take_sack()
            mine, receiver._received = receiver._received, received.Received(100)
            acknowledged = []
            for tsn in (101, 103, 102, 104, 105, 106, 107):
                receiver._received.add(tsn)
                before = sent
                await receiver._acknowledge_soon(1_200, at_once=False)
                await asyncio.sleep(0)
                acknowledged.append(sent - before)
                receiver._take_sack()
            receiver._received = mine
            return acknowledged

        monkeypatch.setattr(sctp.SctpTransport, "_send_sack", count)
        acknowledged = await alice.connection._bridge.run(receive_packets)
        monkeypatch.undo()
    # What opens or fills a gap is told of at once to anybody.
    assert acknowledged == [0, 1, 1, *([1, 1] if strangers else [0, 0]), 0, 0]


async def test_as_aiortc_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as setting:
        setting.setenv("TRIO_RTC_SCTP", "aiortc")
        async with open_channels() as (_, _, alice, bob):
            assert type(transport(alice)) is RTCSctpTransport
            assert type(transport(bob)) is RTCSctpTransport


async def test_with_cubic(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as setting:
        setting.setenv("TRIO_RTC_SCTP", "cubic")
        async with open_channels() as (ours, theirs, alice, _):
            assert isinstance(transport(alice)._sender._control, Cubic)
            await ours.send(bytes(500_000))
            assert await theirs.receive() == bytes(500_000)


async def test_small_messages_share_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels() as (ours, theirs, _, _):
        with seeing_packets(monkeypatch) as packets:
            for _ in range(200):
                await ours.send(bytes(20))
            for _ in range(200):
                assert await theirs.receive() == bytes(20)
    assert sum(packet.count(I_DATA) for packet in packets) >= 200
    assert sum(I_DATA in packet for packet in packets) < 120


async def test_without_what_is_private_it_is_aiortcs(caplog: pytest.LogCaptureFixture) -> None:
    with lacking("sctp", ledger.SCTP_TRANSPORT):
        async with open_channels() as (ours, theirs, alice, _):
            assert type(transport(alice)) is RTCSctpTransport
            await ours.send("hello")
            assert await theirs.receive() == "hello"
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told == [
        "data channels are slower: the installed aiortc or aioice has no RTCSctpTransport._gone"
    ]

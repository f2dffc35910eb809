"""Packets as large as the path takes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from aioice.ice import StunProtocol
from aiortc.rtcsctptransport import Chunk, HeartbeatChunk, serialize_packet

from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.dtls import transport as dtls
from trio_rtc.rtc.backend.dtls.records import LONGEST
from trio_rtc.rtc.backend.sctp.fragmentation import unfragmented
from trio_rtc.rtc.backend.sctp.large_packets import Bundle
from trio_rtc.rtc.backend.sctp.machine.outbound import I_DATA
from trio_rtc.rtc.backend.sctp.path_mtu import (
    BASE,
    MAX_PROBES,
    PROBE_SECONDS,
    RAISE_SECONDS,
    SIZES,
    PathMtu,
)

from ...cutting import cut
from ...lacking import lacking
from ...pairs import Peer, negotiate, open_channels, open_pair, transport
from ...virtual import in_virtual_time
from .test_sctp import seeing_packets

UDP_AND_IP = 8 + 20


def answers(probes: list[tuple[Chunk, Chunk]]) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    """The sizes of probes, and what their answers carry."""
    for heartbeat, padding in probes:
        assert isinstance(heartbeat, HeartbeatChunk)
        packet = serialize_packet(5000, 5000, 1, Bundle(heartbeat, padding))
        yield len(packet), heartbeat.params


def test_probes_have_the_size_in_question() -> None:
    mtu = PathMtu()
    mtu.limit = LONGEST
    probes, seconds = mtu.probe()
    assert tuple(size for size, _ in answers(probes)) == SIZES == (1332, 1412, 8912, 16_384)
    assert seconds == PROBE_SECONDS


def test_a_probe_on_the_wire() -> None:
    mtu = PathMtu()
    mtu.limit = 1420
    (heartbeat, padding), _ = mtu.probe()[0]
    packet = serialize_packet(5000, 5000, 1, Bundle(heartbeat, padding))
    # RFC 9260, sections 3.1 and 3.3.5: HEARTBEAT, 16 bytes long; its information, 12 bytes.
    assert packet[12:28] == bytes.fromhex("0400 0010 0001 000c 00000000 00000534")
    # RFC 4820, section 3: PAD, with what is left of the packet.
    assert packet[28:32] == bytes.fromhex("8400 0518")
    assert packet[32:] == bytes(1332 - 32)
    assert len(packet) == 1332
    # What a path carries in any case, and a usual link does: IPv6, UDP, and DTLS around it.
    assert BASE == 1200 - 11
    assert SIZES[1] + 40 + 8 + 37 <= 1500 < SIZES[1] + 4 + 40 + 8 + 37
    assert MAX_PROBES == 3


def test_a_small_probe_tells_whether_anything_arrives() -> None:
    mtu = PathMtu()
    mtu.limit = 1420
    mtu.probe()
    small = mtu.ask_small()
    assert isinstance(small, HeartbeatChunk)
    assert len(serialize_packet(5000, 5000, 1, small)) == 28
    for arrived in (1, 2):
        mtu.acknowledge(small.params)
        assert mtu.small_answered == arrived
    # It is of no size that was asked for, and counts whenever it comes.
    assert mtu.largest == PathMtu().largest
    for _, parameters in answers(mtu.probe()[0]):
        mtu.acknowledge(parameters)
    assert mtu.small_answered == 2


def test_the_largest_that_is_answered_counts() -> None:
    mtu = PathMtu()
    mtu.limit = LONGEST
    first = dict(answers(mtu.probe()[0]))
    assert mtu.largest == BASE
    for size in (1412, 1332):
        mtu.acknowledge(first[size])
        assert mtu.largest == 1412
    second = dict(answers(mtu.probe()[0]))
    assert list(second) == [8912, 16_384]
    mtu.acknowledge(first[8912])
    mtu.acknowledge(second[16_384])
    assert mtu.largest == 16_384
    assert mtu.probe() == ([], None)


def test_what_is_too_large_is_left_alone_for_ten_minutes() -> None:
    mtu = PathMtu()
    mtu.limit = LONGEST
    waits = [mtu.probe()[1] for _ in range(MAX_PROBES + 1)]
    assert waits == [*[PROBE_SECONDS] * (MAX_PROBES - 1), RAISE_SECONDS, RAISE_SECONDS]


def test_nothing_is_sent_that_the_other_side_does_not_take() -> None:
    mtu = PathMtu()
    assert mtu.limit == 0
    assert mtu.probe() == ([], None)
    mtu.limit = 2000
    assert [size for size, _ in answers(mtu.probe()[0])] == [1332, 1412]


def test_answers_from_before_a_loss_do_not_count() -> None:
    mtu = PathMtu()
    mtu.limit = LONGEST
    old = dict(answers(mtu.probe()[0]))
    mtu.acknowledge(old[1412])
    mtu.forget()
    assert mtu.largest == BASE
    mtu.acknowledge(old[8912])
    assert mtu.largest == BASE
    new = dict(answers(mtu.probe()[0]))
    mtu.acknowledge(new[1332])
    assert mtu.largest == 1332


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        [(2, bytes(8))],
        # As a probe of ours, but for the kind.
        [(2, b"\0\0\0\0\0\0\x05\x84")],
        [(1, b"short")],
        [(1, bytes(8))],
        [(1, b"\0\0\0\0\0\0\x40\x01")],
        [(1, b"\0\0\0\x09\0\0\x40\0")],
    ],
)
def test_an_answer_to_no_probe(parameters: list[tuple[int, bytes]]) -> None:
    mtu = PathMtu()
    mtu.limit = LONGEST
    mtu.probe()
    mtu.acknowledge(parameters)
    assert mtu.largest == BASE


async def until_mtu(size: int, *peers: Peer) -> None:
    with trio.fail_after(20):
        for peer in peers:
            while transport(peer)._path_mtu.largest != size:  # noqa: ASYNC110 (it tells nobody)
                await trio.sleep(0.01)


@contextmanager
def narrow_path(monkeypatch: pytest.MonkeyPatch, bytes_of_ip: int) -> Iterator[None]:
    """Lose what is larger, as a path does that may not fragment it."""
    send = StunProtocol.send_data

    async def send_if_it_fits(self: StunProtocol, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) + UDP_AND_IP <= bytes_of_ip:
            await send(self, data, addr)

    with monkeypatch.context() as patch:
        patch.setattr(StunProtocol, "send_data", send_if_it_fits)
        yield


@pytest.mark.parametrize(
    ("link", "size"), [(1280, BASE), (1420, 1332), (1470, 1332), (1500, 1412), (9000, 8912)]
)
@in_virtual_time
async def test_what_a_path_carries(link: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with narrow_path(monkeypatch, link):
        async with open_channels() as (ours, theirs, alice, bob):
            await until_mtu(size, alice, bob)
            for length in (1, BASE, size, 20_000, 200_000):
                message = bytes(range(256)) * (length // 256 + 1)
                await ours.send(message[:length])
                assert await theirs.receive() == message[:length]
            assert (await alice.connection.get_stats()).mtu == size


@in_virtual_time
async def test_this_machine_carries_as_much_as_dtls_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        await until_mtu(LONGEST, alice, bob)
        # The window has room for several of those by then.
        for _ in range(20):
            await ours.send(bytes(65_000))
            await theirs.receive()
        with seeing_packets(monkeypatch) as packets:
            await ours.send(bytes(65_000))
            await theirs.receive()
    assert 4 <= sum(I_DATA in packet for packet in packets) <= 6


@in_virtual_time
async def test_a_stranger_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    with seeing_packets(monkeypatch) as packets:
        async with open_channels(strangers=True) as (ours, theirs, alice, _):
            await ours.send(bytes(20_000))
            await theirs.receive()
            assert (await alice.connection.get_stats()).mtu == BASE
    assert not any(HeartbeatChunk.type in packet for packet in packets)


@in_virtual_time
async def test_after_a_loss_it_begins_anew() -> None:
    async with open_channels(connection={"silence_timeout": 60}) as (ours, theirs, alice, bob):
        await until_mtu(LONGEST, alice, bob)
        with cut(alice.connection, bob.connection):
            await ours.send(bytes(50_000))
            await until_mtu(BASE, alice)
        assert await theirs.receive() == bytes(50_000)
        await until_mtu(LONGEST, alice)


@in_virtual_time
async def test_without_what_is_private_packets_have_one_size() -> None:
    with lacking("path_mtu", ledger.SCTP_TRANSPORT):
        async with open_channels() as (ours, theirs, alice, _):
            await ours.send(bytes(50_000))
            assert await theirs.receive() == bytes(50_000)
            assert (await alice.connection.get_stats()).mtu == BASE


@in_virtual_time
async def test_a_peer_whose_dtls_is_aiortcs_is_sent_what_that_takes() -> None:
    with lacking("dtls", ledger.DTLS_TRANSPORT):
        assert dtls.longest_record() == 0
        async with open_channels() as (ours, theirs, alice, _):
            assert transport(alice)._path_mtu.limit == 0
            await ours.send(bytes(50_000))
            assert await theirs.receive() == bytes(50_000)


def options_of(sock: Any) -> tuple[int, int]:
    """Whether what it sends may be fragmented, and the same of IPv6."""
    return sock.getsockopt(socket.IPPROTO_IP, 10), (
        sock.getsockopt(socket.IPPROTO_IPV6, 23) if sock.family == socket.AF_INET6 else 0
    )


async def test_only_probes_may_not_be_fragmented() -> None:
    async with open_channels() as (_, _, alice, _):
        ice = transport(alice).transport.transport
        pair = ice._connection._nominated[1]
        sock = pair.protocol.transport.get_extra_info("socket")

        async def look() -> None:
            with unfragmented(ice) as possible:
                assert possible
                assert 3 in options_of(sock)
            assert options_of(sock)[sock.family == socket.AF_INET6] == 0

        await alice.connection._bridge.run(look)


@in_virtual_time
async def test_a_relay_is_not_probed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_pair() as (alice, bob):
        await alice.connection.create_data_channel("chat")
        await negotiate(alice, bob)
        with trio.fail_after(20):
            await alice.connected.wait()
        ice = transport(alice).transport.transport
        pair = ice._connection._nominated[1]
        monkeypatch.setattr(pair.remote_candidate, "type", "relay")
        with unfragmented(ice) as possible:
            assert not possible

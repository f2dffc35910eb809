"""Whether messages are interleaved (RFC 8260), and peers that do it in ways of their own."""

from __future__ import annotations

from contextlib import suppress
from struct import pack
from typing import Any

import pytest
import trio
import trio.lowlevel

from trio_rtc.rtc.backend.sctp import interleaving_transport, receive_buffer
from trio_rtc.rtc.backend.sctp.machine.outbound import (
    DATA,
    FIRST,
    FORWARD_TSN,
    I_DATA,
    I_FORWARD_TSN,
    LAST,
)

from ...pairs import Peer, negotiate, open_channels, open_pair, transport
from .test_sctp import bad_network
from .test_sctp_packet import chunk, send_bodies


def i_data(tsn: int, stream: int, message: int, *, flags: int = 0, size: int = 8) -> bytes:
    fields = pack("!LHHLL", tsn & 0xFFFFFFFF, stream, 0, message, 53 if flags & FIRST else 1)
    return chunk(I_DATA, fields + bytes(size), flags)


def kept(peer: Peer) -> int:
    return sum(map(len, transport(peer)._inbound_streams.values()))


@pytest.mark.parametrize("can", [(True, True), (True, False), (False, True)])
async def test_it_is_done_where_both_can(
    can: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            ours = await alice.connection.create_data_channel("chat")
            for peer, interleaves in zip((alice, bob), can, strict=True):
                if not interleaves:
                    _cannot(peer, monkeypatch)
            await negotiate(alice, bob)
            theirs = await bob.channels.receive()
            for message in ("hello", bytes(300_000), ""):
                await ours.send(message)
                assert await theirs.receive() == message
                await theirs.send(message)
                assert await ours.receive() == message
            for peer in (alice, bob):
                assert transport(peer)._sender.queue.interleaves == all(can)


def _cannot(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it not tell that it can interleave, nor look whether the other side can."""
    pc: Any = peer.connection._loop_connection._pc
    create = pc._RTCPeerConnection__createSctpTransport
    if pc.sctp is not None:
        _mute(pc.sctp, monkeypatch)
        return

    def create_muted() -> None:
        create()
        _mute(pc.sctp, monkeypatch)

    monkeypatch.setattr(pc, "_RTCPeerConnection__createSctpTransport", create_muted)


def _mute(sctp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    below: Any = super(interleaving_transport.InterleavingTransport, sctp)
    for name in ("_set_extensions", "_begin_to_take"):
        monkeypatch.setattr(sctp, name, getattr(below, name))


async def test_messages_that_may_be_lost_do_not_hold_up_each_other() -> None:
    options: dict[str, Any] = {"max_retransmits": 0}
    async with open_channels("ordered", **options) as (ours, theirs, alice, bob):
        loose = await alice.connection.create_data_channel("loose", ordered=False, **options)
        async with trio.open_nursery() as nursery:
            numbers: dict[str, list[int]] = {"ordered": [], "loose": []}

            async def take(channel: trio.abc.ReceiveChannel[str | bytes], name: str) -> None:
                while (message := await channel.receive()) != b"end":
                    assert isinstance(message, bytes)
                    numbers[name].append(int(message[:5]))

            nursery.start_soon(take, theirs, "ordered")
            nursery.start_soon(take, await bob.channels.receive(), "loose")
            with bad_network(5, alice.connection):
                for number in range(150):
                    # Of several packets, so that one may be lost of a message.
                    await ours.send(b"%05d" % number * 700)
                    await loose.send(b"%05d" % number * 700)
            # Nothing may be lost of these: what is missing has been passed over before.
            await ours.send(b"end")
            await loose.send(b"end")
        assert numbers["ordered"] == sorted(numbers["ordered"])
        assert len(set(numbers["loose"])) == len(numbers["loose"])
        assert all(50 < len(got) < 150 for got in numbers.values()), numbers
        assert kept(bob) == 0


async def test_fragments_of_what_never_comes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive_buffer, "MAX_CHUNKS", 200)
    monkeypatch.setattr(receive_buffer, "RECOUNT", 20)
    async with open_channels() as (ours, theirs, alice, bob):
        first = transport(bob)._last_received_tsn + 2
        for number in range(600):
            await send_bodies(alice, i_data(first + 2 * number, number % 50 + 100, number))
        await ours.send("still there?")
        assert await theirs.receive() == "still there?"
        assert 200 <= kept(bob) <= 240


async def test_messages_that_never_end_end_the_association(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receive_buffer, "MAX_BYTES", 100_000)
    async with open_channels() as (_, theirs, alice, bob):
        tsn = transport(bob)._last_received_tsn + 1
        with suppress(ConnectionError):
            for number in range(300):
                body = i_data(tsn + number, number % 500 + 100, 0, flags=FIRST, size=1000)
                await send_bodies(alice, body)
        with pytest.raises(trio.BrokenResourceError):
            await theirs.receive()
        await bob.over.wait()
    assert caplog.text.count("never end") == 1


@pytest.mark.parametrize("kind", [DATA, FORWARD_TSN])
async def test_what_was_agreed_not_to_come_ends_the_association(
    kind: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_channels() as (_, theirs, alice, bob):
        tsn = transport(bob)._last_received_tsn + 1 & 0xFFFFFFFF
        await send_bodies(
            alice, chunk(kind, pack("!LHHL", tsn, 100, 0, 53) + b"text", FIRST | LAST)
        )
        with pytest.raises(trio.BrokenResourceError):
            await theirs.receive()
        await bob.over.wait()
    assert caplog.text.count("interleaves some messages, and others not") == 1


async def test_all_that_is_passed_over_at_once_is_forgotten() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        sctp = transport(bob)
        last = sctp._last_received_tsn
        window = sctp._advertised_rwnd
        bodies = [i_data(last + 2 + n, 100 + n % 3, 1 + n // 3, flags=FIRST) for n in range(30)]
        await send_bodies(alice, *bodies)
        assert await _until_kept(bob, 30)
        passed = b"".join(pack("!HHL", stream, 0, 10) for stream in (100, 101, 102))
        point = pack("!L", last + 31 & 0xFFFFFFFF)
        await send_bodies(alice, chunk(I_FORWARD_TSN, point + passed + b"\0\0"))
        assert await _until_kept(bob, 0)
        assert sctp._advertised_rwnd == window
        await theirs.send("still there")
        assert await ours.receive() == "still there"


async def _until_kept(peer: Peer, count: int) -> bool:
    with trio.fail_after(10):
        while kept(peer) != count:
            await trio.lowlevel.checkpoint()
    return True

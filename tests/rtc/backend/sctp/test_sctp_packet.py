"""Packets that cannot be read, and chunks that are not what they say."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
import trio
from aiortc.rtcsctptransport import (
    CHUNK_TYPES,
    CookieAckChunk,
    HeartbeatChunk,
    InitChunk,
    SackChunk,
    parse_packet,
    serialize_packet,
)
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.sctp import interleaving_transport
from trio_rtc.rtc.backend.sctp.machine.outbound import DATA, I_DATA, I_FORWARD_TSN
from trio_rtc.rtc.backend.sctp.sctp_packet import read_chunk, seal, unseal

from ...pairs import Peer, open_channels, transport


def test_a_packet_is_what_aiortc_writes_and_reads() -> None:
    chunk = HeartbeatChunk()
    chunk.params = [(1, b"some thing")]
    packet = serialize_packet(5000, 5001, 77, chunk)
    assert seal(5000, 5001, 77, bytes(chunk)) == packet
    assert unseal(packet) == (77, [(4, 0, bytes(chunk)[4:18])])
    *_, (read,) = parse_packet(packet)
    ours = read_chunk(4, 0, bytes(chunk)[4:18])
    assert isinstance(read, HeartbeatChunk)
    assert isinstance(ours, HeartbeatChunk)
    assert ours.params == read.params == [(1, b"some thing")]


def test_what_was_changed_on_its_way_is_not_read() -> None:
    packet = seal(5000, 5000, 1, bytes(CookieAckChunk()) * 3)
    assert unseal(packet)[1] == [(11, 0, b"")] * 3
    for at in range(len(packet)):
        changed = bytearray(packet)
        changed[at] ^= 0x10
        with pytest.raises(ValueError, match="checksum"):
            unseal(bytes(changed))
    with pytest.raises(ValueError, match="short"):
        unseal(packet[:15])


@pytest.mark.parametrize("length", [0, 3, 9, 65535])
def test_a_chunk_that_is_not_as_long_as_it_says(length: int) -> None:
    with pytest.raises(ValueError, match=f"a chunk of {length} bytes"):
        unseal(seal(5000, 5000, 1, pack("!BBHL", 4, 0, length, 0)))


@pytest.mark.parametrize("kind", [4, 5, 6, 9, 130])
def test_a_parameter_without_bytes_has_an_end(kind: int) -> None:
    # aiortc looks for the next one at the same place, for ever.
    with pytest.raises(ValueError, match="a parameter of 0 bytes"):
        read_chunk(kind, 0, bytes(8))


@given(st.sampled_from(sorted({*CHUNK_TYPES} - {0, 3, 192})), st.binary(max_size=60))
def test_whatever_a_chunk_has_it_is_read_or_refused(kind: int, body: bytes) -> None:
    try:
        read_chunk(kind, 0, body)
    except ValueError:
        return


async def send_bodies(peer: Peer, *bodies: bytes, tag: int | None = None) -> None:
    async def send_on_loop() -> None:
        sctp: Any = transport(peer)
        for body in bodies:
            await sctp._send_body(body, sctp._remote_verification_tag if tag is None else tag)

    await peer.connection._bridge.run(send_on_loop)


def chunk(kind: int, body: bytes, flags: int = 0) -> bytes:
    return pack("!BBH", kind, flags, 4 + len(body)) + body + bytes(-len(body) % 4)


def sack(tsn: int, blocks: list[tuple[int, int]]) -> bytes:
    made = SackChunk()
    made.cumulative_tsn, made.advertised_rwnd, made.gaps = tsn & 0xFFFFFFFF, 0, blocks
    return bytes(made)


@pytest.mark.parametrize("interleaves", [True, False])
async def test_no_chunk_ends_the_connection(
    interleaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not interleaves:
        monkeypatch.setattr(interleaving_transport, "KINDS", b"")
    async with open_channels() as (ours, theirs, alice, bob):
        await theirs.send("first")
        assert await ours.receive() == "first"
        next_tsn = transport(bob)._sender.next_tsn
        await send_bodies(
            alice,
            *[
                chunk(kind, body)
                for kind in {*CHUNK_TYPES, I_DATA}
                for body in (b"", bytes(3), bytes(8))
                if kind not in (6, 7, 8, 14, 192, I_FORWARD_TSN)
                # What is not agreed upon is another matter.
                and not (interleaves and kind == DATA)
            ],
            # Of what was never sent, and gaps without end.
            sack(next_tsn + 1000, []),
            sack(next_tsn - 1, [(n, n) for n in range(2, 5000, 2)]),
            sack(next_tsn - 1, [(9, 3)]),
            # More blocks than there are.
            chunk(3, pack("!LLHH", next_tsn - 1 & 0xFFFFFFFF, 0, 65535, 65535)),
            # A reset of half a stream.
            chunk(130, pack("!HHLLLB", 13, 17, 1, 0, 0, 7)),
            chunk(77, b"what nobody knows"),
        )
        await send_bodies(alice, chunk(1, bytes(16)) * 2, tag=0)
        await send_bodies(alice, chunk(11, b""), tag=1)
        with trio.fail_after(20):
            for _ in range(3):
                await ours.send("still there?")
                assert await theirs.receive() == "still there?"
                await theirs.send(bytes(100_000))
                assert await ours.receive() == bytes(100_000)


async def test_an_init_that_comes_twice_begins_nothing_anew() -> None:
    async with open_channels() as (ours, theirs, alice, bob):
        for _ in range(3):
            await ours.send("hello")
            assert await theirs.receive() == "hello"
        init = InitChunk()
        sctp = transport(alice)
        init.initiate_tag, init.advertised_rwnd = sctp._local_verification_tag, 1 << 20
        init.outbound_streams = init.inbound_streams = 65535
        init.initial_tsn = transport(bob)._received.cumulative - 10 & 0xFFFFFFFF
        await send_bodies(alice, bytes(init), tag=0)
        await ours.send("still there?")
        assert await theirs.receive() == "still there?"
        await theirs.send("yes")
        assert await ours.receive() == "yes"

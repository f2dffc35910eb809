"""The other side ends the SCTP association, and says nothing else (RFC 9260, section 9)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
import trio
from aiortc.rtcsctptransport import (
    AbortChunk,
    Chunk,
    ShutdownChunk,
    ShutdownCompleteChunk,
)

from trio_rtc.rtc import DataChannel, open_media

from ...cutting import cut
from ...pairs import Peer, negotiate, open_channels, open_pair, transport
from ...virtual import in_virtual_time


async def send(peer: Peer, *chunks: Chunk) -> None:
    """Have its transport send these."""

    async def send_on_loop() -> None:
        for chunk in chunks:
            await transport(peer)._send_chunk(chunk)

    await peer.connection._bridge.run(send_on_loop)


def shutdown(peer: Peer) -> tuple[Chunk, Chunk]:
    """What an end in order begins and ends with."""
    chunk = ShutdownChunk()
    chunk.cumulative_tsn = transport(peer)._last_received_tsn
    return chunk, ShutdownCompleteChunk()


@asynccontextmanager
async def open_chat() -> AsyncIterator[tuple[DataChannel, Peer, Peer]]:
    """A channel of Alice's to Bob, whose last words are on their way."""
    async with open_channels() as (ours, theirs, alice, bob):
        await ours.send("hello")
        assert await theirs.receive() == "hello"
        await theirs.send("and bye")
        yield ours, alice, bob


@in_virtual_time
async def test_a_shutdown_is_an_end_in_order() -> None:
    async with open_chat() as (ours, alice, bob):
        await send(bob, *shutdown(bob))
        assert await ours.receive() == "and bye"
        with pytest.raises(trio.EndOfChannel):
            await ours.receive()
        with pytest.raises(trio.BrokenResourceError):
            await ours.send("late")
        await alice.over.wait()


@in_virtual_time
async def test_a_shutdown_before_it_has_all_of_ours_is_none() -> None:
    async with open_chat() as (ours, alice, bob):
        first, last = shutdown(bob)
        assert isinstance(first, ShutdownChunk)

        async def lose(bodies: Iterable[bytes], tag: int) -> None:
            pass

        transport(alice)._send_bodies = lose
        await ours.send("never heard")
        await send(bob, first, last)
        assert await ours.receive() == "and bye"
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive()


@in_virtual_time
async def test_an_abort_is_no_end_in_order() -> None:
    async with open_chat() as (ours, alice, bob):
        await send(bob, AbortChunk())
        assert await ours.receive() == "and bye"
        with pytest.raises(trio.BrokenResourceError):
            await ours.receive()
        await alice.over.wait()
        assert "disconnected" not in alice.log


async def test_media_go_on_without_it() -> None:
    async with open_pair(silence_timeout=1) as (alice, bob), open_media(audio="tone") as (tone,):
        with trio.fail_after(30):
            await bob.connection.add_track(tone)
            ours = await bob.connection.create_data_channel("chat")
            await negotiate(bob, alice)
            await ours.wait_open()
            theirs = await alice.channels.receive()
            heard = aiter(await alice.tracks.receive())
            await anext(heard)
            await send(bob, AbortChunk())
            with pytest.raises(trio.BrokenResourceError):
                await theirs.receive()
            for _ in range(20):
                await anext(heard)
            assert not alice.over.is_set()
            # Now it is silent as well.
            with cut(bob.connection):
                await alice.over.wait()
            assert "disconnected" not in alice.log

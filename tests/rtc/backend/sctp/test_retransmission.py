"""Packets of a handshake and of a chat that are lost, and how long that takes to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
from aiortc.rtcsctptransport import (
    Chunk,
    CookieAckChunk,
    CookieEchoChunk,
    InitAckChunk,
    InitChunk,
)

from trio_rtc.rtc.backend.sctp.association import SctpTransport
from trio_rtc.rtc.backend.sctp.machine.rtt import RTO_MAX

from ...pairs import Peer, open_channels, transport
from ...virtual import in_virtual_time


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Chunk], int], list[Chunk]]:
    """Lose the first chunks of a kind, which the two sides send; what was lost is in the list."""

    def lose(kind: type[Chunk], number: int) -> list[Chunk]:
        lost: list[Chunk] = []
        send = SctpTransport._send_chunk

        async def send_or_lose(self: SctpTransport, chunk: Chunk) -> None:
            if isinstance(chunk, kind) and len(lost) < number:
                lost.append(chunk)
            else:
                await send(self, chunk)

        monkeypatch.setattr(SctpTransport, "_send_chunk", send_or_lose)
        return lost

    return lose


@pytest.mark.parametrize(
    ("kind", "number"), [(InitAckChunk, 2), (InitChunk, 2), (CookieEchoChunk, 2), (InitAckChunk, 4)]
)
@in_virtual_time
async def test_a_handshake_that_is_lost(
    losing: Callable[[type[Chunk], int], list[Chunk]], kind: type[Chunk], number: int
) -> None:
    lost = losing(kind, number)
    async with open_channels() as (ours, theirs, _, _):
        assert len(lost) == number
        await ours.send("hello")
        assert await theirs.receive() == "hello"


async def test_data_show_that_a_cookie_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said before the COOKIE ACK comes again is answered, and so is a goodbye."""
    lost: list[Chunk] = []
    send = SctpTransport._send_chunk

    async def send_or_lose(self: SctpTransport, chunk: Chunk) -> None:
        # Who opens the channel is the first to know that the association stands.
        if isinstance(chunk, CookieEchoChunk | CookieAckChunk) and self._data_channel_queue:
            lost.append(chunk)
        else:
            await send(self, chunk)

    monkeypatch.setattr(SctpTransport, "_send_chunk", send_or_lose)
    async with open_channels() as (ours, theirs, _, _):
        await theirs.send("no")
        await theirs.aclose()
        assert await ours.receive() == "no"
        with pytest.raises(trio.EndOfChannel):
            await ours.receive()
    assert {type(chunk) for chunk in lost} == {CookieEchoChunk, CookieAckChunk}


async def on_loop(peer: Peer, work: Callable[[Any], object]) -> Any:
    async def run() -> object:
        return work(transport(peer))

    return await peer.connection._bridge.run(run)


@contextmanager
def deaf(peer: Peer) -> Iterator[list[bytes]]:
    """Nothing that it sends arrives in this block; what it was is in the list."""

    async def lose(bodies: Iterable[bytes], tag: int) -> None:
        lost.extend(bodies)

    lost: list[bytes] = []
    transport(peer)._send_bodies = lose
    try:
        yield lost
    finally:
        del transport(peer)._send_bodies


@in_virtual_time
async def test_what_is_lost_is_sent_again() -> None:
    async with open_channels() as (ours, theirs, alice, _):
        await ours.send("hello")
        await theirs.receive()
        with deaf(alice) as lost:
            await ours.send("lost")
            with trio.fail_after(5):
                while len(lost) < 2:  # noqa: ASYNC110 (it tells nobody)
                    await trio.sleep(0.001)
        assert await theirs.receive() == "lost"


@in_virtual_time
async def test_another_path_does_not_wait_for_the_one_before() -> None:
    async with open_channels() as (ours, theirs, alice, _):
        await ours.send("hello")
        await theirs.receive()

        def back_off(sctp: Any) -> None:
            for _ in range(5):
                sctp._sender.trips.back_off()

        with deaf(alice) as lost:
            await ours.send("lost")
            with trio.fail_after(5):
                while not lost:  # noqa: ASYNC110 (it tells nobody)
                    await trio.sleep(0.001)
        await on_loop(alice, back_off)
        assert await on_loop(alice, lambda sctp: sctp._sender.trips.timeout) == RTO_MAX
        await on_loop(alice, lambda sctp: sctp._begin_anew())
        assert await on_loop(alice, lambda sctp: sctp._sender.trips.timeout) < 1
        with trio.fail_after(10):
            assert await theirs.receive() == "lost"

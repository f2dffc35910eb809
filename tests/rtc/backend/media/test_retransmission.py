"""Packets of a handshake and of a chat that are lost, and how long that takes to mend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from aiortc.rtcsctptransport import Chunk, CookieEchoChunk, DataChunk, InitAckChunk, InitChunk

from trio_rtc.rtc.backend.sctp import retransmission
from trio_rtc.rtc.backend.sctp.association import SctpTransport

from ...pairs import Peer, open_channels, transport


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
async def test_a_handshake_that_is_lost(
    losing: Callable[[type[Chunk], int], list[Chunk]], kind: type[Chunk], number: int
) -> None:
    lost = losing(kind, number)
    async with open_channels() as (ours, theirs, _, _):
        assert len(lost) == number
        await ours.send("hello")
        assert await theirs.receive() == "hello"


async def on_loop(peer: Peer, work: Callable[[Any], object]) -> Any:
    async def run() -> object:
        done = work(transport(peer))
        return await done if isinstance(done, Awaitable) else done

    return await peer.connection._bridge.run(run)


async def test_the_timeout_doubles_until_something_is_measured() -> None:
    async with open_channels() as (ours, theirs, alice, _):
        await ours.send("hello")
        await theirs.receive()

        def timeouts(sctp: SctpTransport) -> list[float]:
            sctp._update_rto(0.001)
            found = [sctp._rto]
            for _ in range(5):
                sctp._t3_expired()
                found.append(sctp._rto)
            sctp._update_rto(0.001)
            return [*found, sctp._rto]

        assert await on_loop(alice, timeouts) == pytest.approx([0.4, 0.8, 1.6, 3, 3, 3, 0.4])
        await ours.send("still there?")
        assert await theirs.receive() == "still there?"


async def test_a_long_way_has_a_long_timeout() -> None:
    async with open_channels() as (_, _, alice, _):

        def timeout(sctp: SctpTransport) -> float:
            for _ in range(50):
                sctp._update_rto(0.7)
            return sctp._rto

        assert 0.7 < await on_loop(alice, timeout) < 0.8


async def test_another_path_does_not_wait_for_the_one_before(
    losing: Callable[[type[Chunk], int], list[Chunk]],
) -> None:
    async with open_channels() as (ours, theirs, alice, _):
        await ours.send("hello")
        await theirs.receive()

        def back_off(sctp: SctpTransport) -> None:
            for _ in range(5):
                sctp._back_off()

        await on_loop(alice, back_off)
        assert (await on_loop(alice, lambda sctp: sctp._rto)) == retransmission.RTO_MAX
        lost = losing(DataChunk, 1)
        await ours.send("lost")
        assert lost
        await on_loop(alice, lambda sctp: sctp._begin_anew())
        assert (await on_loop(alice, lambda sctp: sctp._rto)) < 1
        with trio.fail_after(10):
            assert await theirs.receive() == "lost"


async def test_after_a_loss_each_packet_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_rtc.rtc.backend.sctp.association.SACK_SECONDS", 3600)
    monkeypatch.setattr("trio_rtc.rtc.backend.sctp.association.PROMPT", 3)
    sent = 0

    async def count(_: object) -> None:
        nonlocal sent
        sent += 1

    async with open_channels() as (_, _, alice, _):

        async def receive(sctp: Any) -> list[int]:
            monkeypatch.setattr("aiortc.RTCSctpTransport._send_sack", count)
            sctp._sack_at_once = False
            sctp._forget_sack()
            counts = []
            for misordered in [{9}, set(), set(), set(), set()]:
                sctp._sack_misordered = misordered
                await sctp._send_sack()
                counts.append(sent)
            sctp._forget_sack()
            monkeypatch.undo()
            return counts

        # The last two wait for others.
        assert await on_loop(alice, receive) == [1, 2, 3, 3, 3]

"""Connections are made again, ever later, while there is a point in it, and programs see it."""

from __future__ import annotations

import pytest
import trio

from trio_rtc.errors import SignalingLost
from trio_rtc.peerjs import open_peerjs
from trio_rtc.server import ServerLimits
from trio_rtc.signaling import MessageFailed, Signaling, open_signaling, reconnecting
from trio_rtc.signaling.reconnecting import Backoff
from trio_rtc.wire import native as protocol

from ..rtc.virtual import in_virtual_time
from ..server.harness import tcp_server
from .proxy import open_proxy
from .scripted_native import native_script
from .test_native import next_message, open_pair


def latest(low: float, high: float) -> float:
    return high


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(0, latest)
    backoff.ended(0, 1000, lasted=False)
    pauses = [backoff.next_pause(0) for _ in range(8)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_clients_do_not_all_come_back_at_once() -> None:
    asked: list[tuple[float, float]] = []

    def earliest(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    backoff = Backoff(0, earliest)
    backoff.ended(0, 1000, lasted=False)
    assert backoff.next_pause(0) == 0.05
    assert asked == [(0.5, 1)]


def test_only_a_connection_that_has_lasted_begins_the_pauses_anew() -> None:
    backoff = Backoff(0, latest)
    for lasted, pause in ((False, 0.1), (False, 0.2), (True, 0.1), (False, 0.2)):
        backoff.ended(0, 1000, lasted=lasted)
        assert backoff.next_pause(0) == pause


def test_the_first_connection_has_to_be_accepted() -> None:
    backoff = Backoff(5, latest)
    backoff.ended(5, None, lasted=False)
    assert backoff.next_pause(5) is None


def test_it_is_tried_for_so_long_from_the_last_that_was_accepted() -> None:
    backoff = Backoff(0, latest)
    backoff.ended(10, 60, lasted=False)
    backoff.ended(50, None, lasted=True)
    assert backoff.next_pause(50) == 0.1
    # No pause goes on for longer.
    assert backoff.next_pause(69.9) == pytest.approx(0.1)
    assert backoff.next_pause(70) is None


def frame_with(message: bytes) -> bytes:
    """By what a message is known on its way from a client, however it is masked: its length."""
    assert 125 < len(message) < 2**16
    return b"\x81\xfe" + len(message).to_bytes(2, "big")


async def next_failure(signaling: Signaling) -> MessageFailed:
    async for event in signaling:
        if isinstance(event, MessageFailed):
            return event
    raise AssertionError


@in_virtual_time
async def test_a_message_that_is_let_through_nowhere_is_withdrawn_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconnecting, "LONGEST_PAUSE", 0.1)
    async with open_pair() as pair:
        bob = pair.bob.peer_id
        forbidden = protocol.encode(protocol.Send(seq=2, to=bob, data="x" * 1234))
        pair.proxy.forbids = lambda data: frame_with(forbidden) in data
        await pair.alice.send("bob", "before")
        number = await pair.alice.send("bob", "x" * 1234)
        await pair.alice.send("bob", "after")
        with trio.fail_after(30):
            assert await next_message(pair.bob) == b"before"
            assert await next_message(pair.bob) == b"after"
            failed = await next_failure(pair.alice)
        assert failed.number == number
        assert failed.peer.name == "bob"
        assert failed.error.code == "undeliverable"
        assert pair.alice.state == "connected"


@in_virtual_time
async def test_a_path_that_lets_nothing_through_ends_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconnecting, "LONGEST_PAUSE", 0.05)
    async with open_pair(ServerLimits(resume_seconds=0.3)) as pair:
        # A resume passes, and nothing that has a number.
        pair.proxy.forbids = lambda data: len(data) < 100
        await pair.alice.send("bob", "anything")
        with trio.fail_after(30), pytest.raises(SignalingLost) as raised:
            async for _ in pair.alice:
                pass
        assert raised.value.code == "session_lost"
        assert pair.alice.state == "lost"


@in_virtual_time
async def test_programs_see_whether_a_session_has_a_connection() -> None:
    async with tcp_server() as port, open_proxy(port) as (proxy, far):
        for url in (f"ws://127.0.0.1:{far}", f"http://127.0.0.1:{far}"):
            async with open_signaling(url, name="alice") as alice:
                assert alice.state == "connected"
                proxy.up = False
                proxy.cut()
                with trio.fail_after(30):
                    assert await alice.wait_for_state("reconnecting", "lost") == "reconnecting"
                    proxy.up = True
                    assert await alice.wait_for_state("connected") == "connected"
        async with open_peerjs(f"http://127.0.0.1:{far}/", "alice") as peer:
            assert peer.state == "connected"
            proxy.up = False
            proxy.cut()
            with trio.fail_after(30):
                assert await peer.wait_for_state("reconnecting", "lost") == "reconnecting"
                proxy.up = True
                assert await peer.wait_for_state("connected") == "connected"


async def test_the_end_of_a_session_is_a_state() -> None:
    async with native_script() as server, trio.open_nursery() as nursery:

        async def play() -> None:
            guest = await server.guest()
            await guest.welcome()
            await guest.close(4404, "session_lost")

        nursery.start_soon(play)
        async with open_signaling(server.url, name="alice") as alice:
            with trio.fail_after(30):
                assert await alice.wait_for_state("lost") == "lost"

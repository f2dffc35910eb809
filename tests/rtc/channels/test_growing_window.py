"""Windows that grow where it is the path that holds what was sent, and not the reader."""

from __future__ import annotations

import pytest
import trio

import trio_rtc
from trio_rtc.rtc.channels.budget import MAX_GROWTH, ChannelBudget
from trio_rtc.rtc.channels.credit import ReceiveWindow, SendWindow
from trio_rtc.rtc.channels.extension import WINDOW
from trio_rtc.rtc.channels.framing import BLOCKED_FRAME, FramingError
from trio_rtc.testing import Link, Network, start_signaling_server

from ...testing.simulated import URL, run


def test_it_grows_while_the_reader_keeps_up() -> None:
    budget = ChannelBudget()
    sending, receiving = SendWindow(WINDOW, can_grow=True), ReceiveWindow(budget=budget)
    sizes = []
    for _ in range(10):
        # All that is allowed is sent, and half of it has come, and was read.
        sent = sending.room
        sending.take(sent)
        receiving.arrived(sent // 2)
        receiving.read(sent // 2)
        credit = receiving.due()
        assert sending.blocked() == BLOCKED_FRAME
        assert sending.blocked() is None
        grown = receiving.blocked()
        if grown is not None:
            sending.receive(grown)
        assert sending.size == receiving.size
        sizes.append(sending.size // WINDOW)
        receiving.arrived(sent - sent // 2)
        receiving.read(sent - sent // 2)
        for frame in (credit, receiving.due()):
            if frame is not None:
                sending.receive(frame)
        assert sending.used < sending.size // 4
    # Its own, and what the connection may have beyond that.
    assert sizes == [2, 4, 8, 16, 17, 17, 17, 17, 17, 17]
    assert sending.size == WINDOW + MAX_GROWTH


def test_it_does_not_where_the_reader_is_slow() -> None:
    receiving = ReceiveWindow(budget=ChannelBudget())
    receiving.arrived(WINDOW // 2 + 1)
    assert receiving.blocked() is None
    receiving.read(1)
    assert receiving.blocked() is not None


def test_all_windows_of_a_connection_grow_by_so_much() -> None:
    budget = ChannelBudget(limit=16 * WINDOW)
    first, second = (ReceiveWindow(budget=budget) for _ in range(2))
    assert first.blocked() is not None
    assert second.blocked() is not None
    assert first.blocked() is second.blocked() is None
    first.end()
    first.end()
    assert second.blocked() is not None
    assert second.size == 3 * WINDOW
    assert second.blocked() is None


def test_one_that_nobody_has_asked_for() -> None:
    asked, grown = ReceiveWindow(budget=ChannelBudget()), b""
    grown = asked.blocked() or b""
    for window in (SendWindow(WINDOW), SendWindow(WINDOW, can_grow=True)):
        with pytest.raises(FramingError, match="unasked"):
            window.receive(grown)
    assert SendWindow(WINDOW).blocked() is None


def reached(link: Link, seconds: float) -> tuple[float, int]:
    """Bytes a second that come of a channel in the last part of that time, and its window."""
    counts: list[tuple[float, int]] = []

    async def program(network: Network) -> int:
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        await start_signaling_server(network)

        async def take(call: trio_rtc.Call) -> None:
            async for channel in call.channels:
                total = 0
                async for message in channel:
                    total += len(message)
                    counts.append((trio.current_time(), total))

        async def answer() -> None:
            async with trio_rtc.open_signaling(URL, name="bob") as signaling:
                await trio_rtc.serve_calls(take, signaling)

        async def call() -> int:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                async with trio_rtc.open_call(signaling, "bob") as call:
                    channel = await call.open_channel("bulk")
                    with trio.move_on_after(seconds):
                        while True:
                            await channel.send(bytes(16 * 1024))
                    return channel.statistics().max_buffer_size

        bob.start_soon(answer)
        return int(await alice.run(call))

    window = run(program)
    (began, _), (ended, last) = counts[0], counts[-1]
    middle = (began + ended) / 2
    before = max(total for at, total in counts if at <= middle)
    return (last - before) / (ended - middle), window


def test_a_path_that_holds_more_than_a_window_is_filled() -> None:
    rate, trip = 40e6, 0.3
    link = Link(rate=rate, delay=trip / 4, queue=int(rate / 8 * trip))
    bytes_per_second, window = reached(link, 5.0)
    assert bytes_per_second > 0.8 * rate / 8
    # The path holds 1.5 MB; with the window as it was, 3.5 MB/s at most.
    assert 2 * WINDOW < window <= WINDOW + MAX_GROWTH


def test_what_is_handed_over_does_not_grow_with_it() -> None:
    # What waits to be sent is what the path holds, or 256 KiB: the window has no need to grow.
    link = Link(rate=5e6, delay=0.005, queue=22_500)
    bytes_per_second, window = reached(link, 3.0)
    assert bytes_per_second > 0.8 * 5e6 / 8
    assert window <= 2 * WINDOW

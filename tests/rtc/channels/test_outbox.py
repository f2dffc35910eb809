"""What a program that sends without a pause hands over, and whether more follows."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from trio_rtc.rtc.channels.outbox import AT_ONCE, SMALL, ChannelOutbox


class Bridge:
    """One that notes what is handed over, and has as many pauses as it is told."""

    def __init__(self) -> None:
        self.pauses: Any = self
        self.count = 1
        self.waiting: list[Callable[[], None]] = []
        self.handed: list[tuple[str, int]] = []
        self.channel: Any = SimpleNamespace(
            send=lambda *messages: self.handed.append(("", len(messages))),
            send_of_more=lambda *messages: self.handed.append(("of more", len(messages))),
            send_rest=lambda: self.handed.append(("rest", 0)),
        )

    def call_soon(self, fn: Callable[..., None], *args: object) -> None:
        fn(*args)

    def at_end(self, fn: Callable[[], None]) -> None:
        if fn not in self.waiting:
            self.waiting.append(fn)

    def forget(self, fn: Callable[[], None]) -> None:
        if fn in self.waiting:
            self.waiting.remove(fn)

    def pause(self) -> None:
        waiting, self.waiting = self.waiting, []
        for fn in waiting:
            fn()
        self.count += 1


async def send(bridge: Bridge, count: int, size: int) -> ChannelOutbox:
    made: Any = bridge
    outbox = ChannelOutbox(made, bridge.channel, lambda: None)
    for _ in range(count):
        await outbox.send_split(bytes(size), is_text=False)
    return outbox


@pytest.mark.parametrize(("size", "count"), [(1, 1000), (1024, 500), (SMALL, 100)])
async def test_the_last_packet_of_what_goes_together_waits_for_what_follows(
    size: int, count: int
) -> None:
    """Otherwise it may hold a single message: a packet for every sixteenth, at 1 KiB."""
    bridge = Bridge()
    await send(bridge, AT_ONCE + count, size)
    together = [number for kind, number in bridge.handed if kind == "of more"]
    assert bridge.handed[:AT_ONCE] == [("", 1)] * AT_ONCE
    assert len(bridge.handed) == AT_ONCE + len(together)
    assert len(together) > 1
    # At the pause all that is left goes, and the last packet with it.
    before = sum(number for _, number in bridge.handed)
    bridge.pause()
    assert ("rest", 0) in bridge.handed
    left = AT_ONCE + count - before
    assert sum(number for _, number in bridge.handed) == AT_ONCE + count
    assert bridge.handed[-1] in (("rest", 0), ("", left))
    assert bridge.waiting == []


async def test_few_go_at_the_pause() -> None:
    bridge = Bridge()
    outbox = await send(bridge, AT_ONCE + 3, 10)
    assert bridge.handed == [("", 1)] * AT_ONCE
    bridge.pause()
    assert bridge.handed[AT_ONCE:] == [("", 3)]
    # After a pause there are questions again.
    await outbox.send_split(b"?", is_text=True)
    assert bridge.handed[-1] == ("", 1)

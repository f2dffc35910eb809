"""Calls through middleboxes that reorder, double, delay, and swallow what goes through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Link, Network, start_signaling_server
from trio_rtc.testing.network.host import Host
from trio_rtc.testing.network.network_link import Passage

from .simulated import URL, run

DELAY = 0.02
COUNT = 24
PART = 64 * 1024
ALL = [bytes([number]) * PART for number in range(COUNT)]


def reorder(host: Host) -> None:
    """Have each fortieth packet be overtaken by more than 200."""
    host.set_link(reordering=0.025)


def double(host: Host) -> None:
    """Have everything come twice."""
    host.set_link(duplication=1.0)


def delay_tenfold(host: Host) -> None:
    host.set_link(delay=10 * DELAY)


def swallow_after_64_kilobytes(host: Host) -> None:
    """Have everything vanish that comes after so much."""
    for attachment in host.attachments:
        left = 64 * 1024
        send = attachment.down.send

        def lose(size: int, now: float, *, send: Any = send, **options: Any) -> Passage:
            nonlocal left
            left -= size
            return send(size, now, **options) if left > 0 else Passage("loss")

        attachment.down.send = lose  # type: ignore[method-assign]


def transfer(worsen: Callable[[Host], None]) -> tuple[list[bytes], str]:
    """What arrives, and how the call ends for its caller."""
    taken: list[bytes] = []
    ends: list[str] = []

    async def take(call: trio_rtc.Call) -> None:
        async for channel in call.channels:
            try:
                async for message in channel:
                    assert isinstance(message, bytes)
                    taken.append(message)
            except trio.BrokenResourceError:
                return

    async def answer() -> None:
        async with trio_rtc.open_signaling(URL, name="bob") as signaling:
            await trio_rtc.serve_calls(take, signaling)

    async def call(bob: Host) -> None:
        async with trio_rtc.open_signaling(URL, name="alice") as signaling:
            await signaling.wait_for_peer("bob")
            async with trio_rtc.open_call(signaling, "bob") as call:
                channel = await call.open_channel("file")
                await channel.send(ALL[0])
                worsen(bob)
                try:
                    for message in ALL[1:]:
                        await channel.send(message)
                    await channel.aclose()
                except trio.BrokenResourceError:
                    ends.append((await call.wait_ended()).reason)
                else:
                    ends.append("in order")

    async def program(network: Network) -> None:
        link = Link(rate=100e6, delay=DELAY)
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        await start_signaling_server(network)
        bob.start_soon(answer)
        await alice.run(call, bob)

    run(program)
    return taken, ends[0]


@pytest.mark.parametrize("worsen", [reorder, double, delay_tenfold])
def test_the_call_goes_on(worsen: Callable[[Host], None]) -> None:
    assert transfer(worsen) == (ALL, "in order")


def test_where_only_the_first_64_kilobytes_pass_it_ends_with_a_word() -> None:
    taken, end = transfer(swallow_after_64_kilobytes)
    assert taken == ALL[: len(taken)]
    assert len(taken) < 3
    assert end == "connection_lost"

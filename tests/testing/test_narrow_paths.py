"""Calls on a path that takes smaller packets from one moment to the next."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Link, Network, start_signaling_server
from trio_rtc.testing.network.host import Host
from trio_rtc.testing.network.network_link import Passage

from .simulated import URL, run

LARGE = 8912
"""Bytes of SCTP in a packet where links take jumbo frames."""

BEFORE, AFTER = 12, 12
PART = 256 * 1024
ALL = [bytes([number]) * PART for number in range(BEFORE + AFTER)]


def swallow_large(host: Host, most: int) -> None:
    """Have all packets over this size vanish on their way, fragmented or not."""
    for attachment in host.attachments:
        for direction in (attachment.up, attachment.down):
            send = direction.send

            def lose(size: int, now: float, *, send: Any = send, **options: Any) -> Passage:
                return Passage("loss") if size > most else send(size, now, **options)

            direction.send = lose  # type: ignore[method-assign]


def fragment_large(host: Host, most: int) -> None:
    """Have what is larger go in fragments, as a router does it."""
    host.set_link(mtu=most)


def transfer(
    narrow: Callable[[Host, int], None], most: int
) -> tuple[list[tuple[float, bytes]], str]:
    """What arrives, and when, and how the sender ends."""
    taken: list[tuple[float, bytes]] = []
    halfway = trio.Event()
    ends: list[str] = []

    async def take(call: trio_rtc.Call) -> None:
        async for channel in call.channels:
            async for message in channel:
                assert isinstance(message, bytes)
                taken.append((trio.current_time(), message))
                if len(taken) == BEFORE:
                    halfway.set()

    async def answer() -> None:
        async with trio_rtc.open_signaling(URL, name="bob") as signaling:
            await trio_rtc.serve_calls(take, signaling)

    async def call(bob: Host) -> None:
        async with trio_rtc.open_signaling(URL, name="alice") as signaling:
            await signaling.wait_for_peer("bob")
            async with trio_rtc.open_call(signaling, "bob") as call:
                channel = await call.open_channel("file")
                while (await call.stats()).mtu != LARGE:  # noqa: ASYNC110
                    await trio.sleep(0.1)

                async def pull() -> None:
                    await halfway.wait()
                    narrow(bob, most)

                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(pull)
                        for number in range(BEFORE + AFTER):
                            await channel.send(bytes([number]) * PART)
                        await channel.aclose()
                except* trio.BrokenResourceError:
                    ends.append("broken")
                else:
                    ends.append("in order")
                if ends == ["broken"]:
                    ends[0] += f" {(await call.wait_ended()).reason}"

    async def program(network: Network) -> None:
        link = Link(rate=50e6, delay=0.01, mtu=9000)
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        await start_signaling_server(network)
        bob.start_soon(answer)
        await alice.run(call, bob)

    run(program)
    return taken, ends[0]


def test_where_large_packets_are_fragmented_it_goes_on() -> None:
    taken, end = transfer(fragment_large, 1300)
    assert end == "in order"
    assert [message for _, message in taken] == ALL
    assert max(later - at for at, later in pairwise([at for at, _ in taken])) < 4


def test_where_they_vanish_it_ends_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """They have TSNs, and cannot be split any more."""
    taken, end = transfer(swallow_large, 1300)
    assert end.startswith("broken ")
    assert BEFORE <= len(taken) < len(ALL)
    assert [message for _, message in taken] == ALL[: len(taken)]
    assert "does not take packets any more that are as large as before" in caplog.text

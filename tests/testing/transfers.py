"""A transfer in parts, whose path gets worse on the way: what arrives, and how the call ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

import trio_rtc
from trio_rtc.testing import Host, Link, Network, start_signaling_server

from .simulated import URL, run


def transfer(
    parts: Sequence[bytes],
    link: Link,
    worsen: Callable[[Host], None],
    *,
    after: int,
    mtu: int | None = None,
) -> tuple[list[tuple[float, bytes]], str]:
    """Have Alice send parts to Bob.

    Args:
        parts: messages of one channel.
        link: of either of them.
        worsen: what is done to Bob's host on the way.
        after: when so many parts have arrived.
        mtu: bytes of SCTP in a packet that are waited for at first.

    Returns:
        what has arrived, and when; and how the call has ended for Alice: ``in order``, or why.
    """
    taken: list[tuple[float, bytes]] = []
    is_time = trio.Event()
    ends: list[str] = []

    async def take(call: trio_rtc.Call) -> None:
        async for channel in call.channels:
            try:
                async for message in channel:
                    assert isinstance(message, bytes)
                    taken.append((trio.current_time(), message))
                    if len(taken) == after:
                        is_time.set()
            except trio.BrokenResourceError:
                return

    async def answer() -> None:
        async with trio_rtc.open_signaling(URL, name="bob") as signaling:
            await trio_rtc.serve_calls(take, signaling)

    async def worsen_it(bob: Host) -> None:
        await is_time.wait()
        worsen(bob)

    async def call(bob: Host) -> None:
        async with trio_rtc.open_signaling(URL, name="alice") as signaling:
            await signaling.wait_for_peer("bob")
            async with trio_rtc.open_call(signaling, "bob") as call:
                channel = await call.open_channel("file")
                while mtu is not None and (await call.stats()).mtu != mtu:  # noqa: ASYNC110
                    await trio.sleep(0.1)
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(worsen_it, bob)
                        for part in parts:
                            await channel.send(part)
                        await channel.aclose()
                except* trio.BrokenResourceError:
                    pass
                else:
                    ends.append("in order")
                if not ends:
                    ends.append((await call.wait_ended()).reason)

    async def program(network: Network) -> None:
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))
        await start_signaling_server(network)
        bob.start_soon(answer)
        await alice.run(call, bob)

    run(program)
    return taken, ends[0]

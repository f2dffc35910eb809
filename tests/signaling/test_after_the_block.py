"""A session whose block has ended: who uses it is told at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.errors import SignalingLost
from trio_rtc.server import serve_signaling
from trio_rtc.signaling import Signaling, open_signaling


async def call(signaling: Signaling, peer: int | str = "bob") -> None:
    async with open_call(signaling, peer):
        pass


async def ignore(_: object) -> None:
    pass


USES: dict[str, Callable[[Signaling], Awaitable[object]]] = {
    "send": lambda signaling: signaling.send("bob", "hello"),
    "send to an id": lambda signaling: signaling.send(2, "hello"),
    "wait_for_peer": lambda signaling: signaling.wait_for_peer("bob"),
    "wait for another peer": lambda signaling: signaling.wait_for_peer("carol"),
    "open_call": call,
    "serve_calls": lambda signaling: serve_calls(ignore, signaling),
    "its events": lambda signaling: drain(signaling),
}


async def drain(signaling: Signaling) -> None:
    async for _ in signaling:
        pass


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_what_is_done_with_it_fails_at_once(
    scheme: str,
) -> None:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(serve_signaling, 0, host="localhost"))
        url = f"{scheme}://localhost:{listeners[0].socket.getsockname()[1]}"
        async with open_signaling(url, name="bob") as bob:
            async with open_signaling(url, name="alice") as alice:
                await bob.wait_for_peer("alice")
            assert alice.state == "lost"
            for use in USES.values():
                with pytest.raises(SignalingLost, match="block") as error:
                    await use(alice)
                assert (error.value.code, error.value.fault) == ("signed_out", "local")
            # The other one is not concerned.
            await bob.send(bob.peer_id, "still there")
        nursery.cancel_scope.cancel()


async def test_one_that_was_lost_before_says_why() -> None:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(serve_signaling, 0, host="localhost"))
        url = f"ws://localhost:{listeners[0].socket.getsockname()[1]}"
        async with open_signaling(url, name="alice") as alice:
            alice.lost(SignalingLost("another has taken it over", code="superseded"))
        nursery.cancel_scope.cancel()
    with pytest.raises(SignalingLost) as error:
        await alice.send(1, "hello")
    assert error.value.code == "superseded"

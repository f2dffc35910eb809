"""Two parties in a call: what tests of programs begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import trio

from ..calls.call import Call
from ..calls.calling import open_call, serve_calls
from ..rtc import Kind
from .memory_hub import MemoryHub
from .network.network import Network


@asynccontextmanager
async def connected_pair(
    network: Network | None = None,
    *,
    hub: MemoryHub | None = None,
    receive: Iterable[Kind] = (),
    **options: Any,
) -> AsyncIterator[tuple[Call, Call]]:
    """Both ends of a call from Alice to Bob, during the block.

    Args:
        network: where they are, on hosts called ``alice`` and ``bob``, which are made unless they
            are there; None: on this machine.
        hub: carries their signaling; one of its own, if None.
        receive: the kinds of media that Alice asks for.
        options: of `open_call` and `serve_calls`, for both.

    Raises:
        CallError: they do not get a connection.
    """
    hub = hub or MemoryHub()
    signaling = hub.sign_in("alice"), hub.sign_in("bob")
    answered: trio.MemorySendChannel[Call]
    answered, calls = trio.open_memory_channel(1)

    async def take(call: Call) -> None:
        await answered.send(call)
        await call.wait_ended()

    async def serve(*, task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(take, signaling[1], task_status=task_status, **options)

    if network is None:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            async with open_call(signaling[0], "bob", receive=receive, **options) as alice:
                yield alice, await calls.receive()
            nursery.cancel_scope.cancel()
        return
    hosts = [network.hosts.get(name) or network.host(name) for name in ("alice", "bob")]
    await hosts[1].start(serve)
    with hosts[0]:
        async with open_call(signaling[0], "bob", receive=receive, **options) as alice:
            yield alice, await calls.receive()

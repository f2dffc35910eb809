"""ICE listener: one UDP port, on which peers are noticed by their checks, without any signaling.

That is how WebRTC direct of libp2p works: who dials invents credentials for both sides, and the
first binding request tells them to the one who listens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio

from .backend.ice.loop_listener import LoopListener
from .bridge.bridge import open_bridge
from .ice_gather_options import BadIceGatherOptions, IceGatherOptions

MOST_REMEMBERED: Final = 1024
"""Checks that are known already, as they are sent again until somebody answers."""


@dataclass(frozen=True, slots=True)
class IncomingCheck:
    """A binding request that is for no connection that there is. Anybody can send one.

    Attributes:
        local_username_fragment: of the side that it is for, which is ours, and
        remote_username_fragment: of the side that has sent it.
        address: where it comes from, and
        port: the UDP port there.
    """

    local_username_fragment: str
    remote_username_fragment: str
    address: str
    port: int


@asynccontextmanager
async def open_ice_listener(
    gathering: IceGatherOptions, *, max_waiting: int = 64
) -> AsyncIterator[IceListener]:
    """Listen on one UDP port during the block.

    Args:
        gathering: with a ``udp_mux``; connections that are opened with the same one share the port.
        max_waiting: checks that may wait to be looked at; more of them are dropped, and come again.

    Raises:
        BadIceGatherOptions: it has none.
        OSError: another program has that port.
    """
    if gathering.udp_mux is None:
        raise BadIceGatherOptions("a listener needs a port for all connections: udp_mux")
    async with open_bridge() as bridge:
        listener = IceListener(max_waiting)
        loop_listener = LoopListener(
            gathering, lambda username, source: bridge.post(listener._take, username, source)
        )
        await bridge.run(loop_listener.open)
        try:
            yield listener
        finally:
            await bridge.run_to_the_end(loop_listener.close)
            listener._give.close()


class IceListener:
    """What `open_ice_listener` gives: as an async iterator, each check that is new."""

    def __init__(self, max_waiting: int):
        self._give, self._checks = trio.open_memory_channel[IncomingCheck](max_waiting)
        self._known: OrderedDict[IncomingCheck, None] = OrderedDict()

    def _take(self, username: str, source: tuple[str, int]) -> None:
        local, _, remote = username.partition(":")
        check = IncomingCheck(local, remote, *source)
        if check in self._known or not local or not remote:
            return
        try:
            self._give.send_nowait(check)
        except trio.WouldBlock:
            return
        self._known[check] = None
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def __aiter__(self) -> IceListener:
        return self

    async def __anext__(self) -> IncomingCheck:
        return await self._checks.__anext__()

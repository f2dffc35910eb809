"""`serve_relay`: one publisher at a time, and everybody else is a viewer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, Unpack

import trio

from ..calls.call import Call
from ..calls.calling import serve_calls
from ..calls.options import ConnectionKeywords
from ..rtc import MediaTrack
from ..signaling import Peer, Signaling
from ..tasks import open_background_nursery
from .relay_calls import Relay, open_relay

VIEWERS = ("whep",)
"""Protocols of peers who watch; all others publish."""


async def serve_relay(
    signaling: Signaling,
    *,
    max_calls: int = 1000,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    **options: Unpack[ConnectionKeywords],
) -> NoReturn:
    """Answer calls as a studio does: who sends by WHIP is seen by all who watch by WHEP.

    There is one publisher at a time: another one is declined, and so is a viewer before there is
    anything to see. When the publisher leaves, the calls of its viewers are hung up, so that
    players ask again. Nothing is decoded or encoded, as with `open_relay`.

    Args:
        signaling: the session whose name publishers and viewers call.
        max_calls: how many there may be at once, with that of the publisher.
        task_status: told when calls are answered.
        options: as of `serve_calls`.

    Raises:
        SignalingLost, SignalingError: as of `serve_calls`.
    """
    studio = _RelayStudio()
    await serve_calls(
        studio.handle,
        signaling,
        max_calls=max_calls,
        accept=studio.accept,
        tracks=studio.tracks,
        task_status=task_status,
        **options,
    )


class _RelayStudio:
    def __init__(self) -> None:
        self._relay: Relay | None = None
        self._over = trio.Event()

    async def accept(self, peer: Peer) -> bool:
        if peer.protocol in VIEWERS:
            return self._relay is not None and bool(self._relay.tracks)
        return self._relay is None

    def tracks(self, call: Call) -> Iterable[MediaTrack]:
        if call.peer.protocol in VIEWERS and self._relay is not None:
            return self._relay.tracks
        return ()

    async def handle(self, call: Call) -> None:
        if call.peer.protocol in VIEWERS:
            await self._watch(call)
        elif self._relay is None:
            await self._publish(call)

    async def _publish(self, call: Call) -> None:
        over = self._over = trio.Event()
        try:
            async with open_relay(call) as self._relay:
                await call.wait_ended()
        finally:
            self._relay = None
            over.set()

    async def _watch(self, call: Call) -> None:
        # To return hangs up.
        over = self._over
        if self._relay is None:
            return
        async with open_background_nursery() as nursery:

            async def leave_with_publisher() -> None:
                await over.wait()
                await call.hang_up()

            nursery.start_soon(leave_with_publisher)
            await call.wait_ended()

"""`relay_host`: rooms of a relay in the server's own process."""

from __future__ import annotations

from functools import partial
from typing import Final, Unpack

import trio

from ..calls.calling import serve_calls
from ..calls.options import ConnectionKeywords
from ..server.dialects.hosted.hosted_peer import HostedPeer, PeerHost
from ..tasks import open_background_nursery
from .hosted_signaling import open_hosted_signaling
from .studio import Studio

PUBLISHERS: Final = ("whip",)
"""Protocols of peers who publish; all others watch."""

MAX_CALLS: Final = 100

PUBLISHER_SECONDS: Final = 30.0
"""How long the publisher may take to be connected for whom the room was made."""


def relay_host(*, max_calls: int = MAX_CALLS, **options: Unpack[ConnectionKeywords]) -> PeerHost:
    """What has a server relay media itself: ``serve_signaling(8888, publishers=relay_host())``.

    Who sends by WHIP to a name that nobody has in its room is seen by all who call that name: by
    WHEP, from the page in a browser, or with `open_call`. The name is there as long as its
    publisher is; then the calls of the viewers end, so that players ask again. A second
    publisher is declined meanwhile. Nothing is decoded or encoded, as with `open_relay`.

    Args:
        max_calls: how many there may be at once in all rooms, those of publishers and viewers.
        options: as of `serve_calls`.

    Raises:
        ValueError: ``max_calls`` is below 2: a publisher and a viewer.
    """
    if max_calls < 2:
        raise ValueError(f"max_calls is {max_calls}, and there are a publisher and a viewer")
    return PeerHost(
        program=_Rooms(max_calls, options).serve,
        # Each has a publisher, which is to have a viewer.
        max_peers=max_calls // 2,
    )


class _Rooms:
    def __init__(self, max_calls: int, options: ConnectionKeywords):
        self._max_calls = max_calls
        self._options = options
        self._studios: set[Studio] = set()

    def _has_place(self) -> bool:
        return sum(studio.calls for studio in self._studios) < self._max_calls

    async def serve(self, hosted: HostedPeer) -> None:
        """Speak for a peer, from its first publisher on until that leaves."""
        studio = Studio(lambda peer: peer.protocol not in PUBLISHERS, self._has_place)
        self._studios.add(studio)
        try:
            async with (
                open_hosted_signaling(hosted) as signaling,
                open_background_nursery() as nursery,
            ):
                serve = partial(
                    serve_calls, max_calls=self._max_calls, accept=studio.accept,
                    tracks=studio.tracks, simulcast=True, **self._options,
                )  # fmt: skip
                nursery.start_soon(serve, studio.handle, signaling)
                with trio.move_on_after(PUBLISHER_SECONDS):
                    await studio.changes.wait_until(lambda: studio.published > 0)
                await studio.changes.wait_until(lambda: not studio.is_on_air)
                # From here on its name may be another's. The calls end with the block.
                hosted.leave()
                nursery.cancel_scope.cancel()
        finally:
            self._studios.discard(studio)

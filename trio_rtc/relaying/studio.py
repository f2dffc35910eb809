"""A studio: calls of one publisher at a time, and of its viewers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from ..calls.call import Call
from ..rtc import MediaTrack
from ..signaling import Peer
from ..tasks import Changes, open_background_nursery
from .relay_calls import Relay, open_relay


class Studio:
    """Answers calls so that viewers get what the publisher sends.

    Args:
        is_viewer: whether a peer watches; all others publish.
        has_place: whether another call may be answered.

    Attributes:
        calls: how many there are.
        changes: notified when the publisher comes or goes.
        published: how many publishers there have been.
    """

    def __init__(
        self, is_viewer: Callable[[Peer], bool], has_place: Callable[[], bool] = lambda: True
    ):
        self.calls = 0
        self.published = 0
        self.changes = Changes()
        self._is_viewer = is_viewer
        self._has_place = has_place
        self._relay: Relay | None = None
        self._over = trio.Event()

    @property
    def is_on_air(self) -> bool:
        """Whether there is a publisher."""
        return self._relay is not None

    async def accept(self, peer: Peer) -> bool:
        """Whether a call may be answered: as `accept` of `serve_calls`."""
        if not self._has_place():
            return False
        if self._is_viewer(peer):
            return self._relay is not None and self._relay.is_complete
        return self._relay is None

    def tracks(self, call: Call) -> Iterable[MediaTrack]:
        """What a call gets from the start: as `tracks` of `serve_calls`."""
        if self._is_viewer(call.peer) and self._relay is not None:
            return self._relay.tracks
        return ()

    async def handle(self, call: Call) -> None:
        """Publish, or watch, until it ends. To return hangs up."""
        # Of those who were let in at the same time some may be too many by now.
        if not self._has_place():
            return
        self.calls += 1
        try:
            if self._is_viewer(call.peer):
                await self._watch(call)
            elif self._relay is None:
                await self._publish(call)
        finally:
            self.calls -= 1

    async def _publish(self, call: Call) -> None:
        over = self._over = trio.Event()
        try:
            async with open_relay(call) as self._relay:
                self.published += 1
                self.changes.notify()
                await call.wait_ended()
        finally:
            self._relay = None
            over.set()
            self.changes.notify()

    async def _watch(self, call: Call) -> None:
        over = self._over
        if self._relay is None:
            return
        async with open_background_nursery() as nursery:

            async def leave_with_publisher() -> None:
                await over.wait()
                await call.hang_up()

            nursery.start_soon(leave_with_publisher)
            await call.wait_ended()

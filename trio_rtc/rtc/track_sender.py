"""A track on its way to the other side."""

from __future__ import annotations

from typing import cast

from ..errors import MediaError
from .bridge import Bridge
from .loop.outgoing import Outgoing
from .media import Kind, MediaTrack


class TrackSender:
    """What is sent in one media section of a call (W3C RTCRtpSender), from `Call.add_track`.

    Attributes:
        kind: ``"audio"`` or ``"video"``.
        track: what is sent now; None for nothing.
    """

    def __init__(self, bridge: Bridge, outgoing: Outgoing, track: MediaTrack):
        self._bridge = bridge
        self._outgoing = outgoing
        self.kind = cast(Kind, outgoing.kind)
        self.track: MediaTrack | None = track

    async def replace_track(self, track: MediaTrack | None) -> None:
        """Send another track from now on, or nothing, without asking the other side.

        The times of the frames go on, so that a receiver sees one track.

        Raises:
            MediaError: ``wrong_kind``: this sends the other kind.
        """
        if track is not None and track.kind != self.kind:
            raise MediaError(
                f"a track of {track.kind} cannot go where {self.kind} goes", code="wrong_kind"
            )
        await self._bridge.run(self._outgoing.replace, None if track is None else track._source)
        self.track = track

    async def stop(self) -> None:
        """Send nothing any more; the track of the other side ends."""
        await self._bridge.run(self._outgoing.end)
        self.track = None

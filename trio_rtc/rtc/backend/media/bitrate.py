"""Bitrate of what is sent: what the path carries, and what a program allows."""

from __future__ import annotations

from typing import Any, Final

from aiortc import RTCRtpSender

from ..patches import can
from .congestion.media_path import MediaPath, path_of
from .congestion.numbered_packets import is_numbered
from .simulcast.layer_choice import PathState

LEAST_RISE: Final = 1.2
"""Times what an encoder was told, before it is told more: aiortc 1.16 makes another one for that,
and that begins with a keyframe."""

LEAST_FALL: Final = 0.95


class BitrateLimit:
    """Has an encoder of aiortc's follow the path, and holds it below what a program says.

    aiortc 1.16 has it follow what the receiver says that the network carries, and has no setting.
    Where the receiver tells of packets instead, the estimate of our own takes that place.
    """

    def __init__(self) -> None:
        self._sender: Any = None
        self._limit: int | None = None
        # What the receiver would have, and what the encoder was told last.
        self._allowed = 0
        self._told: int | None = None
        # What the path carries, as the encoder was told.
        self._carried: int | None = None

    def follow(self, sender: RTCRtpSender) -> None:
        """Hold the encoder of this sender, as soon as it has one."""
        self._sender = sender

    async def set(self, bits_per_second: int | None) -> None:
        """Hold it below this from the next frame on; None for no limit."""
        self._limit = bits_per_second

    def path_state(self) -> PathState:
        """What is known of the path for who chooses between layers."""
        path = self._path
        if path is not None and (carried := path.share(self)) is not None:
            path.trust_arrivals()
            return PathState(carried, path.is_congested, self._limit)
        if self._sender is None or self._sender._RTCRtpSender__encoder is None:
            # Nothing has been sent yet.
            return PathState(0.0, is_congested=False, limit=self._limit)
        return PathState(None, is_congested=False, limit=self._limit)

    @property
    def _path(self) -> MediaPath | None:
        if self._sender is None or not can("congestion") or not is_numbered(self._sender):
            # Of sound, say, nobody is told when it came.
            return None
        return path_of(self._sender.transport)

    @property
    def is_behind(self) -> bool:
        """Whether what has been encoded is still to be sent, and a picture more only waits."""
        path = self._path
        return path is not None and path.is_behind

    def apply(self) -> None:
        """To be called before each frame is encoded."""
        path = self._path
        carried = self._steady(path.share(self) if path is not None else None)
        if self._limit is self._told is carried is None or not can("bitrate"):
            return
        encoder = self._sender._RTCRtpSender__encoder
        if encoder is None:
            # It is made for the first frame.
            return
        if encoder.target_bitrate != self._told:
            self._allowed = encoder.target_bitrate
        allowed = self._allowed if carried is None else carried
        encoder.target_bitrate = min(allowed, self._limit or allowed)
        self._told = encoder.target_bitrate

    def _steady(self, carried: int | None) -> int | None:
        """What the path carries, where that is another thing than before."""
        known = self._carried
        if known is None or carried is None or not LEAST_FALL < carried / known < LEAST_RISE:
            self._carried = carried
        return self._carried

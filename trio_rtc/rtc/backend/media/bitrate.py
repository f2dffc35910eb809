"""Bitrate limit of what is sent."""

from __future__ import annotations

from typing import Any

from aiortc import RTCRtpSender

from ..patches import can


class BitrateLimit:
    """Holds an encoder of aiortc's below what a program says.

    aiortc 1.16 has it follow what the receiver says that the network carries, and has no setting.
    """

    def __init__(self) -> None:
        self._sender: Any = None
        self._limit: int | None = None
        # What the receiver would have, and what the encoder was told last.
        self._allowed = 0
        self._told: int | None = None

    def follow(self, sender: RTCRtpSender) -> None:
        """Hold the encoder of this sender, as soon as it has one."""
        self._sender = sender

    async def set(self, bits_per_second: int | None) -> None:
        """Hold it below this from the next frame on; None for no limit."""
        self._limit = bits_per_second

    def apply(self) -> None:
        """To be called before each frame is encoded."""
        if (self._limit is None and self._told is None) or not can("bitrate"):
            return
        encoder = self._sender._RTCRtpSender__encoder
        if encoder is None:
            # It is made for the first frame.
            return
        if encoder.target_bitrate != self._told:
            self._allowed = encoder.target_bitrate
        encoder.target_bitrate = min(self._allowed, self._limit or self._allowed)
        self._told = encoder.target_bitrate

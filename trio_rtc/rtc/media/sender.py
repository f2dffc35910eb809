"""Track sender: a track on its way to the other side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple, cast

import trio

from ...errors import MediaError
from ..backend.aiortc_connection import connection_closed
from ..backend.media.outgoing_media import OutgoingTrack
from ..bridge.bridge import Bridge
from .track import Kind, MediaTrack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class TrackSender:
    """What is sent in one media section of a call (W3C RTCRtpSender), from `Call.add_track`.

    Attributes:
        kind: ``"audio"`` or ``"video"``.
        track: what is sent now; None for nothing.
    """

    def __init__(self, bridge: Bridge, outgoing: OutgoingTrack, track: MediaTrack):
        self._bridge = bridge
        self._outgoing = outgoing
        self.kind = cast(Kind, outgoing.kind)
        self.track: MediaTrack | None = track

    def is_of(self, outgoing: OutgoingTrack) -> bool:
        """Whether this is what it sends."""
        return self._outgoing is outgoing

    @property
    def frames_dropped(self) -> int:
        """How many frames were not sent because the encoder was too slow."""
        return self._outgoing.frames_dropped

    @property
    def was_refused(self) -> bool:
        """Whether the other side did not take it."""
        return self._outgoing.was_refused

    async def replace_track(self, track: MediaTrack | None) -> None:
        """Send another track from now on, or nothing, without asking the other side.

        The times of the frames go on, so that a receiver sees one track.

        Raises:
            MediaError: ``wrong_kind``: this sends the other kind, or the track is encoded already,
                and otherwise than what was agreed on; ``sender_ended``: what was sent
                has ended, or `stop` was called, and so has the track of the other side.
            CallError: ``connection_closed``: the call is over.
        """
        if track is not None and track.kind != self.kind:
            raise MediaError(
                f"a track of {track.kind} cannot go where {self.kind} goes", code="wrong_kind"
            )
        source = None if track is None else track._source
        encoded = self._outgoing.encoded
        if source is not None and source.encoded is not None and source.encoded != encoded:
            raise MediaError(
                f"{source.encoded} cannot go where {encoded or 'an encoder'} was agreed on",
                code="wrong_kind",
            )
        if not await self._run(self._outgoing.replace, source):
            raise MediaError(
                f"nothing can be sent any more where a track of {self.kind} has ended",
                code="sender_ended",
            )
        self.track = track

    async def set_max_bitrate(self, bits_per_second: int | None) -> None:
        """Send no more than this from the next frame on, whatever the receiver allows.

        aiortc goes down to 250 000 with VP8, and to 500 000 with H264.

        Args:
            bits_per_second: of pictures, without headers (W3C ``maxBitrate``); None stands for no
                limit of ours.

        Raises:
            ValueError: it is not above 0, or this sends sound, whose bitrate aiortc has settled.
            CallError: ``connection_closed``: the call is over.
        """
        if self.kind != "video":
            raise ValueError(f"{self.kind} has no bitrate that could be set")
        if bits_per_second is not None:
            if not isinstance(bits_per_second, int):
                raise TypeError(f"a bitrate is an int, not {type(bits_per_second).__name__}")
            if bits_per_second <= 0:
                raise ValueError(f"a bitrate is above 0, not {bits_per_second}")
        await self._run(self._outgoing.bitrate.set, bits_per_second)

    async def stop(self) -> None:
        """Send nothing any more; the track of the other side ends. Does nothing a second time."""
        with suppress(trio.ClosedResourceError):
            await self._bridge.run(self._outgoing.end)
        self.track = None

    async def _run(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        try:
            return await self._bridge.run(async_fn, *args)
        except trio.ClosedResourceError as error:
            raise connection_closed() from error

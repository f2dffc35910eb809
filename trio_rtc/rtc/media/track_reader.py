"""Readers of tracks: what comes from now on, one after the other."""

from __future__ import annotations

from functools import partial
from typing import Any, NoReturn, Self

import trio
from av.packet import Packet

from ...errors import MediaError
from ..backend.media.encoded.encoded_format import EncodedFormat
from ..backend.media.encoded.encoded_packets import copy_of_packet
from ..backend.media.tracks import Data, Reader, Source
from ..bridge.bridge import Bridge


class TrackReader:
    """What comes of a track, for one who iterates: two tasks each take readers of their own.

    Raises:
        MediaError: ``source_failed``: what the track is of has failed, instead of ending.
        trio.BusyResourceError: another task waits for the next.
    """

    def __init__(self, bridge: Bridge, source: Source, limit: int):
        self._bridge = bridge
        self._source = source
        self._limit = limit
        self._reader: Reader | None = None
        self._arrived = trio.Event()
        self._asking = False

    def __aiter__(self) -> Self:
        return self

    async def _take_next(self) -> Data:
        if self._asking:
            raise trio.BusyResourceError("another task waits for the next of these frames")
        self._asking = True
        try:
            return await self._next()
        finally:
            self._asking = False

    async def _next(self) -> Data:
        if self._reader is None:
            try:
                self._reader = await self._bridge.run(self._subscribe)
            except trio.ClosedResourceError:
                # The call is over, or the block that the track was opened in.
                self._end()
        else:
            await trio.lowlevel.checkpoint()
        while (data := self._reader.take()) is None:
            if self._reader.is_over:
                self._end()
            self._arrived = trio.Event()
            if not self._reader.ask():
                await self._arrived.wait()
        return data

    def _end(self) -> NoReturn:
        if self._source.error is not None:
            raise MediaError(
                f"the source of a track failed: {self._source.error}", code="source_failed"
            ) from self._source.error
        raise StopAsyncIteration from None

    async def _subscribe(self) -> Reader:
        # On the loop, where readers belong. A crossing is needed then for a frame that is waited
        # for only, and none to ask for it.
        reader = self._source.subscribe(self._limit)
        reader.on_asked = partial(self._bridge.post, self._wake)
        self._source.start()
        return reader

    def _wake(self) -> None:
        self._arrived.set()


class TrackPackets(TrackReader):
    """The packets of a track, as it is encoded; those of video begin where it can be decoded.

    Attributes:
        encoded: with its ``name``, as in RTP; None before the first packet.
        packets_received: how many came.
        packets_dropped: how many of them were gone before they were asked for, or built on others
            that were gone.
    """

    @property
    def encoded(self) -> EncodedFormat | None:
        """What they are encoded with; None before the first."""
        return self._source.encoded

    @property
    def packets_received(self) -> int:
        return self._reader.received if self._reader else 0

    @property
    def packets_dropped(self) -> int:
        return self._reader.dropped if self._reader else 0

    async def __anext__(self) -> Packet[Any]:
        data = await self._take_next()
        assert isinstance(data, Packet)
        # Whoever writes it to a file changes its times.
        return copy_of_packet(data)

"""`relay` and `open_relay`: what comes in one call goes out in others, without a decoder."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from ..calls.call import Call
from ..errors import CallError, MediaError
from ..rtc import MediaTrack
from ..tasks import open_background_nursery

logger = logging.getLogger("trio_rtc.call")

TRACK_SECONDS: Final = 2.0
"""How long after the first one the other tracks of a publisher are waited for."""


class Relay:
    """The tracks of a publisher on their way to viewers, from `open_relay`.

    Attributes:
        tracks: those of the publisher of which something has come, to be sent in any call:
            ``tracks=relay.tracks``.
    """

    def __init__(self, publisher: Call, nursery: trio.Nursery):
        self.tracks: tuple[MediaTrack, ...] = ()
        self._publisher = publisher
        self._nursery = nursery
        self._viewers: list[Call] = []
        #: Tracks of which nothing has come yet, and until when that matters.
        self._awaited = 0
        self._complete_by = 0.0
        self._changed = trio.Event()

    @property
    def is_complete(self) -> bool:
        """Whether something of each track has come, or has had its time to come since the first.

        To a viewer who cannot be offered more later, what comes after that is lost.
        """
        is_late = trio.current_time() >= self._complete_by
        return bool(self.tracks) and (is_late or not self._awaited)

    async def add_viewer(self, call: Call) -> None:
        """Send a viewer what the publisher sends, and what it adds later, until either call ends.

        Waits until there is something.

        Raises:
            CallError: ``call_ended``; ``negotiation_failed``: the viewer does not take it.
        """
        await self.wait_tracks()
        # What is added while this is negotiated is not forgotten.
        self._viewers = [viewer for viewer in self._viewers if viewer.end is None]
        self._viewers.append(call)
        for track in self.tracks:
            await call.add_track(track)

    async def wait_tracks(self, count: int = 1) -> None:
        """Wait until there are so many tracks.

        Args:
            count: how many, 1 or more.

        Raises:
            CallError: ``call_ended``: the publisher has left before.
        """
        while len(self.tracks) < count:
            if self._publisher.end is not None:
                raise CallError(
                    f"{self._publisher.peer} has left: {self._publisher.end}", code="call_ended"
                )
            await self._changed.wait()

    async def _listen(self) -> None:
        async for track in self._publisher.tracks:
            self._awaited += 1
            self._nursery.start_soon(self._take, track)

    async def _watch_end(self) -> None:
        await self._publisher.wait_ended()
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _take(self, track: MediaTrack) -> None:
        try:
            relayed = await track.undecoded()
        except MediaError as error:
            logger.info("a track of %s is not relayed: %s", self._publisher.peer, error)
            return
        finally:
            self._awaited -= 1
        if not self.tracks:
            self._complete_by = trio.current_time() + TRACK_SECONDS
        self.tracks = (*self.tracks, relayed)
        for viewer in self._viewers:
            self._nursery.start_soon(self._send, viewer, relayed)
        self._notify()

    async def _send(self, viewer: Call, track: MediaTrack) -> None:
        try:
            await viewer.add_track(track)
        except CallError as error:
            if viewer.end is None:
                logger.warning("%s does not get a track of a relay: %s", viewer.peer, error)


@asynccontextmanager
async def open_relay(publisher: Call) -> AsyncIterator[Relay]:
    """Relay what comes in a call to any number of others during the block.

    Each viewer has sequence numbers, timestamps and sources (SSRC) of its own; what it loses is
    sent again from what was sent to it, and what it cannot take is lost to nobody else. Its
    requests for keyframes reach the publisher, one for many. Nothing is decoded or encoded, so that
    a viewer has to take the codec of the publisher.

    Args:
        publisher: the call whose ``tracks`` are taken.
    """
    async with open_background_nursery() as nursery:
        relay = Relay(publisher, nursery)
        nursery.start_soon(relay._listen)
        nursery.start_soon(relay._watch_end)
        yield relay


async def relay(call_in: Call, *calls_out: Call) -> None:
    """Send what comes in one call out in others, as it is, until that call ends.

    For viewers that come and go there is `open_relay`.

    Args:
        call_in: the publisher's.
        calls_out: those of the viewers.

    Raises:
        CallError: ``negotiation_failed``: a viewer does not take it; ``call_ended``: a viewer, or
            the publisher, has left before there was anything.
    """
    async with open_relay(call_in) as relaying:
        for call in calls_out:
            await relaying.add_viewer(call)
        await call_in.wait_ended()

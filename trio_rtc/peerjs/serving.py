"""`serve_peerjs`: take the connections of others, each with a task of its own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import trio

from ..calls.admission import MAX_CALLS, CallAdmission, Place
from ..errors import TrioRTCError
from ..faults import FaultLog, caught
from ..rtc import MediaTrack
from .connections import DataConnection, MediaConnection
from .link import PeerJSLink
from .peer import PeerJSPeer
from .serialization import serialization as new_serialization

logger = logging.getLogger("trio_rtc.peerjs")

Handler = Callable[[DataConnection | MediaConnection], Awaitable[object]]
"""Answers a connection, which is closed when it returns or raises."""


async def serve_peerjs(
    handler: Handler,
    peer: PeerJSPeer,
    *,
    tracks: Iterable[MediaTrack] = (),
    max_calls: int = MAX_CALLS,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Take every connection, and run ``handler(connection)`` in a task of its own for each.

    The connection is closed when its handler returns. An exception of a handler is logged and
    ends its connection only; so does whatever goes wrong while one is set up and kept, be it that
    the system has no more files.

    Args:
        handler: gets a `DataConnection` or a `MediaConnection`.
        peer: whose connections.
        tracks: what media connections are answered with.
        max_calls: how many connections there may be at once, of which up to 64 are being set up,
            and 16 are of one peer. Who wants another is told that we cannot be reached: PeerJS
            has no other word.
        task_status: reports when connections are taken.

    Raises:
        ValueError: ``max_calls`` is below 1.
        SignalingLost: the server is lost, and the last connection has ended.
    """
    server = _LinkServer(peer, handler, tuple(tracks), FaultLog(logger))
    admission = CallAdmission(max_calls, logger.warning)
    async with trio.open_nursery() as nursery:
        task_status.started()
        async for link in peer._waiting:
            place = admission.admit()
            if place is None:
                peer._refuse(link)
            else:
                nursery.start_soon(server.serve, link, place)
    raise await peer._server.wait_lost()


@dataclass
class _LinkServer:
    """Serves each connection in a task of its own."""

    peer: PeerJSPeer
    handler: Handler
    tracks: Sequence[MediaTrack]
    faults: FaultLog

    async def serve(self, link: PeerJSLink, place: Place) -> None:
        try:
            with caught(partial(self._report, link)):
                await self._serve(link, place)
        finally:
            place.leave()

    async def _serve(self, link: PeerJSLink, place: Place) -> None:
        offer, options = link.offer, self.peer._options
        async with self.peer._run(link, self.tracks if offer.type == "media" else ()):
            place.connected()
            connection: DataConnection | MediaConnection = MediaConnection(link)
            if offer.type == "data":
                form = new_serialization(offer.serialization, options.max_message_bytes)
                assert form is not None
                connection = DataConnection(link, form)
            await _handle(self.handler, connection, link)

    def _report(self, link: PeerJSLink, error: Exception) -> None:
        if isinstance(error, TrioRTCError):
            logger.warning("%s failed: %s", link, error, extra={"code": error.code})
            return
        self.faults.report(str(link), error)
        if not link.connected:
            self.peer._refuse(link)


async def _handle(
    handler: Handler, connection: DataConnection | MediaConnection, link: PeerJSLink
) -> None:
    try:
        await handler(connection)
    except Exception as error:
        over = isinstance(error, trio.EndOfChannel | trio.BrokenResourceError)
        if over and link.end is not None:
            logger.info("%s ended under its handler", link)
        else:
            logger.exception("the handler of %s failed", link)

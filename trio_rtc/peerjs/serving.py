"""`serve_peerjs`: take the connections of others, each with a task of its own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NoReturn

import trio

from ..errors import TrioRTCError
from ..rtc import MediaTrack
from .connections import DataConnection, MediaConnection
from .link import Link
from .peer import PeerJSPeer
from .serialization import serialization as new_serialization

logger = logging.getLogger("trio_rtc.peerjs")

Handler = Callable[[DataConnection | MediaConnection], Awaitable[object]]


async def serve_peerjs(
    handler: Handler,
    peer: PeerJSPeer,
    *,
    tracks: Iterable[MediaTrack] = (),
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Take every connection, and run ``handler(connection)`` in a task of its own for each.

    The connection is closed when its handler returns. An exception of a handler is logged and
    ends its connection only; so does what goes wrong while one is set up.

    Args:
        handler: gets a `DataConnection` or a `MediaConnection`.
        peer: whose connections.
        tracks: what media connections are answered with.
        task_status: reports when connections are taken.

    Raises:
        SignalingLost: the server is lost, and the last connection has ended.
    """
    sent = tuple(tracks)
    async with trio.open_nursery() as nursery:
        task_status.started()
        async for link in peer._waiting:
            nursery.start_soon(_serve, peer, handler, link, sent)
    raise await peer._server.wait_lost()


async def _serve(
    peer: PeerJSPeer, handler: Handler, link: Link, tracks: Sequence[MediaTrack]
) -> None:
    try:
        sent = tracks if link.offer.type == "media" else ()
        async with peer._run(link, sent):
            connection: DataConnection | MediaConnection = MediaConnection(link)
            if link.offer.type == "data":
                form = new_serialization(link.offer.serialization, peer._options.max_message_bytes)
                assert form is not None
                connection = DataConnection(link, form)
            await _handle(handler, connection, link)
    except TrioRTCError as error:
        logger.warning("%s failed: %s", link, error, extra={"code": error.code})


async def _handle(
    handler: Handler, connection: DataConnection | MediaConnection, link: Link
) -> None:
    try:
        await handler(connection)
    except Exception as error:
        over = isinstance(error, trio.EndOfChannel | trio.BrokenResourceError)
        if over and link.end is not None:
            logger.info("%s ended under its handler", link)
        else:
            logger.exception("the handler of %s failed", link)

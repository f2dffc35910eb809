"""`serve_relay`: one publisher at a time, and everybody else is a viewer."""

from __future__ import annotations

from typing import NoReturn, Unpack

import trio

from ..calls.calling import serve_calls
from ..calls.options import ConnectionKeywords
from ..signaling import Signaling
from .studio import Studio

VIEWERS = ("whep",)
"""Protocols of peers who watch; all others publish."""


async def serve_relay(
    signaling: Signaling,
    *,
    max_calls: int = 1000,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    **options: Unpack[ConnectionKeywords],
) -> NoReturn:
    """Answer calls as a studio does: who sends by WHIP is seen by all who watch by WHEP.

    There is one publisher at a time: another one is declined, and so is a viewer before there is
    anything to see. When the publisher leaves, the calls of its viewers are hung up, so that
    players ask again. Nothing is decoded or encoded, as with `open_relay`.

    Args:
        signaling: the session whose name publishers and viewers call.
        max_calls: how many there may be at once, with that of the publisher.
        task_status: told when calls are answered.
        options: as of `serve_calls`.

    Raises:
        SignalingLost, SignalingError: as of `serve_calls`.
    """
    studio = Studio(lambda peer: peer.protocol in VIEWERS)
    await serve_calls(
        studio.handle,
        signaling,
        max_calls=max_calls,
        accept=studio.accept,
        tracks=studio.tracks,
        simulcast=True,
        task_status=task_status,
        **options,
    )

"""SCTP streams of data channels: which is used next, and what comes on one that is in use.

A stream is used again when both sides have reset it (RFC 8831, section 6.7). The one who opens a
channel on it may know that before the other does: if the answer to the other's reset is lost,
the announcement of the new channel overtakes it. aiortc 1.16 ends the connection then.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    DATA_CHANNEL_OPEN,
    RECONFIG_RESULT_SUCCESS_PERFORMED,
    WEBRTC_DCEP,
    WEBRTC_STRING,
    StreamResetResponseParam,
)

from ....faults import RareWarnings
from ..patches import can

logger = logging.getLogger("trio_rtc.rtc")

IDS: Final = 1024
"""Ids that libwebrtc has; ours stay below as long as enough of them are free."""


def guard(sctp: RTCSctpTransport) -> None:
    """Have no message of the other side end the connection. Does nothing the second time."""
    if "_data_channel_receive" in vars(sctp) or not can("streams"):
        return
    receive = sctp._data_channel_receive
    warnings = RareWarnings(logger, asyncio.get_running_loop().time)

    async def receive_guarded(stream_id: int, pp_id: int, data: bytes) -> None:
        if pp_id == WEBRTC_DCEP and data[:1] == _OPEN and stream_id in sctp._data_channels:
            await _finish_reset(sctp, stream_id)
            if stream_id in sctp._data_channels:
                warnings.warn("the other side opens a channel on stream %d, in use", stream_id)
                return
        try:
            await receive(stream_id, pp_id, data)
        except UnicodeDecodeError as error:
            if pp_id == WEBRTC_STRING:
                # As browsers do (WHATWG Encoding, "UTF-8 decode").
                await receive(stream_id, pp_id, data.decode(errors="replace").encode())
            else:
                warnings.warn("a channel of the other side has no proper name: %s", error)
        except AssertionError:
            warnings.warn("the other side confirms a channel on stream %d, unknown", stream_id)

    sctp._data_channel_receive = receive_guarded  # type: ignore[method-assign]


_OPEN: Final = bytes([DATA_CHANNEL_OPEN])


async def _finish_reset(sctp: RTCSctpTransport, stream_id: int) -> None:
    """Who opens a channel on a stream has reset it, and with it all of our last request."""
    request = sctp._reconfig_request
    if request is not None and stream_id in request.streams:
        await sctp._receive_reconfig_param(
            StreamResetResponseParam(
                response_sequence=request.request_sequence,
                result=RECONFIG_RESULT_SUCCESS_PERFORMED,
            )
        )


def rotate_ids(sctp: RTCSctpTransport, last: int) -> None:
    """Let the id that was used last be the last to be used again: by then its reset is over."""
    if not can("streams"):
        return
    for step in range(2, IDS, 2):
        candidate = (last + step) % IDS
        if candidate not in sctp._data_channels:
            sctp._data_channel_id = candidate
            return
    # aiortc looks on from here.
    sctp._data_channel_id = last % 2

"""`forward_rtp`: a track as plain RTP, for programs that know no WebRTC."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from ...errors import MediaError
from ...world import world
from ..backend.media.encoded.rtp_stream import REPORT_SECONDS, RtpStream
from .track import MediaTrack


async def forward_rtp(
    track: MediaTrack,
    address: str,
    *,
    payload_type: int | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Send the packets of a track as plain RTP over UDP, as they are, until it ends.

    Reports (RTCP) go to the port after it. FFmpeg and GStreamer receive this with the description
    that ``await nursery.start(forward_rtp, track, address)`` gives after the first packet.

    Args:
        track: one of the other side, or one of ``open_media(…, encoded=True)``.
        address: ``HOST:PORT``; ``[IPV6]:PORT``.
        payload_type: the number that stands for the codec: 0 to 127, by default 96, or what the
            codec has by itself.
        task_status: is given the SDP of the stream.

    Raises:
        MediaError: ``not_encoded``: the track has frames only; ``bad_address``: there is no such
            address, or it cannot be sent to.
        ValueError: there is no such payload type.
    """
    if payload_type is not None and payload_type not in range(128):
        raise ValueError(f"a payload type is from 0 to 127, not {payload_type!r}")
    host, port = _parse(address)
    packets = track.packets()
    async with _open_sockets(address, host, port) as (rtp, rtcp, found):
        stream: RtpStream | None = None
        reported = 0.0
        async for packet in packets:
            if stream is None:
                encoded = packets.encoded
                assert encoded is not None
                stream = RtpStream(
                    encoded,
                    ssrc=int.from_bytes(world().random_bytes(4)),
                    # In the lower half, as senders have it who may use SRTP later.
                    number=int.from_bytes(world().random_bytes(2)) >> 1,
                    payload_type=payload_type,
                )
                task_status.started(stream.describe(found, port, packet))
            for data in stream.pack(packet):
                await _send(rtp, data)
            now = trio.current_time()
            if now >= reported + REPORT_SECONDS or not reported:
                reported = now
                await _send(rtcp, stream.report(world().time()))


def _parse(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    # The port after it is that of the reports.
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_535:
        raise MediaError(f"{address!r} is not HOST:PORT", code="bad_address", fault="local")
    return host.removeprefix("[").removesuffix("]"), int(port)


@asynccontextmanager
async def _open_sockets(address: str, host: str, port: int) -> AsyncIterator[tuple[Any, Any, str]]:
    """A socket for RTP, one for RTCP, and the IP address that they send to."""
    try:
        (family, *_, found), *_ = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        with (
            trio.socket.socket(family, socket.SOCK_DGRAM) as rtp,
            trio.socket.socket(family, socket.SOCK_DGRAM) as rtcp,
        ):
            await rtp.connect(found)
            await rtcp.connect((found[0], port + 1, *found[2:]))
            yield rtp, rtcp, str(found[0])
    except OSError as error:
        raise MediaError(
            f"nothing can be sent to {address}: {error.strerror or error}",
            code="bad_address",
            fault="network",
        ) from error


async def _send(to: Any, data: bytes) -> None:
    try:
        await to.send(data)
    except ConnectionRefusedError:
        # Nobody listens as yet.
        return

"""SCTP (RFC 9260) under data channels: aiortc's association, with a sender and a receiver of ours.

aiortc makes its transport itself; it becomes one of these before anything runs on it. What this
needs that is not public is listed in `ledger`. With ``TRIO_RTC_SCTP=aiortc`` in the environment,
aiortc's own is used as it is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSctpTransport
from aiortc.rtcsctptransport import AbortChunk, Chunk, ShutdownChunk

from ..patches import can
from .interleaving_transport import InterleavingTransport
from .machine.send_queue import MOST_UNSENT
from .path_mtu import BASE
from .receiving_transport import TOGETHER_OF_OURS
from .sending_transport import RTO_FLOOR_OF_OURS

LEAST_UNSENT: Final = 128 * 1024
"""Bytes that may wait in each channel: two parts of a message."""

logger = logging.getLogger("trio_rtc.rtc")


def install(connection: RTCPeerConnection, on_left: Callable[[], None]) -> None:
    """Have the transport that a connection makes for its data channels become one of ours.

    ``on_left`` is called when the other side has ended the association.
    """
    if os.environ.get("TRIO_RTC_SCTP") == "aiortc" or not can("sctp"):
        return
    private: Any = connection
    create = private._RTCPeerConnection__createSctpTransport

    def create_ours() -> None:
        create()
        transport: Any = connection.sctp
        transport.__class__ = SctpTransport
        transport._begin()
        transport._on_left = on_left

    private._RTCPeerConnection__createSctpTransport = create_ours


def speed_up(connection: RTCPeerConnection, max_packet_size: int) -> None:
    """The other side is one of ours: it hears of more at once, and takes packets of this size."""
    transport = connection.sctp
    if isinstance(transport, SctpTransport):
        transport._sack_policy.most = TOGETHER_OF_OURS
        transport._sender.trips.floor = RTO_FLOOR_OF_OURS
        transport._allow(max_packet_size)


def begin_anew(connection: RTCPeerConnection) -> None:
    """Packets take another path from now on, of which nothing is known."""
    if isinstance(connection.sctp, SctpTransport):
        connection.sctp._begin_anew()


def is_left(connection: RTCPeerConnection) -> bool:
    """Whether the other side has ended the association."""
    transport = connection.sctp
    return isinstance(transport, SctpTransport) and transport._left


def ended_in_order(transport: RTCSctpTransport) -> bool:
    """Whether each side had all of the other's when the association ended."""
    return isinstance(transport, SctpTransport) and transport._ended_in_order


def mtu(transport: RTCSctpTransport) -> int:
    """Bytes that the packets of a transport may have."""
    return transport._path_mtu.largest if isinstance(transport, SctpTransport) else BASE


def deliver(channel: RTCDataChannel, take: Callable[[bytes], None] | None) -> None:
    """Have its binary messages handed over directly, or no longer: an event takes several us."""
    transport = channel.transport
    if not isinstance(transport, SctpTransport):
        return
    if take is None:
        transport._takers.pop(channel, None)
    else:
        transport._takers[channel] = take


def send(channel: RTCDataChannel, messages: Sequence[str | bytes], *, more: bool = False) -> None:
    """Send messages, which go out together.

    Args:
        channel: whose they are.
        messages: in order.
        more: whether others follow, or `send_rest` is called: what does not fill a packet waits
            for that.

    Raises:
        InvalidStateError: the channel is not open.
    """
    transport = channel.transport
    if isinstance(transport, SctpTransport) and channel.readyState == "open":
        transport._send_messages(channel, messages, more=more)
        return
    for message in messages:
        channel.send(message)


def send_rest(channel: RTCDataChannel) -> None:
    """Send what waits for more, of all channels."""
    transport = channel.transport
    if isinstance(transport, SctpTransport):
        transport._send_rest()


def most_unsent(channel: RTCDataChannel) -> int:
    """Bytes of a channel that may wait to be sent: what the path holds, of all channels together.

    A channel may always have some, however much others have: their streams take turns.
    """
    transport = channel.transport
    if not isinstance(transport, SctpTransport):
        return MOST_UNSENT
    sender = transport._sender
    others = max(0, sender.queue.size - channel.bufferedAmount)
    return max(LEAST_UNSENT, sender.most_unsent - others)


def last_tsns(channel: RTCDataChannel) -> tuple[int, int]:
    """The last TSN that was used, of all channels, and the last that was acknowledged."""
    transport = channel.transport
    if not isinstance(transport, SctpTransport):
        return 0, 0
    sender = transport._sender
    return sender.next_tsn - 1, sender.acknowledged_tsn


class SctpTransport(InterleavingTransport):
    """A transport of aiortc's that sends and receives as ours do, and sees how it ends."""

    _on_left: Callable[[], None]
    _left = False
    _ended_in_order = False

    async def _receive_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, ShutdownChunk):
            # It has sent all, and had it acknowledged (section 9.2).
            self._ended_in_order = not self._data_channel_queue and self._sender.has_sent_all(
                chunk.cumulative_tsn
            )
        await super()._receive_chunk(chunk)
        self._left = self._left or isinstance(chunk, AbortChunk | ShutdownChunk)
        if self._left and self.state == "closed":
            self._on_left()

    async def _give_up(self, reason: str) -> None:
        if self._left:
            return
        logger.warning(reason)
        self._left = True
        await self._abort()
        self._set_state(self.State.CLOSED)
        self._on_left()

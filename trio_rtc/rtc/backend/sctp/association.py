"""SCTP (RFC 9260) with less work per packet than aiortc 1.16 has.

aiortc makes its transport itself; it becomes one of these before anything runs on it. What this
needs that is not public is listed in `ledger`. With ``TRIO_RTC_SCTP=aiortc`` in the environment,
aiortc's own is used as it is.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSctpTransport
from aiortc.rtcsctptransport import (
    SCTP_DATA_LAST_FRAG,
    AbortChunk,
    Chunk,
    DataChunk,
    ForwardTsnChunk,
    InboundStream,
    InitChunk,
    SackChunk,
    ShutdownChunk,
    serialize_packet,
)
from aiortc.utils import uint32_gt, uint32_gte

from ....world import world
from ...bridge.eager import start_eagerly
from ..patches import can
from .large_packets import Bundle
from .path_mtu import BASE
from .receive_buffer import ReceiveBuffer
from .retransmission import Retransmission
from .timer import Timer

logger = logging.getLogger("trio_rtc.rtc")

SACK_SECONDS: Final = 0.02
"""How long a packet may wait for another, to be acknowledged with it."""

BURST: Final = 4
"""Packets that may be sent at once, such as in answer to an acknowledgement (Max.Burst, RFC 9260,
sections 6.1 and 16). As many that have come together are acknowledged together: the sender need
not slow down for this."""

BURST_OF_OURS: Final = 8
"""The same where both sides have this transport. The time for acknowledgements is a quarter of all
with 4, and half of that with 8."""

FLIGHT: Final = 128 * 1024
"""Bytes that may be on their way in any case: they fit into a receive buffer of usual size."""

FASTEST: Final = 32_000_000
"""Bytes per second, as many as Python can send: what is on its way need not be more than this."""

PROMPT: Final = 256
"""Packets after a loss that are acknowledged one by one: where some are lost, the sender's window
has room for a few, and each acknowledgement that waits holds it up (RFC 9260, section 6.2)."""

_IMMEDIATE = 0x08
"""The sender wants to hear of this DATA chunk at once (RFC 9260, section 3.3.1)."""

_SACK_LENGTH = 16


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
    """The other side is one of ours: it sends as much at once, and takes packets of this size."""
    if isinstance(connection.sctp, SctpTransport):
        connection.sctp._burst = BURST_OF_OURS
        connection.sctp._allow(max_packet_size)


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


class SctpTransport(Retransmission):
    """A transport of aiortc's that does the usual things quickly, and the others as aiortc does."""

    _on_left: Callable[[], None]

    def _begin(self) -> None:
        super()._begin()
        self._left = False
        self._receive_buffer = ReceiveBuffer()
        self._ended_in_order = False
        loop = asyncio.get_running_loop()
        self._sack_timer = Timer(loop, self._sack_due)
        self._sends_eagerly = False
        self._burst = BURST
        self._unacknowledged = 0
        self._sack_at_once = True
        self._prompt = 0
        self._may_retransmit = False
        self._before_sack = (self._cwnd, self._flight_size)
        self._flight_limit = FLIGHT
        self._shortest_trip = float("inf")

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        if state is self.State.CLOSED:
            self._unacknowledged = 0
            self._sack_timer.close()

    # Sending. aiortc walks all that is on its way at each transmission, to look for what was lost.

    async def _transmit(self) -> None:
        self._grow()
        self._cwnd = min(self._cwnd, self._flight_limit)
        if self._may_retransmit or self._forward_tsn_chunk is not None:
            await super()._transmit()
            self._may_retransmit = any(chunk._retransmit for chunk in self._sent_queue)
            return
        burst = self._burst if self._fast_recovery_exit is None else 2
        window = min(self._flight_size + burst * self._fragment_length(), self._cwnd)
        while self._outbound_queue and self._flight_size < window:
            chunk = self._outbound_queue.popleft()
            self._sent_queue.append(chunk)
            self._flight_size_increase(chunk)
            chunk._sent_count += 1
            chunk._sent_time = world().time()
            await self._send_chunk(chunk)
            if not self._t3_handle:
                self._t3_start()

    async def _receive_sack_chunk(self, chunk: SackChunk) -> None:
        self._may_retransmit = self._may_retransmit or bool(chunk.gaps)
        self._before_sack = (self._cwnd, self._flight_size)
        await super()._receive_sack_chunk(chunk)

    def _grow(self) -> None:
        """Let the window grow by packets of today's size (RFC 9260, sections 7.2.1 and 7.2.2)."""
        cwnd, flight = self._before_sack
        if self._cwnd > cwnd:
            self._cwnd = max(self._cwnd, cwnd + min(flight - self._flight_size, self._room()))
            self._before_sack = (self._cwnd, self._flight_size)

    def _update_rto(self, R: float) -> None:  # noqa: N803
        super()._update_rto(R)
        # Of the shortest, so that what waits in queues on the way does not count.
        self._shortest_trip = min(self._shortest_trip, R)
        self._flight_limit = max(FLIGHT, round(self._shortest_trip * FASTEST))

    def _t3_expired(self) -> None:
        self._may_retransmit = True
        super()._t3_expired()

    # aiortc starts a task for each message. One that need not wait is sent at once.

    def _data_channel_send(self, channel: RTCDataChannel, data: bytes | str) -> None:
        self._sends_eagerly = True
        try:
            super()._data_channel_send(channel, data)
        finally:
            self._sends_eagerly = False

    def _data_channel_flush(self) -> Awaitable[None]:  # type: ignore[override]
        flush = super()._data_channel_flush()
        if not self._sends_eagerly:
            return flush
        # Not for what is sent meanwhile.
        self._sends_eagerly = False
        return start_eagerly(flush)

    # Receiving.

    def _get_inbound_stream(self, stream_id: int) -> InboundStream:
        stream = self._inbound_streams.get(stream_id)
        if stream is None:
            stream = self._inbound_streams[stream_id] = _InboundStream()
        return stream

    def _mark_received(self, tsn: int) -> bool:
        # aiortc sorts all that overtook something, at each of them.
        last = self._last_received_tsn
        assert last is not None
        if uint32_gte(last, tsn) or tsn in self._sack_misordered:
            self._sack_duplicates.append(tsn)
            return True
        self._sack_misordered.add(tsn)
        while self._sack_misordered and (following := _next(last)) in self._sack_misordered:
            self._sack_misordered.discard(following)
            last = following
        self._last_received_tsn = last
        if self._sack_duplicates:
            self._sack_duplicates = [old for old in self._sack_duplicates if uint32_gt(old, last)]
        return False

    async def _receive_chunk(self, chunk: Chunk) -> None:
        # Which aiortc would write about first, for a log that nobody keeps.
        if isinstance(chunk, DataChunk):
            await self._receive_data_chunk(chunk)
        elif isinstance(chunk, SackChunk):
            await self._receive_sack_chunk(chunk)
        else:
            if isinstance(chunk, ShutdownChunk):
                # It has sent all, and had it acknowledged (section 9.2).
                self._ended_in_order = self._has_all_of_ours(chunk.cumulative_tsn)
            await super()._receive_chunk(chunk)
            self._left = self._left or isinstance(chunk, AbortChunk | ShutdownChunk)
            if self._left and self.state == "closed":
                self._on_left()

    def _has_all_of_ours(self, tsn: int) -> bool:
        waiting = self._data_channel_queue or self._outbound_queue
        return not waiting and not any(uint32_gt(chunk.tsn, tsn) for chunk in self._sent_queue)

    async def _receive_data_chunk(self, chunk: DataChunk) -> None:
        if chunk.flags & _IMMEDIATE:
            self._sack_at_once = True
        assert self._last_received_tsn is not None
        verdict = self._receive_buffer.judge(
            is_next=chunk.tsn == _next(self._last_received_tsn),
            advertised=self._advertised_rwnd,
            streams=self._inbound_streams.values(),
        )
        if verdict == "take":
            await super()._receive_data_chunk(chunk)
        elif verdict == "drop":
            self._sack_needed = self._sack_at_once = True
        elif not self._left:
            logger.warning("the other side sends messages that never end: they are given up")
            self._left = True
            await self._abort()
            self._set_state(self.State.CLOSED)
            self._on_left()

    async def _receive_forward_tsn_chunk(self, chunk: ForwardTsnChunk) -> None:
        self._sack_at_once = True
        await super()._receive_forward_tsn_chunk(chunk)

    # Acknowledging: every second packet, and what has come together with it; otherwise after
    # 20 ms; what is not as usual at once (RFC 9260, section 6.2). aiortc acknowledges each.

    async def _send_sack(self) -> None:
        self._prompt = PROMPT if self._sack_misordered else max(0, self._prompt - 1)
        if not (self._sack_at_once or self._prompt or self._sack_duplicates):
            self._sack_needed = False
            self._unacknowledged += 1
            if self._unacknowledged == 1:
                self._sack_timer.start(SACK_SECONDS)
            elif self._unacknowledged == 2:
                # All that has come is looked at before that.
                asyncio.get_running_loop().call_soon(self._sack_due)
            if self._unacknowledged < self._burst:
                return
        self._forget_sack()
        await super()._send_sack()

    def _forget_sack(self) -> None:
        self._sack_at_once = False
        self._unacknowledged = 0
        self._sack_timer.cancel()

    def _sack_due(self) -> None:
        if self._unacknowledged:
            self._sack_at_once = True
            start_eagerly(self._send_sack_if_connected())

    async def _send_sack_if_connected(self) -> None:
        if self._unacknowledged:
            await self._send_sack()

    async def _send_chunk(self, chunk: Chunk) -> None:
        # What waits goes along with data that leaves room for it (section 6.2, and 6.10).
        if (
            self._unacknowledged
            and isinstance(chunk, DataChunk)
            and len(chunk.user_data) <= self._room() - _SACK_LENGTH
        ):
            self._forget_sack()
            sack = SackChunk()
            assert self._last_received_tsn is not None
            sack.cumulative_tsn = self._last_received_tsn
            sack.advertised_rwnd = max(0, self._advertised_rwnd)
            chunk = Bundle(sack, chunk)
        # Also where it is sent again, and the other side's tag is known (section 8.5.1, A).
        tag = 0 if isinstance(chunk, InitChunk) else self._remote_verification_tag
        assert self._remote_port is not None
        await self.transport._send_data(
            serialize_packet(self._local_port, self._remote_port, tag, chunk)
        )


def _next(tsn: int) -> int:
    return (tsn + 1) & 0xFFFFFFFF


class _InboundStream(InboundStream):
    """It looks for whole messages when there may be one, and not at each fragment."""

    _cannot_complete = False

    def add_chunk(self, chunk: DataChunk) -> None:
        is_last = not self.reassembly or uint32_gt(chunk.tsn, self.reassembly[-1].tsn)
        super().add_chunk(chunk)
        self._cannot_complete = is_last and not chunk.flags & SCTP_DATA_LAST_FRAG

    def pop_messages(self) -> Iterator[tuple[int, int, bytes]]:
        if self._cannot_complete:
            self._cannot_complete = False
            return iter(())
        return super().pop_messages()

"""Messages in packets as large as the path takes them; aiortc 1.16 has one size for every path.

What this needs of aiortc that is not public is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    SCTP_DATA_UNORDERED,
    USERDATA_MAX_LENGTH,
    Chunk,
    DataChunk,
    HeartbeatAckChunk,
)

from ...bridge.eager import start_eagerly
from .fragmentation import unfragmented
from .path_mtu import PathMtu
from .timer import Timer

PACKETS_IN_WINDOW: Final = 8
"""Packets that there is always room for in the congestion window. Three that arrive tell of one
that did not (RFC 9260, section 7.2.4); where there are no three, only a timer does, after a second.
With 4, a queue of 35 kB at 20 Mbit/s came to that three times as often."""

_HEADERS = 12 + 16
"""Bytes of a packet with one DATA chunk but for its data (RFC 9260, sections 3.1 and 3.3.1)."""


class LargePackets(RTCSctpTransport):
    """A transport that finds out what its path takes, if the other side takes it, too."""

    def _begin(self) -> None:
        self._path_mtu = PathMtu()
        self._probe_timer = Timer(asyncio.get_running_loop(), self._probe)

    def _allow(self, size: int) -> None:
        """The other side takes packets of this many bytes."""
        if self._path_mtu.limit != size:
            self._path_mtu.limit = size
            self._probe()

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        if state is self.State.ESTABLISHED:
            self._probe()
        elif state is self.State.CLOSED:
            self._probe_timer.close()

    def _probe(self) -> None:
        established = self._association_state is self.State.ESTABLISHED
        if not established or self.transport.state != "connected":
            return
        probes, seconds = self._path_mtu.probe()
        for probe in probes:
            start_eagerly(self._send_probe(Bundle(*probe)))
        if seconds is not None:
            self._probe_timer.start(seconds)

    async def _send_probe(self, probe: Chunk) -> None:
        with unfragmented(self.transport.transport) as possible:
            if possible:
                await self._send_chunk(probe)

    async def _receive_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, HeartbeatAckChunk):
            self._path_mtu.acknowledge(chunk.params)
        else:
            await super()._receive_chunk(chunk)

    def _begin_anew(self) -> None:
        self._path_mtu.forget()
        self._probe()

    def _room(self) -> int:
        """Bytes of a message that a packet has room for."""
        return self._path_mtu.largest - _HEADERS

    def _fragment_length(self) -> int:
        """Bytes of a message in a packet at most."""
        return min(self._room(), max(USERDATA_MAX_LENGTH, self._cwnd // PACKETS_IN_WINDOW))

    async def _send(
        self,
        stream_id: int,
        pp_id: int,
        user_data: bytes,
        expiry: float | None = None,
        max_retransmits: int | None = None,
        ordered: bool = True,
    ) -> None:
        sequence = self._outbound_stream_seq.get(stream_id, 0) if ordered else 0
        for chunk in _fragments(user_data, self._fragment_length()):
            if not ordered:
                chunk.flags |= SCTP_DATA_UNORDERED
            chunk.tsn = self._local_tsn
            chunk.stream_id = stream_id
            chunk.stream_seq = sequence
            chunk.protocol = pp_id
            chunk._expiry = expiry
            chunk._max_retransmits = max_retransmits
            self._local_tsn = (self._local_tsn + 1) & 0xFFFFFFFF
            self._outbound_queue.append(chunk)
        if ordered:
            self._outbound_stream_seq[stream_id] = (sequence + 1) & 0xFFFF
        await self._transmit()


def _fragments(data: bytes, length: int) -> Iterator[DataChunk]:
    for start in range(0, len(data), length):
        chunk = DataChunk()
        chunk.user_data = data[start : start + length]
        if start == 0:
            chunk.flags |= SCTP_DATA_FIRST_FRAG
        if start + length >= len(data):
            chunk.flags |= SCTP_DATA_LAST_FRAG
        # What aiortc keeps with each.
        chunk._book_size = len(chunk.user_data)
        chunk._abandoned = chunk._acked = chunk._in_flight = chunk._retransmit = False
        chunk._misses = chunk._sent_count = 0
        chunk._sent_time = None
        yield chunk


class Bundle(Chunk):
    """Two chunks, of which the first needs no padding."""

    def __init__(self, first: Chunk, second: Chunk):
        super().__init__()
        self._data = bytes(first) + bytes(second)

    def __bytes__(self) -> bytes:
        return self._data

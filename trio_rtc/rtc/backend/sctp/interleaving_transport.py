"""Interleaving of messages of several streams (RFC 8260), where both sides can do it.

Fragments of a message have consecutive TSNs otherwise, and whatever else there is waits for the
last of them. What this needs of aiortc that is not public is listed in `ledger`.
"""

from __future__ import annotations

from typing import Any, Final

from aiortc.rtcsctptransport import SCTP_SUPPORTED_CHUNK_EXT, WEBRTC_BINARY

from .interleaved_stream import InterleavedStream, parse_i_data, parse_i_forward_tsn
from .machine.outbound import DATA, FORWARD_TSN, I_DATA, I_FORWARD_TSN
from .machine.serial import on_wire
from .receiving_transport import ReceivingTransport

KINDS: Final = bytes([I_DATA, I_FORWARD_TSN])


class InterleavingTransport(ReceivingTransport):
    """A transport that says that it can interleave, and does so with those who say so, too."""

    def _set_extensions(self, params: list[tuple[int, bytes]]) -> None:
        super()._set_extensions(params)
        params[:] = [
            (kind, value + KINDS if kind == SCTP_SUPPORTED_CHUNK_EXT else value)
            for kind, value in params
        ]

    def _begin_to_take(self) -> None:
        super()._begin_to_take()
        if I_DATA in self._remote_extensions:
            self._sender.interleave()
            self._takes = {
                I_DATA: self._receive_i_data,
                I_FORWARD_TSN: self._receive_i_forward_tsn,
            }

    async def _receive_wrong_kind(self, kind: int) -> None:
        if I_DATA in self._takes and kind in (DATA, FORWARD_TSN):
            # Of what both sides say that it will not come (section 2.2.1).
            await self._give_up("the other side interleaves some messages, and others not")

    def _interleaved_stream(self, stream_id: int) -> InterleavedStream:
        # aiortc only takes streams out, when they are reset.
        streams: dict[int, Any] = self._inbound_streams
        stream = streams.get(stream_id)
        if stream is None:
            stream = streams[stream_id] = InterleavedStream()
        assert isinstance(stream, InterleavedStream)
        return stream

    async def _receive_i_data(self, flags: int, body: bytes) -> bool:
        """Take an I-DATA chunk; return whether to tell of it at once."""
        received = self._received
        fragment = parse_i_data(flags, body)
        if received is None or fragment is None:
            return False
        stream_id, data = fragment.stream, fragment.data
        stream = self._interleaved_stream(stream_id)
        is_complete = stream.is_next(fragment)
        if not is_complete and not await self._has_room(fragment.tsn):
            return True
        if not received.add(fragment.tsn):
            return False
        self._last_received_tsn = on_wire(received.cumulative)
        if is_complete:
            stream.passed(fragment)
            await self._hand_over(stream_id, fragment.protocol, data)
        elif stream.add(fragment):
            self._advertised_rwnd -= len(data)
            for protocol, message in stream.complete(fragment):
                self._advertised_rwnd += len(message)
                await self._hand_over(stream_id, protocol, message)
        if self._reconfig_deferred is not None:
            await self._reset_deferred_streams()
        return False

    async def _hand_over(self, stream_id: int, protocol: int, message: bytes) -> None:
        if protocol != WEBRTC_BINARY or not self._take(stream_id, message):
            await self._receive(stream_id, protocol, message)

    async def _receive_i_forward_tsn(self, _flags: int, body: bytes) -> bool:
        """Pass over what the other side has given up (section 2.3.1)."""
        if not self._pass_over(body):
            return True
        for (stream_id, ordered), last in parse_i_forward_tsn(body).items():
            stream = self._interleaved_stream(stream_id)
            dropped, complete = stream.pass_over(last, ordered=ordered)
            self._advertised_rwnd += dropped
            for protocol, message in complete:
                self._advertised_rwnd += len(message)
                await self._hand_over(stream_id, protocol, message)
        await self._reset_deferred_streams()
        return True

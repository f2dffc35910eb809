"""The receiver of ours under aiortc's association: what comes is noted, joined, and acknowledged.

aiortc 1.16 sorts all that overtook something at each packet, and acknowledges each. What this needs
of it that is not public is listed in `ledger`.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from struct import Struct
from typing import Any, Final

from aiortc import RTCDataChannel
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    SCTP_DATA_UNORDERED,
    WEBRTC_BINARY,
    Chunk,
    CookieAckChunk,
    DataChunk,
    InboundStream,
    InitAckChunk,
    InitChunk,
)
from aiortc.utils import uint16_gt, uint32_gt

from ...bridge.eager import start_eagerly
from .machine.data_sender import COMMON_HEADER
from .machine.outbound import DATA, FORWARD_TSN, I_DATA, I_FORWARD_TSN
from .machine.received import SACK, SACK_SIZE, Received, SackPolicy, parse_sack
from .machine.serial import on_wire
from .path_mtu import BASE
from .receive_buffer import WINDOW, ReceiveBuffer
from .sctp_packet import read_chunk, unseal
from .sending_transport import SendingTransport
from .timer import Timer

logger = logging.getLogger("trio_rtc.rtc")

TOGETHER: Final = 4
"""Packets that are acknowledged together at most: the other side's window may grow by one for each
acknowledgement (RFC 9260, section 7.2.1)."""

TOGETHER_OF_OURS: Final = 16
"""The same where both sides are ours, whose window grows by bytes."""

PROMPT: Final = 256
"""Packets of strangers after a loss that are acknowledged as they come: where some are lost, their
window has room for a few, and each acknowledgement that waits holds them up (section 6.2)."""

_DATA: Final = Struct("!LHHL")
_STREAM: Final = Struct("!HH")
_MESSAGE_KINDS: Final = (DATA, FORWARD_TSN, I_DATA, I_FORWARD_TSN)
_IMMEDIATE: Final = 0x08
"""The sender wants to hear of this DATA chunk at once (section 3.3.1)."""

_WHOLE: Final = SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG


class ReceivingTransport(SendingTransport):
    """A transport that takes data, and tells of them, as ours do."""

    def _begin(self) -> None:
        super()._begin()
        self._advertised_rwnd = WINDOW
        self._receive_buffer = ReceiveBuffer()
        self._received: Received | None = None
        #: By the kinds of the chunks that carry messages, or tell of them; none before it is known
        #: whether those are interleaved. Each tells whether to acknowledge at once.
        self._takes: dict[int, Callable[[int, bytes], Awaitable[bool]]] = {}
        self._sack_policy = SackPolicy(TOGETHER)
        self._sack_timer = Timer(self._running_loop, self._sack_due)
        self._sacks_soon = False
        self._prompt = 0
        #: Of channels whose binary messages go to somebody directly.
        self._takers: dict[RTCDataChannel, Callable[[bytes], None]] = {}

    def _set_state(self, state: SendingTransport.State) -> None:
        super()._set_state(state)
        if state is self.State.CLOSED:
            self._sack_policy.acknowledged()
            self._sack_timer.close()

    async def _handle_data(self, data: bytes) -> None:
        try:
            tag, chunks = unseal(data)
        except ValueError as error:
            logger.debug("a packet of SCTP cannot be read: %s", error)
            return
        begins = any(kind == InitChunk.type for kind, _, _ in chunks)
        # An INIT comes alone, for it is not known yet who it is from (section 8.5.1, A).
        if tag != (0 if begins else self._local_verification_tag) or (begins and len(chunks) > 1):
            return
        has_data = at_once = False
        for kind, flags, body in chunks:
            take = self._takes.get(kind)
            if take is not None:
                if self._association_state is self.State.COOKIE_ECHOED:
                    # Data show that the COOKIE ACK before them was lost. Until it has come again
                    # nothing could be answered, and a channel would be closed without a word.
                    await self._receive_chunk(CookieAckChunk())
                has_data = True
                at_once = await take(flags, body) or bool(flags & _IMMEDIATE) or at_once
            elif kind == SACK:
                await self._receive_sack(body)
            elif kind in _MESSAGE_KINDS:
                await self._receive_wrong_kind(kind)
            else:
                await self._receive_other(kind, flags, body)
        if has_data and self._association_state is not self.State.CLOSED:
            await self._acknowledge_soon(len(data), at_once=at_once)

    async def _receive_wrong_kind(self, kind: int) -> None:
        """Pass over what carries messages in a way that was not agreed upon, or too early."""

    async def _receive_other(self, kind: int, flags: int, body: bytes) -> None:
        try:
            chunk = read_chunk(kind, flags, body)
            if chunk is not None:
                await self._receive_chunk(chunk)
        except (ValueError, struct.error) as error:
            logger.debug("a chunk of SCTP cannot be read: %s", error)

    async def _receive_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, InitChunk) and self._is_known(chunk):
            # One that was sent twice. What it would begin has begun (section 5.2.2).
            kept = self._last_received_tsn, self._reconfig_response_seq
            await super()._receive_chunk(chunk)
            self._last_received_tsn, self._reconfig_response_seq = kept
            return
        before = self._last_received_tsn
        await super()._receive_chunk(chunk)
        if isinstance(chunk, InitChunk | InitAckChunk) and (
            self._received is None or self._last_received_tsn != before
        ):
            assert self._last_received_tsn is not None
            self._received = Received(self._last_received_tsn)
            self._sender.set_peer_window(chunk.advertised_rwnd)
            if not self._takes:
                self._begin_to_take()

    def _begin_to_take(self) -> None:
        """It is known what the other side is capable of."""
        self._takes = {DATA: self._receive_data, FORWARD_TSN: self._receive_forward_tsn}

    def _is_known(self, chunk: InitChunk) -> bool:
        return self._received is not None and chunk.initiate_tag == self._remote_verification_tag

    # Data.

    def _get_inbound_stream(self, stream_id: int) -> InboundStream:
        stream = self._inbound_streams.get(stream_id)
        if stream is None:
            stream = self._inbound_streams[stream_id] = _InboundStream()
        return stream

    async def _receive_data(self, flags: int, body: bytes) -> bool:
        """Take a DATA chunk; return whether to tell of it at once."""
        received = self._received
        assert received is not None
        if len(body) < _DATA.size:
            return False
        tsn, stream_id, sequence, protocol = _DATA.unpack_from(body)
        data = body[_DATA.size :]
        stream = self._get_inbound_stream(stream_id)
        is_whole = flags & _WHOLE == _WHOLE and not stream.reassembly
        if is_whole and (flags & SCTP_DATA_UNORDERED or sequence == stream.sequence_number):
            if not received.add(tsn):
                return False
            self._last_received_tsn = on_wire(received.cumulative)
            if not flags & SCTP_DATA_UNORDERED:
                stream.sequence_number = (sequence + 1) & 0xFFFF
            if protocol != WEBRTC_BINARY or not self._take(stream_id, data):
                await self._receive(stream_id, protocol, data)
        else:
            if not await self._has_room(tsn):
                return True
            if not received.add(tsn):
                return False
            self._last_received_tsn = on_wire(received.cumulative)
            chunk = DataChunk(flags=flags)
            chunk.tsn, chunk.stream_id, chunk.stream_seq = tsn, stream_id, sequence
            chunk.protocol, chunk.user_data = protocol, data
            stream.add_chunk(chunk)
            self._advertised_rwnd -= len(data)
            await self._deliver(stream)
        if self._reconfig_deferred is not None:
            await self._reset_deferred_streams()
        return False

    def _take(self, stream_id: int, data: bytes) -> bool:
        """Hand a binary message over directly, if somebody has asked for that."""
        channel = self._data_channels.get(stream_id)
        if channel is None or (take := self._takers.get(channel)) is None:
            return False
        take(data)
        return True

    async def _deliver(self, stream: InboundStream) -> None:
        for message in stream.pop_messages():
            self._advertised_rwnd += len(message[2])
            await self._receive(*message)

    async def _has_room(self, tsn: int) -> bool:
        """Whether to keep a chunk; if there is too much for a message, the association ends."""
        assert self._received is not None
        streams: Any = self._inbound_streams.values()
        verdict = self._receive_buffer.judge(
            is_next=tsn == on_wire(self._received.cumulative + 1),
            advertised=self._advertised_rwnd,
            streams=streams,
        )
        if verdict == "abort":
            await self._give_up("the other side sends messages that never end: they are given up")
        return verdict == "take"

    def _pass_over(self, body: bytes) -> bool:
        """Count all up to the TSN of a chunk as arrived; return whether that is news."""
        received = self._received
        assert received is not None
        if len(body) < 4 or not received.pass_over(int.from_bytes(body[:4], "big")):
            return False
        self._last_received_tsn = on_wire(received.cumulative)
        return True

    async def _receive_forward_tsn(self, _flags: int, body: bytes) -> bool:
        """Pass over what the other side has given up (RFC 3758, section 3.6)."""
        if not self._pass_over(body):
            return True
        last = self._last_received_tsn
        assert last is not None
        for at in range(4, len(body) - 3, 4):
            stream_id, sequence = _STREAM.unpack_from(body, at)
            stream = self._get_inbound_stream(stream_id)
            following = (sequence + 1) & 0xFFFF
            # Never back: it may tell of a message again.
            if uint16_gt(following, stream.sequence_number):
                stream.sequence_number = following
            await self._deliver(stream)
        for stream in self._inbound_streams.values():
            self._advertised_rwnd += stream.prune_chunks(last)
        await self._reset_deferred_streams()
        return True

    # Acknowledgements.

    async def _receive_sack(self, body: bytes) -> None:
        sack = parse_sack(body)
        if sack is not None and self._association_state is self.State.ESTABLISHED:
            sender = self._sender
            sender.acknowledge(*sack, self._running_loop.time())
            if sender.has_more or self._reconfig_queue:
                await self._transmit()
            elif sender.is_idle:
                self._send_timer.cancel()
            else:
                self._set_send_timer()

    async def _acknowledge_soon(self, size: int, *, at_once: bool) -> None:
        received, policy = self._received, self._sack_policy
        assert received is not None
        self._prompt = PROMPT if received.has_gaps else max(0, self._prompt - 1)
        is_stranger = policy.most == TOGETHER
        at_once = at_once or received.has_news or (is_stranger and self._prompt > 0)
        now = self._running_loop.time()
        if policy.arrived(now, size=size, at_once=at_once):
            await self._send_sack()
        elif policy.due == now:
            # All that has come is looked at before that.
            if not self._sacks_soon:
                self._sacks_soon = True
                self._running_loop.call_soon(self._sack_due)
        elif policy.due is not None:
            self._sack_timer.start_at(policy.due)

    def _sack_due(self) -> None:
        self._sacks_soon = False
        if self._sack_policy.due is not None:
            start_eagerly(self._send_sack())

    def _take_sack(self) -> bytes:
        assert self._received is not None
        self._sack_policy.acknowledged()
        self._sack_timer.cancel()
        return self._received.sack(max(0, self._advertised_rwnd), BASE - COMMON_HEADER)

    async def _send_sack(self) -> None:
        with suppress(ConnectionError):
            await self._send_body(self._take_sack(), self._remote_verification_tag)

    def _with_sack(self, body: bytes) -> bytes:
        # What waits goes along with data that leave room for it (section 6.2, and 6.10).
        if self._sack_policy.due is None or self._received is None or self._received.has_gaps:
            return body
        if COMMON_HEADER + SACK_SIZE + len(body) > self._path_mtu.largest:
            return body
        return self._take_sack() + body


class _InboundStream(InboundStream):
    """It looks for whole messages when there may be one, and not at each fragment."""

    _cannot_complete = False

    def __len__(self) -> int:
        return len(self.reassembly)

    def add_chunk(self, chunk: DataChunk) -> None:
        is_last = not self.reassembly or uint32_gt(chunk.tsn, self.reassembly[-1].tsn)
        super().add_chunk(chunk)
        self._cannot_complete = is_last and not chunk.flags & SCTP_DATA_LAST_FRAG

    def pop_messages(self) -> Iterator[tuple[int, int, bytes]]:
        if self._cannot_complete:
            self._cannot_complete = False
            return iter(())
        return super().pop_messages()

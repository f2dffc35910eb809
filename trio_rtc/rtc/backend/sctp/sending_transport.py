"""The sender of ours under aiortc's association: its packets go out, and its timers come due.

aiortc 1.16 hands one message after the other to its own; ours holds those of all channels, which
take turns. What this needs of aiortc that is not public is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from typing import Final

from aiortc import RTCDataChannel
from aiortc.rtcsctptransport import (
    WEBRTC_BINARY,
    WEBRTC_BINARY_EMPTY,
    WEBRTC_DCEP,
    WEBRTC_STRING,
    WEBRTC_STRING_EMPTY,
    Chunk,
    InitChunk,
)

from ...bridge.eager import start_eagerly
from ..dtls.transport import send_together
from .large_packets import LargePackets
from .machine.bbr import Bbr
from .machine.cubic import Cubic
from .machine.data_sender import Sender
from .machine.outbound import PACKET_COST, UserMessage
from .machine.rtt import RTO_INITIAL
from .machine.serial import on_wire
from .path_mtu import BASE, BLACK_HOLE
from .retransmission import Retransmission
from .sctp_packet import seal
from .timer import Timer

WORTH_A_BURST: Final = 48 * 1024
"""Bytes that are sent at once though more follows: as many as go together in a system call."""

BURST: Final = 64
"""Packets that are handed to the transport below together."""

_OWNER: Final = attrgetter("owner")

RTO_FLOOR_OF_OURS: Final = 0.0
"""Towards peers of ours, whose acknowledgements wait for 20 ms at most."""


class SendingTransport(Retransmission):
    """A transport whose data go out by our sender."""

    def _begin(self) -> None:
        super()._begin()
        self._running_loop = asyncio.get_running_loop()
        control = Cubic if os.environ.get("TRIO_RTC_SCTP") == "cubic" else Bbr
        self._sender = Sender(
            self._local_tsn,
            control(BASE + PACKET_COST),
            peer_window=0,
            packet_size=BASE,
            sequences=self._outbound_stream_seq,
        )
        self._send_timer = Timer(self._running_loop, self._send_due)

    def _set_state(self, state: Retransmission.State) -> None:
        super()._set_state(state)
        # Of the timers that are aiortc's.
        self._rto = self._sender.trips.timeout
        if state is self.State.CLOSED:
            self._send_timer.close()
            self._sender.close()

    # What is to be sent.

    def _send_messages(
        self, channel: RTCDataChannel, messages: Iterable[bytes | str], *, more: bool
    ) -> None:
        """Send messages of an open channel. aiortc starts a task for each."""
        size = 0
        for message in messages:
            protocol, data = _on_wire(message)
            self._data_channel_queue.append((channel, protocol, data))
            size += len(data)
        channel._addBufferedAmount(size)
        if self._association_state is not self.State.ESTABLISHED:
            return
        sender = self._sender
        # Whatever holds it up, it ends with an acknowledgement, or when a timer is due.
        is_held_up = bool(sender.queue) and not sender.more_follows
        sender.more_follows = more
        self._queue_messages()
        if more and sender.in_flight and sender.queue.size < WORTH_A_BURST:
            return
        if not is_held_up:
            start_eagerly(self._transmit())

    def _send_rest(self) -> None:
        """No more follows that would fill a packet."""
        self._sender.more_follows = False
        if self._sender.queue and self._association_state is self.State.ESTABLISHED:
            start_eagerly(self._transmit())

    async def _data_channel_flush(self) -> None:
        if self._association_state is not self.State.ESTABLISHED:
            return
        self._queue_messages()
        await self._transmit()
        if self._reconfig_queue:
            await self._transmit_reconfig()

    def _queue_messages(self) -> None:
        """Hand over what waits in the channels."""
        now = self._running_loop.time()
        send = self._sender.send
        waiting = self._data_channel_queue
        of: RTCDataChannel | None = None
        while waiting:
            channel, protocol, data = waiting.popleft()
            if channel is not of:
                # Mostly all are of one, whose properties each take a call.
                of = channel
                if channel.id is None:
                    self._give_id(channel)
                stream, ordered = channel.id, channel.ordered
                life, retransmits = channel.maxPacketLifeTime, channel.maxRetransmits
                # It is sent once in any case.
                expires = None if life is None else now + max(life, 1) / 1000
            assert stream is not None
            if protocol == WEBRTC_DCEP:
                message = UserMessage(stream, protocol, data)
            else:
                message = UserMessage(
                    stream,
                    protocol,
                    data,
                    ordered=ordered,
                    expires=expires,
                    max_retransmits=retransmits,
                    owner=channel,
                )
            send(message, now)

    async def _send(
        self,
        stream_id: int,
        pp_id: int,
        user_data: bytes,
        expiry: float | None = None,
        max_retransmits: int | None = None,
        ordered: bool = True,
    ) -> None:
        self._sender.send(
            UserMessage(
                stream_id,
                pp_id,
                user_data,
                ordered=ordered,
                expires=expiry,
                max_retransmits=max_retransmits,
            ),
            self._running_loop.time(),
        )
        await self._transmit()

    def _give_id(self, channel: RTCDataChannel) -> None:
        """Give it a stream that is free, of those of our side (RFC 8832, section 6)."""
        stream = self._data_channel_id
        assert stream is not None
        while stream in self._data_channels:
            stream += 2
        self._data_channels[stream] = channel
        channel._setId(stream)

    async def _transmit_reconfig(self) -> None:
        # A stream is reset once all of it has a TSN, which the request is to name (RFC 6525,
        # section 5.1.2). Those that are not so far do not hold up the others.
        self._rto = self._sender.trips.timeout
        waiting = [stream for stream in self._reconfig_queue if self._sender.queue.holds(stream)]
        if waiting:
            self._reconfig_queue = [s for s in self._reconfig_queue if s not in waiting]
        await super()._transmit_reconfig()
        self._reconfig_queue += waiting

    # What is sent.

    async def _transmit(self) -> None:
        if self._association_state is not self.State.ESTABLISHED:
            return
        sender = self._sender
        sender.packet_size = self._path_mtu.largest
        now = self._running_loop.time()
        try:
            while (body := sender.next_packet(now)) is not None:
                bodies = [self._with_sack(body)]
                while len(bodies) < BURST and (body := sender.next_packet(now)) is not None:
                    bodies.append(body)
                self._local_tsn = on_wire(sender.next_tsn)
                await self._send_bodies(bodies, self._remote_verification_tag)
        except ConnectionError:
            # It is lost, and whoever owns the connection has heard of that.
            pass
        self._local_tsn = on_wire(sender.next_tsn)
        if sender.taken:
            taken, sender.taken = sender.taken, []
            for owner, messages in groupby(taken, _OWNER):
                if owner is not None:
                    owner._addBufferedAmount(-sum([len(message.data) for message in messages]))
            if self._reconfig_queue:
                await self._transmit_reconfig()
        self._set_send_timer()

    def _with_sack(self, body: bytes) -> bytes:
        """The same, with an acknowledgement if one waits and there is room."""
        return body

    def _set_send_timer(self) -> None:
        due = self._sender.deadline()
        if due is None:
            self._send_timer.cancel()
        else:
            self._send_timer.start_at(due)

    def _send_due(self) -> None:
        if self._association_state is not self.State.ESTABLISHED:
            return
        sender = self._sender
        before = sender.trips.timeouts
        sender.wake(self._running_loop.time())
        self._rto = sender.trips.timeout
        if sender.trips.timeouts > max(before, 1):
            # What is lost for so long may be too large.
            LargePackets._begin_anew(self)
            start_eagerly(self._look_for_black_hole())
        start_eagerly(self._transmit())

    async def _look_for_black_hole(self) -> None:
        """See whether small packets arrive, and large ones do not any more (RFC 8899, section 1.1).

        What has a TSN can be sent again as it is, or not at all.
        """
        mtu, sender = self._path_mtu, self._sender
        sender.packet_size = mtu.largest
        if sender.trips.timeouts == 2 or not sender.is_stuck:
            mtu.small_answered = 0
        if not sender.is_stuck:
            return
        if mtu.small_answered >= BLACK_HOLE:
            await self._give_up(
                "the path does not take packets any more that are as large as before"
            )
            return
        with suppress(ConnectionError):
            await self._send_chunk(mtu.ask_small())

    async def _give_up(self, reason: str) -> None:
        """Nothing more will arrive."""

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self._sender.begin_anew(self._running_loop.time())
        self._rto = RTO_INITIAL
        if self._association_state is self.State.ESTABLISHED:
            self._set_send_timer()

    async def _send_chunk(self, chunk: Chunk) -> None:
        # Also where it is sent again, and the other side's tag is known (section 8.5.1, A).
        tag = 0 if isinstance(chunk, InitChunk) else self._remote_verification_tag
        await self._send_body(bytes(chunk), tag)

    async def _send_body(self, body: bytes, tag: int) -> None:
        await self._send_bodies((body,), tag)

    async def _send_bodies(self, bodies: Sequence[bytes], tag: int) -> None:
        assert self._remote_port is not None
        source, destination = self._local_port, self._remote_port
        if len(bodies) == 1:
            await self.transport._send_data(seal(source, destination, tag, bodies[0]))
            return
        await send_together(
            self.transport, [seal(source, destination, tag, body) for body in bodies]
        )


def _on_wire(message: bytes | str) -> tuple[int, bytes]:
    """A message with its payload protocol (RFC 8831, section 6.6): none has no bytes at all."""
    if isinstance(message, str):
        return (WEBRTC_STRING, message.encode()) if message else (WEBRTC_STRING_EMPTY, b"\0")
    return (WEBRTC_BINARY, message) if message else (WEBRTC_BINARY_EMPTY, b"\0")

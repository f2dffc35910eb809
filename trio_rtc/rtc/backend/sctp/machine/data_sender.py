"""The sender of an association (RFC 9260, section 6): messages and SACKs in, packets out.

How much may be on its way is what a congestion control says, and the other side's window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .congestion import INITIAL_PACKETS, LOCAL_BUSY, Acknowledged, CongestionControl
from .delivery_rate import DeliveryRate
from .outbound import (
    ACKNOWLEDGED,
    DATA_HEADER,
    I_DATA_HEADER,
    PACKET_COST,
    OutboundChunk,
    UserMessage,
)
from .pacing import Pacer
from .partial_reliability import PartialReliability, is_over
from .recovery import Recovery
from .rtt import RoundTrips
from .send_queue import SendQueue, most_unsent
from .sent import SentChunks, absolute
from .serial import unwrap

COMMON_HEADER: Final = 12
"""Bytes of a packet before its chunks (section 3.1)."""

SMALLEST_FRAGMENT: Final = 1160
"""Bytes of a fragment that every path takes."""

PACKETS_IN_WINDOW: Final = 8
"""Packets that there is always room for in the window: where there are too few on their way, only
a timer tells of a loss. With 4, a queue of 35 kB at 20 Mbit/s came to that three times as often."""


class Sender:
    """One half of an association, from its first DATA chunk on.

    Args:
        tsn: of the first chunk.
        control: the congestion control.
        peer_window: bytes that the other side takes, as it has said so far.
        packet_size: bytes that a packet may have.
        sequences: see `SendQueue`; the caller may keep them.

    Attributes:
        packet_size: the same, as far as is known by now.
        more_follows: whether more is about to be queued: a packet that is not full waits for that
            while something is on its way.
        queue: what waits.
        trips: the round trips.
        taken: messages all of which has been sent or given up since this was cleared.
    """

    def __init__(
        self,
        tsn: int,
        control: CongestionControl,
        *,
        peer_window: int,
        packet_size: int,
        sequences: dict[int, int] | None = None,
    ):
        self.packet_size = packet_size
        self.more_follows = False
        self.queue = SendQueue({} if sequences is None else sequences)
        self.trips = RoundTrips()
        self.taken: list[UserMessage] = []
        self._sent = SentChunks(tsn)
        self._control = control
        self._peer_window = peer_window
        self._recovery = Recovery(self._sent, self.trips, control)
        self._delivery = DeliveryRate()
        self._pacer = Pacer()
        self._partial = PartialReliability(self._sent, self.queue)
        self._limited_order = -1
        self._header = DATA_HEADER.size
        self._departed_at = 0.0

    @property
    def next_tsn(self) -> int:
        """The first that has not been used."""
        return self._sent.next_tsn

    def has_sent_all(self, tsn: int) -> bool:
        """Whether all has been sent, and has arrived where a cumulative TSN is this."""
        last = self._sent.next_tsn - 1
        return not self.queue and unwrap(tsn, last) >= last

    @property
    def acknowledged_tsn(self) -> int:
        """The last before which all has arrived."""
        return self._sent.acknowledged

    @property
    def in_flight(self) -> int:
        """Bytes on their way."""
        return self._sent.in_flight

    @property
    def window(self) -> int:
        """Bytes that may be on their way."""
        return min(self._control.window, self._peer_window)

    @property
    def most_unsent(self) -> int:
        """Bytes that are to wait at most: one bandwidth-delay product, half the window."""
        return most_unsent(self.trips, self._control.window)

    @property
    def has_more(self) -> bool:
        """Whether there is something to send, once it may be."""
        return (
            bool(self.queue) or self._recovery.has_lost or self._partial.is_due or bool(self.taken)
        )

    @property
    def is_stuck(self) -> bool:
        """Whether what was lost is larger than what the path takes, as far as is known by now."""
        return self._recovery.is_stuck(self.packet_size - COMMON_HEADER)

    @property
    def is_idle(self) -> bool:
        """Whether all was acknowledged."""
        return not self.queue and not self._sent

    # Sending.

    def send(self, message: UserMessage, now: float) -> None:
        """Queue a message. It has at least a byte."""
        self.queue.put(message)

    def next_packet(self, now: float, reserved: int = 0) -> bytes | None:
        """The chunks of the next packet, if one may be sent now.

        Args:
            now: the time.
            reserved: bytes of the packet that are needed for something else.
        """
        recovery, queue = self._recovery, self.queue
        if self._partial.is_due:
            forward = self._partial.take(now)
            recovery.departed(now)
            return forward
        if now < self._pacer.next_at and not recovery.is_forced:
            return None
        has_lost = recovery.has_lost
        if not queue and not has_lost:
            recovery.is_forced = False
            self._limit()
            return None
        if self.more_follows and self._waits_for_more:
            return None
        room = self.packet_size - COMMON_HEADER - reserved
        chunks = self._repair(room, now) if has_lost else []
        if not chunks:
            chunks = self._fresh(room, now)
        recovery.is_forced = False
        if not chunks:
            # Something may have been given up meanwhile.
            return self.next_packet(now, reserved) if self._partial.is_due else None
        return self._depart(chunks, now)

    @property
    def _waits_for_more(self) -> bool:
        """Whether what there is to send goes along with what follows (Nagle's algorithm)."""
        recovery = self._recovery
        return (
            self.queue.size < self._fragment_size()
            and self._sent.in_flight > 0
            and not recovery.has_lost
            and not recovery.is_forced
        )

    def _may_send(self, size: int) -> bool:
        in_flight = self._sent.in_flight
        # The other side's window may have opened without our having heard: one packet asks for
        # that (section 6.1, A).
        if not in_flight or self._recovery.is_forced:
            return True
        if in_flight >= self._control.window:
            self._limited_order = self._recovery.losses.order
            return False
        return in_flight + size <= self._peer_window

    def _repair(self, room: int, now: float) -> list[OutboundChunk]:
        """What was lost, by TSN, as much as a packet takes."""
        chunks: list[OutboundChunk] = []
        while (chunk := self._recovery.peek()) is not None:
            if is_over(chunk.message, chunk.transmissions, now):
                self._recovery.pop()
                self._abandon(chunk.message)
                continue
            size = len(chunk.wire)
            if (chunks and size > room) or not self._may_send(size):
                break
            self._recovery.pop()
            chunks.append(chunk)
            room -= size
        return chunks

    def _fresh(self, room: int, now: float) -> list[OutboundChunk]:
        """What was not sent before, as much as a packet takes."""
        chunks: list[OutboundChunk] = []
        queue, header = self.queue, self._header
        room = most = min(room, self._fragment_size() + header)
        while queue:
            message = queue.peek()
            if message.expires is not None and message.expires <= now:
                self._expire(message)
                continue
            left = len(message.data) - message.position
            length = min(left, room - header)
            is_split = length < left
            if (chunks and is_split and 2 * room < most) or not self._may_send(length):
                # A message in one piece is worth more than a packet that is full.
                break
            if not message.position:
                queue.begin(message)
            chunk = OutboundChunk(
                self._sent.next_tsn, message, length, interleaved=queue.interleaves
            )
            queue.taken(message, length)
            if chunk.is_last:
                self.taken.append(message)
            self._sent.add(chunk)
            chunks.append(chunk)
            room -= len(chunk.wire)
            if room <= header:
                break
        if not chunks and not queue:
            self._limit()
        return chunks

    def _limit(self) -> None:
        """There is nothing new to send."""
        if self._sent.in_flight < self._control.window:
            self._delivery.limit(self._sent.in_flight)

    def _fragment_size(self) -> int:
        """Bytes of data in a packet at most."""
        fits = self.packet_size - COMMON_HEADER - self._header
        share = self._control.window // PACKETS_IN_WINDOW
        if share >= fits:
            return fits
        return min(fits, max(SMALLEST_FRAGMENT, share))

    def _expire(self, message: UserMessage) -> None:
        """Give up the message whose turn it is."""
        if message.position:
            self._abandon(message)
        else:
            self.queue.drop(message)
            message.is_abandoned = True
            self.taken.append(message)

    def _abandon(self, message: UserMessage) -> None:
        if message.position < len(message.data):
            self.taken.append(message)
        self._partial.abandon(message)
        self._partial.advance()

    def _depart(self, chunks: list[OutboundChunk], now: float) -> bytes:
        """These leave in a packet; return their bytes."""
        if not self._sent.in_flight:
            if now > self._departed_at + self.trips.timeout:
                self._control.idle(now)
            self._delivery.begin(now)
            self._pacer.allow(INITIAL_PACKETS * (self._fragment_size() + PACKET_COST))
        self._departed_at = now
        snapshot = self._delivery.snapshot()
        body = chunks[0].wire if len(chunks) == 1 else b"".join([chunk.wire for chunk in chunks])
        cost = PACKET_COST
        depart, sent = self._sent.depart, self._recovery.losses.sent
        for chunk in chunks:
            chunk.snapshot = snapshot
            chunk.size = len(chunk.wire) + cost
            cost = 0
            depart(chunk)
            sent(chunk, now)
        self._pacer.sent(len(body) + PACKET_COST, self._control.rate, now)
        self._recovery.departed(now)
        return body

    # The time.

    def deadline(self) -> float | None:
        """When `wake` is to be called, and `next_packet` after it."""
        due = self._recovery.deadline()
        paced = self._pacer.next_at
        if (due is None or paced < due) and (self.queue or self._recovery.has_lost):
            if self.more_follows and self._waits_for_more:
                return due
            in_flight = self._sent.in_flight
            if not in_flight or in_flight < self.window:
                return paced if due is None else min(paced, due)
        return due

    def wake(self, now: float) -> None:
        """Do what the time has come for."""
        timed_out = self._recovery.wake(
            now,
            has_new=bool(self.queue) and self._sent.in_flight < self._peer_window,
            open_window=self._peer_window >= self.packet_size,
        )
        if timed_out:
            self._partial.remind(now, 0.0)

    # What comes back.

    def acknowledge(
        self,
        tsn: int,
        window: int,
        blocks: Sequence[tuple[int, int]],
        duplicates: Sequence[int],
        now: float,
    ) -> None:
        """Take a SACK chunk (section 3.3.4): its four fields, as they came, and the time.

        What cannot be true is passed over: TSNs that were never sent, blocks out of order.
        """
        sent, recovery = self._sent, self._recovery
        cumulative = unwrap(tsn, sent.acknowledged)
        last = sent.next_tsn - 1
        if cumulative < sent.acknowledged or cumulative > last:
            return
        self._peer_window = window
        advanced = cumulative > sent.acknowledged
        new = sent.acknowledge(cumulative, absolute(blocks, cumulative, last) if blocks else [])
        head = sent.get(cumulative + 1) if advanced else None
        if head is not None and head.state == ACKNOWLEDGED:
            # It had told of this, and does not any more.
            recovery.lose(sent.renege())
        for bits in duplicates:
            recovery.duplicated(unwrap(bits, cumulative))
        trip, newest = recovery.acknowledged(new, now) if new else (None, None)
        recovery.find(now)
        if newest is not None:
            self._tell_control(new, newest, trip, now)
        self._partial.advance()
        usual = self.trips.smoothed
        self._partial.remind(now, usual if usual is not None else self.trips.timeout)
        recovery.settle(now, progressed=bool(new) or advanced)

    def _tell_control(
        self, new: list[OutboundChunk], newest: OutboundChunk, trip: float | None, now: float
    ) -> None:
        size = new[0].size if len(new) == 1 else sum([chunk.size for chunk in new])
        shortest, smoothed = self.trips.shortest, self.trips.smoothed
        rate = self._delivery.add(size, newest, now, shortest)
        if smoothed is not None and smoothed < LOCAL_BUSY / 2 and not self._control.needs_samples:
            self._recovery.lost_size = 0
            return
        if smoothed is None:
            smoothed = shortest = max(now - newest.sent_at, 0.001)
        then = newest.snapshot
        lost, self._recovery.lost_size = self._recovery.lost_size, 0
        self._control.acknowledged(
            Acknowledged(
                now=now,
                size=size,
                delivered=self._delivery.size,
                sent_with=then.delivered,
                rate=rate,
                app_limited=then.app_limited,
                trip=trip,
                shortest=shortest,
                smoothed=max(smoothed, 0.000_1),
                variation=self.trips.variation,
                in_flight=self._sent.in_flight,
                window_limited=newest.order <= self._limited_order,
                lost=lost,
                largest_packet=self._fragment_size() + self._header + PACKET_COST,
            )
        )

    def set_peer_window(self, window: int) -> None:
        """What the other side takes, by its INIT."""
        self._peer_window = window

    def interleave(self) -> None:
        """Both sides can (RFC 8260, section 2.2.1). Nothing has been sent."""
        self.queue.interleaves = True
        self._header = I_DATA_HEADER.size

    def close(self) -> None:
        """Nothing more will be sent."""
        self.queue.clear()

    def begin_anew(self, now: float) -> None:
        """The path is another from now on: nothing that was measured holds."""
        self.trips.forget()
        self._control.forget()
        self._recovery.begin_anew(now)

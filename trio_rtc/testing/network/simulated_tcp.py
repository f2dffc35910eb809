"""TCP of simulated hosts (RFC 9293), with what of it shows: setting up, order, loss, ends, silence.

Bytes arrive once and in order, later where packets are lost; a peer that reads nothing stops who
writes; a path that is dead is noticed by what is sent, or by keep-alives. There is no congestion
control: what is on its way at a time is bounded by a window of 64 KiB.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import trio

from ...world import Address
from .due_events import DueEvents, Event
from .packets import TcpSegment

MSS: Final = 1400
"""Bytes of a segment."""

WINDOW: Final = 64 * 1024
"""Bytes that are on their way at most, and that wait to be read at most."""

FIRST_RTO: Final = 1.0
SHORTEST_RTO, LONGEST_RTO = 0.2, 120.0
"""Seconds (RFC 6298; as Linux has it)."""

OPEN_SECONDS: Final = 127.0
GIVE_UP_SECONDS: Final = 924.0
"""How long Linux tries to open a connection, and to send on one."""

CLOSED_SECONDS: Final = 60.0
"""How long what was written may take to arrive after it was closed."""


class Carrier(Protocol):
    """What carries segments."""

    def carry(self, source: Address, to: Address, segment: TcpSegment) -> None: ...


class TcpConnection:
    """One end of a connection.

    Args:
        local: its own address.
        remote: that of the other end.
        on_change: is called when there is more to read, or room to write, or it has ended.
        on_gone: is called when nothing more can come.

    Attributes:
        received: what can be read.
        is_open: whether it is set up.
        has_ended: whether the other end writes nothing more.
        error: what has broken it.
        is_gone: whether nothing more can come or go.
        keep_alive: seconds of silence, seconds between probes, and how many probes remain
            unanswered; None: it does not ask.
    """

    def __init__(
        self,
        events: DueEvents,
        carrier: Carrier,
        local: Address,
        remote: Address,
        on_gone: Callable[[], None],
    ):
        self.local = local
        self.remote = remote
        self.received = bytearray()
        self.is_open = False
        self.has_ended = False
        self.error: OSError | None = None
        self.keep_alive: tuple[float, float, int] | None = None
        self.on_change: Callable[[], None] = lambda: None
        self._events = events
        self._carrier = carrier
        self._on_gone = on_gone
        self.is_gone = False
        self._is_closed = False
        self._unsent = bytearray()
        self._is_finished = False
        self._has_sent_end = False
        self._next = 0
        self._flying: deque[TcpSegment] = deque()
        self._peer_window = WINDOW
        self._expected = 0
        self._early: dict[int, TcpSegment] = {}
        self._told_window = WINDOW
        self._rto = FIRST_RTO
        self._tries = 0
        self._trip: float | None = None
        self._timed: tuple[int, float] | None = None
        self._repeated = 0
        self._progress = self._heard = trio.current_time()
        self._timer: Event | None = None
        self._probe: Event | None = None
        self._probes = 0

    # What its owner does.

    def open(self) -> None:
        """Ask the other end for a connection."""
        self._launch("S")

    def accept(self, segment: TcpSegment) -> None:
        """Take what the other end has asked for."""
        self._expected = segment.sequence + 1
        self.is_open = True
        self._launch("SA")

    @property
    def room(self) -> int:
        """Bytes that can be written now."""
        return max(0, WINDOW - len(self._unsent))

    def write(self, data: bytes) -> None:
        """Send bytes after those before them."""
        self._unsent += data
        self._push()

    def read(self, count: int) -> bytes:
        """Up to so many bytes of what has come."""
        data = bytes(self.received[:count])
        del self.received[:count]
        if self._told_window < MSS <= WINDOW - len(self.received):
            self._acknowledge()
        return data

    def finish(self) -> None:
        """Write nothing more."""
        self._is_finished = True
        self._push()

    def close(self) -> None:
        """Neither read nor write any more; what was written arrives."""
        if self._is_closed or self.is_gone:
            return
        self._is_closed = True
        if self.received or not self.is_open:
            self.abort()
        else:
            self.finish()
            self._events.after(CLOSED_SECONDS, self._leave)

    def abort(self) -> None:
        """Be done with it at once."""
        if not self.is_gone:
            if self.is_open:
                self._send(TcpSegment("RA", self._next, self._expected))
            self._leave()

    def vanish(self) -> None:
        """Be gone without a word, as when the host has crashed."""
        self._leave()

    # What comes from the network.

    def receive(self, segment: TcpSegment) -> None:
        self._heard = trio.current_time()
        self._probes = 0
        if "R" in segment.flags:
            refused = errno.ECONNRESET if self.is_open else errno.ECONNREFUSED
            self._fail(refused)
            return
        if "S" in segment.flags and "A" in segment.flags and not self.is_open:
            self._expected = segment.sequence + 1
            self.is_open = True
            self._watch()
        if "A" in segment.flags:
            self._take_acknowledgement(segment)
        if segment.data or "F" in segment.flags or "S" in segment.flags:
            self._take_data(segment)
        elif segment.sequence < self._expected:
            # A probe: it asks whether somebody is here, and has room.
            self._acknowledge()
        if not self.is_gone:
            self._push()
            self._see_end()
        self.on_change()

    def _take_acknowledgement(self, segment: TcpSegment) -> None:
        self._peer_window = segment.window
        before = self._flying[0].sequence if self._flying else self._next
        if segment.acknowledged <= before:
            is_repeated = self._flying and not segment.data and not set(segment.flags) & set("SF")
            self._repeated += bool(is_repeated)
            if self._repeated == 3:
                self._send(self._flying[0])
            return
        self._repeated = 0
        self._progress = trio.current_time()
        while self._flying and _after(self._flying[0]) <= segment.acknowledged:
            self._flying.popleft()
        if self._timed is not None and segment.acknowledged >= self._timed[0]:
            self._measure(trio.current_time() - self._timed[1])
            self._timed = None
        if self._tries and self._flying:
            # What was lost together is sent again together.
            self._send(self._flying[0])
        self._tries = 0
        self._set_timer()

    def _take_data(self, segment: TcpSegment) -> None:
        if segment.sequence >= self._expected and len(self.received) < WINDOW:
            self._early.setdefault(segment.sequence, segment)
        while (following := self._early.pop(self._expected, None)) is not None:
            self._expected = _after(following)
            if not self._is_closed:
                self.received += following.data
            self.has_ended = self.has_ended or "F" in following.flags
        self._acknowledge()

    # Sending.

    def _launch(self, flags: str, data: bytes = b"") -> None:
        segment = TcpSegment(flags, self._next, self._expected, data=data)
        if not self._flying:
            self._progress = trio.current_time()
        self._flying.append(segment)
        self._next = _after(segment)
        if self._timed is None:
            self._timed = (self._next, trio.current_time())
        self._send(segment)
        self._set_timer()

    def _push(self) -> None:
        if not self.is_open or self.is_gone:
            return
        while self._unsent:
            flying = self._next - self._flying[0].sequence if self._flying else 0
            room = min(self._peer_window, WINDOW) - flying
            if room <= 0:
                break
            data = bytes(self._unsent[: min(MSS, room)])
            del self._unsent[: len(data)]
            self._launch("A", data)
        if self._is_finished and not self._unsent and not self._has_sent_end:
            self._has_sent_end = True
            self._launch("FA")
        self._set_timer()

    def _acknowledge(self) -> None:
        self._send(TcpSegment("A", self._next, self._expected))

    def _send(self, segment: TcpSegment) -> None:
        self._told_window = max(0, WINDOW - len(self.received))
        acknowledged = self._expected if "A" in segment.flags else 0
        self._carrier.carry(
            self.local,
            self.remote,
            TcpSegment(
                segment.flags, segment.sequence, acknowledged, self._told_window, segment.data
            ),
        )

    def _measure(self, trip: float) -> None:
        self._trip = trip if self._trip is None else 0.875 * self._trip + 0.125 * trip
        self._rto = min(max(2 * self._trip, SHORTEST_RTO), LONGEST_RTO)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (self._flying or self._unsent) and not self.is_gone:
            wait = min(self._rto * 2**self._tries, LONGEST_RTO)
            self._timer = self._events.after(wait, self._expire)

    def _expire(self) -> None:
        limit = GIVE_UP_SECONDS if self.is_open else OPEN_SECONDS
        if trio.current_time() - self._progress >= limit:
            self._fail(errno.ETIMEDOUT)
            return
        self._tries += 1
        self._timed = None
        if self._flying:
            self._send(self._flying[0])
        else:
            self._send(TcpSegment("A", self._next - 1, self._expected))
            self._progress = trio.current_time()
        self._set_timer()

    # Ends, and silence.

    def _see_end(self) -> None:
        if self.has_ended and self._has_sent_end and not self._flying:
            self._leave()

    def _watch(self) -> None:
        """Look whether the other end is still there, if that is wanted."""
        if self.keep_alive is not None and not self.is_gone:
            idle, step, _ = self.keep_alive
            due = self._heard + idle if not self._probes else trio.current_time() + step
            self._probe = self._events.at(due, self._ask)

    def set_keep_alive(self, idle: float, step: float, count: int) -> None:
        """Ask after so many seconds of silence, in such steps, and so often."""
        begins = self.keep_alive is None
        self.keep_alive = (idle, step, count)
        if begins and self.is_open:
            self._watch()

    def _ask(self) -> None:
        if self.keep_alive is None or self.is_gone:
            return
        idle, _, count = self.keep_alive
        if not self._probes and trio.current_time() < self._heard + idle:
            self._watch()
        elif self._probes >= count:
            self._fail(errno.ETIMEDOUT)
        else:
            self._probes += 1
            self._send(TcpSegment("A", self._next - 1, self._expected))
            self._watch()

    def _fail(self, number: int) -> None:
        if not self.is_gone:
            self.error = OSError(number, os.strerror(number))
            self._leave()
            self.on_change()

    def _leave(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self._flying.clear()
            self._unsent.clear()
            for event in (self._timer, self._probe):
                if event is not None:
                    event.cancel()
            self._on_gone()


def _after(segment: TcpSegment) -> int:
    return segment.sequence + len(segment.data) + ("S" in segment.flags) + ("F" in segment.flags)

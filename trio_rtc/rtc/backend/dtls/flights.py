"""Flights of a DTLS handshake, sent again when they seem lost (RFC 6347, section 4.2.4).

A flight is what one side sends before it waits for the other. OpenSSL has a timer of its own for
it, which reads the machine's clock and begins at a second; here the timer follows the round trip
that ICE has measured, in whatever time the connection lives. No I/O.

What is sent again is the same to the byte. Whoever has lost the flight knows no difference; whoever
has lost only its own answer takes it for a replay, and is to send that answer again itself.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

SHORTEST, LONGEST = 0.1, 60.0
"""Seconds that the timer has at least, for the other side has to compute; and at most."""

UNKNOWN: Final = 0.4
"""The first timer, in seconds, if nothing is known of the round trip."""

AGAIN_AFTER: Final = 0.05
"""Seconds after which the last flight of all is sent once more to somebody who asks for it."""

_CHANGE_CIPHER_SPEC, _HANDSHAKE = 20, 22
_RECORD_HEADER: Final = 13


class Flights:
    """The flights that one side sends.

    Args:
        round_trip: seconds to the other side and back; None if nobody knows.
    """

    def __init__(self, round_trip: float | None):
        wanted = UNKNOWN if round_trip is None else 2 * round_trip
        self._first = max(wanted, SHORTEST)
        self._wait = self._first
        self._due = math.inf
        self._flight: list[bytes] = []
        self._pending: deque[bytes] = deque()
        self._has_received = True
        self._is_over = False
        self._sent_at = -math.inf

    @property
    def due(self) -> float:
        """When the flight is to be sent again, in seconds of the clock of `sent`."""
        return -math.inf if self._pending else self._due

    def sent(self, data: bytes, now: float) -> None:
        """A datagram of the handshake is sent, for the first time or made anew."""
        self._pending.clear()
        if self._has_received:
            self._has_received = False
            if not is_repeated(data, self._flight):
                self._wait = self._first
            self._flight.clear()
        self._flight.append(data)
        self._sent_at = now
        if not self._is_over:
            self._due = now + self._wait

    def repeats(self, data: bytes) -> bool:
        """Whether this is the flight that has been sent last, or a part of it."""
        return is_repeated(data, self._flight)

    def received(self, data: bytes, now: float) -> None:
        """A datagram has come from the other side.

        One of the handshake after its end says that our last flight has not arrived.
        """
        if not self._is_over:
            self._has_received = True
        elif data[:1] in (b"\x14", b"\x16") and self._flight and now >= self._sent_at + AGAIN_AFTER:
            self._sent_at = now
            self._pending = deque(self._flight)

    def expired(self, now: float) -> None:
        """The flight is due: `take` gives it."""
        if not self._pending:
            self._pending = deque(self._flight)
            self._wait = min(self._wait * 2, LONGEST)
            self._due = now + self._wait

    def take(self) -> bytes:
        """The next datagram that is sent again; empty if there is none."""
        return self._pending.popleft() if self._pending else b""

    def finish(self, *, answered: bool) -> None:
        """The handshake is over.

        Args:
            answered: whether the other side has had our last flight, as it has if it has sent the
                last one.
        """
        self._is_over = True
        self._due = math.inf
        self._pending.clear()
        if answered:
            self._flight.clear()


def is_repeated(data: bytes, flight: list[bytes]) -> bool:
    """Whether a datagram has nothing but messages that are in a flight already."""
    known = {mark for datagram in flight for mark in _marks(datagram)}
    marks = _marks(data)
    return bool(marks) and known.issuperset(marks)


def _marks(data: bytes) -> list[tuple[int, int]]:
    """What tells the records of a datagram from others: type, and number of the message."""
    marks, place = [], 0
    while place + _RECORD_HEADER <= len(data):
        kind, epoch = data[place], int.from_bytes(data[place + 3 : place + 5])
        length = int.from_bytes(data[place + 11 : place + 13])
        if kind == _CHANGE_CIPHER_SPEC:
            marks.append((kind, 0))
        elif kind == _HANDSHAKE and not epoch:
            message = place + _RECORD_HEADER
            marks.append((kind, int.from_bytes(data[message + 4 : message + 6])))
        place += _RECORD_HEADER + length
    return marks

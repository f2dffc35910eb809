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
from collections.abc import Iterator
from typing import Final, TypeAlias

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

    def unsent(self, data: bytes) -> bytes:
        """What there is in this but the flight that has been sent last, or parts of it."""
        if is_repeated(data, self._flight):
            return b""
        known = _ends(self._flight)
        return b"".join(
            record
            for mark, end, record in _records(data)
            if mark is None or known.get(mark, -1) < end
        )

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
    known = _ends(flight)
    ends = [(mark, end) for mark, end, _ in _records(data) if mark is not None]
    return bool(ends) and all(known.get(mark, -1) >= end for mark, end in ends)


_Mark: TypeAlias = tuple[int, int]


def _ends(flight: list[bytes]) -> dict[_Mark, int]:
    """How much of each message is in a flight, which has its parts in order."""
    found = [(mark, end) for one in flight for mark, end, _ in _records(one) if mark is not None]
    return dict(sorted(found))


def _records(data: bytes) -> Iterator[tuple[_Mark | None, int, bytes]]:
    """The records of a datagram.

    Each comes with what tells its message from others, if that can be seen: its type, and the
    number of the message. And with the place in the message where it ends, for a message may be in
    several, and in others when it is sent again.
    """
    place = 0
    while place + _RECORD_HEADER <= len(data):
        kind, epoch = data[place], int.from_bytes(data[place + 3 : place + 5])
        after = place + _RECORD_HEADER + int.from_bytes(data[place + 11 : place + 13])
        mark, end = None, 0
        if kind == _CHANGE_CIPHER_SPEC:
            mark = kind, 0
        elif kind == _HANDSHAKE and not epoch:
            message = data[place + _RECORD_HEADER : after]
            mark = kind, int.from_bytes(message[4:6])
            end = int.from_bytes(message[6:9]) + int.from_bytes(message[9:12])
        yield mark, end, data[place:after]
        place = after

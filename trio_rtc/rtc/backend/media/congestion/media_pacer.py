"""Media pacer: when packets may go, so that a picture does not fill a queue at once.

A picture is made whole, and a keyframe is several times as large as others; sent as fast as the
machine can, it is lost where a queue is small (draft-ietf-rmcat-gcc-02, section 4). A pure machine.
"""

from __future__ import annotations

from collections import deque
from typing import Final

FACTOR: Final = 1.25
"""Times the estimate: a picture has nearly the time until the next. With more, its packets wait in
the queue of the bottleneck instead, and look as if that were about to overflow."""

LONGEST_WAIT: Final = 0.3
"""Seconds in which all that waits is to have gone, at whatever rate that takes: an encoder may make
more than it was told."""

BURST: Final = 0.005
"""Seconds that packets may go before their time, rather than be waited for one by one."""


class MediaPacer:
    """Packets that wait for their time, in their order.

    Args:
        rate: what the path carries, in bits a second.
    """

    def __init__(self, rate: float):
        self._rate = rate
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._free_at = 0.0

    def follow(self, rate: float) -> None:
        """Have the path carry so much from now on."""
        self._rate = rate

    def add(self, packet: bytes, now: float) -> None:
        """Have one wait."""
        if not self._queue:
            self._free_at = max(self._free_at, now)
        self._queue.append(packet)
        self._bytes += len(packet)

    def take(self, now: float) -> bytes | None:
        """The next one, if its time has come."""
        if not self._queue or self._free_at - now > BURST:
            return None
        packet = self._queue.popleft()
        # Who comes late for one, as a process that was held up does, does not have those behind it
        # wait the longer: a busy machine is no full path.
        self._free_at += self._seconds(len(packet))
        self._bytes -= len(packet)
        return packet

    def wait(self, now: float) -> float | None:
        """Seconds until the next one; None if there is none."""
        return max(self._free_at - now, 0.0) if self._queue else None

    def backlog(self, now: float) -> float:
        """Seconds until all have gone."""
        return max(self._free_at + self._seconds(self._bytes) - now, 0.0)

    def clear(self) -> None:
        """Forget those that wait."""
        self._queue.clear()
        self._bytes = 0

    def _seconds(self, size: int) -> float:
        return size * 8 / max(self._rate * FACTOR, self._bytes * 8 / LONGEST_WAIT)

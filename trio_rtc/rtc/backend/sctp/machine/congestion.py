"""Congestion control (RFC 9260, section 7), chosen per association: what it hears, and says."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

INITIAL_PACKETS: Final = 10
"""The window at first, in packets (RFC 6928)."""

LOCAL_SECONDS: Final = 0.002
"""A shortest trip below this is within one machine, or one room: nothing is paced there."""

LOCAL_BUSY: Final = 0.05
"""A usual trip above this is not, however short the shortest was."""

LOCAL_WINDOW: Final = 128 * 1024
"""Bytes that may be on their way there in any case: a receive buffer of usual size takes them."""


class Acknowledged(NamedTuple):
    """What an acknowledgement has told.

    Attributes:
        now: when it came.
        size: what is acknowledged with it.
        delivered: all that was, so far.
        sent_with: what had been delivered when the newest of it was sent.
        rate: bytes a second at which it was delivered; 0 if that cannot be told.
        app_limited: whether there was not enough to send to tell what the path takes.
        trip: seconds, of the newest that was sent once.
        shortest: the shortest trip, lately.
        smoothed: the usual trip.
        variation: by how much trips differ from that.
        in_flight: what is still on its way.
        window_limited: whether the window held anything up when it was sent.
        lost: what is found lost with it.
        largest_packet: bytes.
    """

    now: float
    size: int
    delivered: int
    sent_with: int
    rate: float
    app_limited: bool
    trip: float | None
    shortest: float
    smoothed: float
    variation: float
    in_flight: int
    window_limited: bool
    lost: int
    largest_packet: int


class CongestionControl(Protocol):
    """How much may be on its way, and how fast it is sent.

    Attributes:
        window: bytes that may be on their way.
        rate: bytes a second; None to send as the window allows.
        needs_samples: whether it has to hear of all that arrives; if not, it hears of that where
            trips are long.
    """

    window: int
    rate: float | None
    needs_samples: bool

    def acknowledged(self, ack: Acknowledged) -> None:
        """Something has arrived."""

    def lost(self, now: float, in_flight: int) -> None:
        """Something that was sent since the last call of this is lost."""

    def timed_out(self, now: float) -> None:
        """Nothing came back for as long as a timeout."""

    def undo(self) -> None:
        """What was taken for lost last was not."""

    def idle(self, now: float) -> None:
        """Nothing is on its way, and something is about to be sent."""

    def forget(self) -> None:
        """The path is another from now on."""

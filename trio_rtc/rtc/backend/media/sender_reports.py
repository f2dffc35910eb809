"""Sender reports that say when media were made (RFC 3550, section 6.4.1).

aiortc 1.16 pairs the timestamp of a packet with the time at which it was sent. For a picture that
is after it was encoded, which takes many times as long as for sound: receivers, who lay tracks
side by side by these pairs, would have pictures late by as much.
"""

from __future__ import annotations

from typing import Any

from aiortc import RTCRtpSender

from ..patches import can
from .retransmissions import LimitedSender


def report_origin(sender: RTCRtpSender) -> None:
    """Have the reports of a sender tell when the frames were taken from their source."""
    if can("sender_reports"):
        sender.__class__ = TimedSender


class TimedSender(LimitedSender):
    """A sender of an `Outgoing`, or of any track as aiortc has it."""

    def _send_keyframe(self) -> None:
        super()._send_keyframe()
        # There may be no encoder here that could make one.
        ask = getattr(self.track, "ask_key", None)
        if ask is not None and can("keyframes"):
            ask()

    @property
    def _RTCRtpSender__ntp_timestamp(self) -> int:  # noqa: N802
        time: int = vars(self)["_RTCRtpSender__ntp_timestamp"]
        return time

    @_RTCRtpSender__ntp_timestamp.setter
    def _RTCRtpSender__ntp_timestamp(self, now: int) -> None:  # noqa: N802
        private: Any = self
        # What is sent is what was taken last: aiortc encodes one frame after the other.
        taken = getattr(private.track, "taken", 0)
        vars(self)["_RTCRtpSender__ntp_timestamp"] = taken or now

"""Limits to the pictures of the other side, which are kept to before a picture is decoded.

A decoder makes room for a picture as soon as it reads how large it is: twelve bytes are enough for
400 MB. Pictures over the limit are left out, and so are those after them that build on them.
What this needs of aiortc 1.16 that is not public is listed in `ledger`.
"""

from __future__ import annotations

import logging
from typing import Any, Final
from weakref import WeakKeyDictionary

from aiortc import RTCRtpReceiver

from ....patches import can
from .frame_size import BadPicture, coded_size

logger = logging.getLogger("trio_rtc.rtc")

LARGEST_AT_ONCE: Final = 4
"""Pictures of the largest size that all tracks of a connection may have together."""

MAX_UNDECODED: Final = 128
"""Pictures that wait for a decoder which lags: four seconds of video."""


ASK_EVERY: Final = 30
"""Pictures that are left out until the other side is asked again for one that stands by itself."""


class PictureLimit:
    """The limit of a connection: for each of its tracks, and for all of them together.

    Args:
        max_frame_pixels: width times height of one picture.
    """

    def __init__(self, max_frame_pixels: int):
        self.max_frame_pixels = max_frame_pixels
        #: Receivers come and go in a call, with each track.
        self._gates: WeakKeyDictionary[RTCRtpReceiver, PictureGate] = WeakKeyDictionary()

    def gate(self, receiver: RTCRtpReceiver) -> PictureGate:
        """What is to be asked for each picture of a receiver before it is decoded."""
        if receiver not in self._gates:
            self._gates[receiver] = PictureGate(self)
        return self._gates[receiver]

    def watch(self, receiver: RTCRtpReceiver) -> None:
        """Let no larger picture pass to the decoder of one of aiortc's receivers of video.

        Before it receives. It is hooked in where aiortc has the queue of pictures to a decoder.
        """
        if can("picture_limit"):
            private: Any = receiver
            private._RTCRtpReceiver__decoder_queue = _GatedQueue(
                private._RTCRtpReceiver__decoder_queue,
                self.gate(receiver),
                private._RTCRtpReceiver__decoder_error,
            )

    def refused(self, receiver: RTCRtpReceiver) -> int:
        """How many pictures of a receiver were left out."""
        gate = self._gates.get(receiver)
        return gate.refused if gate is not None else 0

    def room_for(self, gate: PictureGate) -> int:
        """Pixels that a picture of a track may have now."""
        others = sum(other.pixels for other in self._gates.values() if other is not gate)
        return min(self.max_frame_pixels, LARGEST_AT_ONCE * self.max_frame_pixels - others)


class PictureGate:
    """Decides which pictures of one track are decoded.

    Attributes:
        pixels: of those that the decoder has made room for.
        refused: how many were not let through.
    """

    def __init__(self, limit: PictureLimit):
        self._limit = limit
        self._waits_for_key = False
        self._told = False
        self.pixels = 0
        self.refused = 0

    def admits(self, codec: str, data: bytes) -> bool:
        """Whether a picture may be decoded."""
        try:
            size = coded_size(codec, data)
        except BadPicture as error:
            self.leave_out(f"a picture cannot be decoded: {error}")
            return False
        if size is None:
            if self._waits_for_key:
                self.refused += 1
            return not self._waits_for_key
        width, height = size
        room = self._limit.room_for(self)
        if width * height > room:
            self.leave_out(f"a picture has {width} by {height} pixels, and {room} may be decoded")
            return False
        self.pixels = width * height
        self._waits_for_key = False
        return True

    def leave_out(self, why: str) -> None:
        """Leave a picture out, and those that follow, up to one that stands by itself."""
        self.refused += 1
        self._waits_for_key = True
        if not self._told:
            self._told = True
            logger.warning("pictures of the other side are left out: %s", why)

    def close(self) -> None:
        """No more pictures will come."""
        self.pixels = 0


class _GatedQueue:
    """In the place of aiortc's queue to the thread that decodes."""

    def __init__(self, queue: Any, gate: PictureGate, key_frame_needed: Any):
        self._queue = queue
        self._gate = gate
        self._key_frame_needed = key_frame_needed

    def get(self) -> Any:
        """For the thread: what it is to do."""
        return self._queue.get()

    def put(self, task: Any) -> None:
        if task is None:
            self._gate.close()
            self._queue.put(None)
            return
        codec, encoded = task
        if self._queue.qsize() >= MAX_UNDECODED:
            self._gate.leave_out("they come faster than they can be decoded")
        elif self._gate.admits(codec.name, encoded.data):
            self._queue.put(task)
            return
        if self._gate.refused % ASK_EVERY == 1:
            # With the next packet aiortc sends a PLI (RFC 4585, section 6.3.1).
            self._key_frame_needed.set()

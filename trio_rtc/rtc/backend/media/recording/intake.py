"""Recording queue: frames with the times at which they were made."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from av import AudioFrame, VideoFrame

from ..tracks import LEAST_PICTURES, MOST_PIXELS, Data, Reader, Source
from .formats import FPS
from .recording_timeline import Placement, Timeline

MICROSECONDS: Final = 1_000_000

PICTURES: Final = 120
"""Pictures that may wait for their encoder, or for a file to begin: some seconds."""

SOUNDS: Final = 3000
"""Frames of sound that may wait: a minute, and not much memory."""


class Thinning:
    """Leaves out pictures evenly, as many as an encoder cannot take."""

    def __init__(self) -> None:
        self._interval = 0.0
        self._last = float("-inf")

    def takes(self, time: float) -> bool:
        """Whether a picture of this time is kept, after those before."""
        # Pictures do not come on the beat.
        if 0 <= time - self._last < 0.75 * self._interval:
            return False
        self._last = time
        return True

    def slow_down(self) -> None:
        """Keep half as many."""
        self._interval = max(2 * self._interval, 2 / FPS)

    def speed_up(self) -> None:
        """Keep twice as many."""
        self._interval = self._interval / 2 if self._interval > 2 / FPS else 0.0


class Intake(Reader):
    """The frames of a source that a recording has not written yet.

    Args:
        on_news: is called at the first frame, at the end, and when there is hardly any room.
        on_drop: is called when some are left out.

    Attributes:
        first: the first frame, and `began` its time in seconds.
        has_ended: whether the source has ended by itself.
    """

    def __init__(
        self,
        source: Source,
        timeline: Timeline,
        *,
        on_news: Callable[[], None],
        on_drop: Callable[[], None],
    ):
        super().__init__(source, PICTURES if source.kind == "video" else SOUNDS)
        self._placement = Placement(timeline)
        self._thinning = Thinning()
        self._on_news = on_news
        self._on_drop = on_drop
        self.first: Data | None = None
        self.began: float | None = None
        self.has_ended = False

    def put(self, data: Data) -> None:
        assert isinstance(data, VideoFrame | AudioFrame)
        time = self._placement.place(data.time, asyncio.get_running_loop().time())
        data.pts, data.time_base = round(time * MICROSECONDS), Fraction(1, MICROSECONDS)
        if self.first is None:
            self.first, self.began = data, time
            if isinstance(data, VideoFrame):
                # Above that they would go by their age, and not evenly.
                most = MOST_PIXELS // (data.width * data.height)
                self._limit = min(PICTURES, max(LEAST_PICTURES, most))
            self._on_news()
        if isinstance(data, VideoFrame):
            if len(self._queue) >= self._limit:
                self._thinning.slow_down()
                kept = deque(frame for n, frame in enumerate(self._queue) if not n % 2)
                self._leave_out(len(self._queue) - len(kept))
                self._queue = kept
            if not self._thinning.takes(time):
                self.received += 1
                self._leave_out(1)
                return
        dropped = self.dropped
        super().put(data)
        if self.is_filling:
            self._on_news()
        if self.dropped > dropped:
            self._on_drop()

    @property
    def is_filling(self) -> bool:
        """Whether there is hardly any room left."""
        return 4 * len(self._queue) >= 3 * self._limit

    def end(self) -> None:
        # What is stopped is at its end as well, but not by itself.
        self.has_ended = self.has_ended or self.readyState == "live"
        super().end()
        self._on_news()

    def clear(self) -> None:
        waiting = len(self._queue)
        super().clear()
        if waiting:
            self._leave_out(waiting)

    def _leave_out(self, count: int) -> None:
        self.dropped += count
        self._on_drop()

    async def take_all(self, seconds: float) -> list[VideoFrame | AudioFrame]:
        """What has come, one picture or all sound; nothing if nothing comes for this long.

        Raises:
            EOFError: nothing more will come.
        """
        if not self._queue:
            self._thinning.speed_up()
            if self.is_over:
                raise EOFError
            self._wake.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return []
        taken: list[VideoFrame | AudioFrame] = []
        while self._queue and (not taken or self.kind == "audio"):
            data = self._queue.popleft()
            assert isinstance(data, VideoFrame | AudioFrame)
            taken.append(data)
        return taken

"""Media sources on the loop's side: each is read once, for any number of readers."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, TypeAlias

from aiortc import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame
from av.frame import Frame
from av.packet import Packet
from av.video.plane import VideoPlane

from .encoded.encoded_format import EncodedFormat

MOST_PIXELS: Final = 128 * 1024 * 1024
"""Of the pictures that wait for a reader, whatever their number: some 200 MB."""

LEAST_PICTURES: Final = 2
"""That wait in any case."""

BEGINNING_SECONDS: Final = 0.3
"""How long the beginning of a remote track is kept for those who are about to read it."""

BEGINNING_FRAMES: Final = 30

Data: TypeAlias = "Frame | Packet[Any]"

PACKETS: Final = 512
"""Packets kept for a reader that lags: many seconds of sound, and some of pictures."""

MOST_BYTES: Final = 16 << 20
"""Bytes of pictures kept for it: some seconds of the most that a camera makes."""


class Reader(MediaStreamTrack):
    """One reader of a source, which is a track itself. When it lags, the oldest data goes.

    It is read on the loop by `recv`; or else from any thread by `take`, where `ask` has `on_asked`
    called when there is something.

    Attributes:
        is_over: whether nothing more will come.
    """

    def __init__(self, source: Source, limit: int):
        super().__init__()
        self.kind = source.kind
        self.received = 0
        self.dropped = 0
        self._source = source
        self._limit = limit
        self._queue: deque[Data] = deque()
        self._wake = asyncio.Event()
        self.is_over = False
        self.on_asked: Callable[[], None] = _nothing
        self._asked = False

    def put(self, data: Data) -> None:
        self.received += 1
        self._queue.append(data)
        most = self._limit
        if isinstance(data, VideoFrame):
            most = min(most, max(LEAST_PICTURES, MOST_PIXELS // (data.width * data.height)))
        while len(self._queue) > most and self.take() is not None:
            self.dropped += 1
        self._notify()

    def end(self) -> None:
        self.is_over = True
        self._notify()

    def ask_key(self) -> None:
        """Who reads needs a picture that stands by itself."""
        self._source.ask_key()

    def clear(self) -> None:
        """Leave out what waits."""
        self._queue.clear()

    @property
    def waiting(self) -> tuple[Data, ...]:
        """What has not been taken."""
        return tuple(self._queue)

    def _notify(self) -> None:
        self._wake.set()
        if self._asked:
            self._asked = False
            self.on_asked()

    def take(self) -> Data | None:
        """What is there; None if there is nothing now."""
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def ask(self) -> bool:
        """Whether there is something now, data or the end. If not, `on_asked` will tell."""
        self._asked = True
        return bool(self._queue) or self.is_over

    async def recv(self) -> Data:
        self._source.start()
        while not self._queue:
            if self.is_over or self.readyState != "live":
                raise MediaStreamError
            self._wake.clear()
            await self._wake.wait()
        return self._queue.popleft()

    def stop(self) -> None:
        super().stop()
        self._source.forget(self)
        self.end()


class PacketReader(Reader):
    """One reader of a source of packets: it begins, also after a gap, where it can be decoded."""

    def __init__(self, source: Source, limit: int):
        super().__init__(source, limit)
        self._waits_for_key = self.kind == "video"

    def put(self, data: Data) -> None:
        assert isinstance(data, Packet)
        if self._waits_for_key and not data.is_keyframe:
            self.received += 1
            self.dropped += 1
            return
        self._waits_for_key = False
        dropped = self.dropped
        super().put(data)
        if self.kind == "video" and (self.dropped > dropped or self._has_too_much()):
            self.dropped += len(self._queue)
            self.clear()
            self.skip_to_key()
            self.ask_key()

    def _has_too_much(self) -> bool:
        sizes = [one.size for one in self.waiting if isinstance(one, Packet)]
        # One alone is what there is to be read.
        return len(sizes) > 1 and sum(sizes) > MOST_BYTES

    def skip_to_key(self) -> None:
        """Leave out what builds on something that did not come."""
        self._waits_for_key = self.kind == "video"


class Source:
    """A track of aiortc's, read by one task.

    A remote track is read from the start, for its own queue has no bound; a local one from the
    first reader on.

    Args:
        track: aiortc's, or what looks like it.
        encoded: what it is encoded with, if it gives packets.
        keeps_beginning: whether what comes first, before a program can have a reader, is kept
            for readers until more than `BEGINNING_SECONDS` have come.
    """

    def __init__(
        self,
        track: MediaStreamTrack,
        *,
        encoded: EncodedFormat | None = None,
        keeps_beginning: bool = False,
    ):
        self._track = track
        self.encoded = encoded
        #: Where its packets are to be had, if they are.
        self.packets: Source | None = self if encoded is not None else None
        self.kind: str = track.kind
        self.id: str = track.id
        #: What ended the source, if it was not its end.
        self.error: Exception | None = None
        #: What has made its times. Those of two sources with the same one can be compared.
        self.timeline: object = self
        #: Whether its frames are what they are, and not black or silent.
        self.enabled = True
        # A reader that is dropped without being stopped is forgotten.
        self._readers: weakref.WeakKeyDictionary[Reader, None] = weakref.WeakKeyDictionary()
        self._task: asyncio.Task[None] | None = None
        self._over = False
        self._beginning: Reader | None = None
        self._began: float | None = None
        if keeps_beginning:
            self._beginning = self.subscribe(BEGINNING_FRAMES)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._over

    @property
    def is_read(self) -> bool:
        """Whether there is anybody who reads it, or may still read its beginning."""
        return bool(self._readers)

    def forget_beginning(self) -> None:
        """Keep nothing of what comes first for who may read it later."""
        self._beginning = None

    def start(self) -> None:
        if self._task is None and not self._over:
            # The first reader may belong to a connection, and end with it; the source does not.
            self._task = asyncio.get_running_loop().create_task(self._pump(), context=Context())

    def subscribe(self, limit: int) -> Reader:
        reader = Reader(self, limit) if self.packets is not self else PacketReader(self, limit)
        self.add(reader)
        return reader

    def add(self, reader: Reader) -> None:
        if self._beginning is not None:
            for data in self._beginning.waiting:
                reader.put(copy_of(data) if isinstance(data, VideoFrame | AudioFrame) else data)
        if self._over:
            reader.end()
        else:
            self._readers[reader] = None

    def forget(self, reader: Reader) -> None:
        self._readers.pop(reader, None)

    async def _pump(self) -> None:
        try:
            while True:
                data = await self._track.recv()
                if not self.enabled:
                    if isinstance(data, Packet):
                        self._leave_gap()
                        continue
                    data = blank(data)
                self._hand_out(data)
        except MediaStreamError:
            pass
        except Exception as error:  # noqa: BLE001  # readers raise it
            self.error = error
        finally:
            self._end()

    def _hand_out(self, data: Data) -> None:
        now = asyncio.get_running_loop().time()
        self._began = now if self._began is None else self._began
        if now > self._began + BEGINNING_SECONDS:
            self._beginning = None
        # PyAV's frames are not safe in several threads, not even to read: converting one keeps
        # the means for that in it. So everybody has a frame of their own.
        for number, reader in enumerate(tuple(self._readers)):
            own = copy_of(data) if number and isinstance(data, VideoFrame | AudioFrame) else data
            reader.put(own)

    def ask_key(self) -> None:
        """Somebody needs a picture that stands by itself; a file or a camera makes its own."""

    def _leave_gap(self) -> None:
        """Nothing stands for a packet that is not to be seen or heard."""
        for reader in tuple(self._readers):
            if isinstance(reader, PacketReader):
                reader.skip_to_key()

    def _end(self) -> None:
        self._over = True
        for reader in tuple(self._readers):
            reader.end()

    def enable(self, enabled: bool) -> None:
        """Have black pictures or silence from now on, or not any more."""
        self.enabled = enabled
        if self.packets is not None:
            self.packets.enabled = enabled

    async def stop(self) -> None:
        """End the source and its readers."""
        self._beginning = None
        self._end()
        if self.packets is not None:
            self.packets._end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        # A player's track joins its thread here, which would hold up the loop.
        await asyncio.get_running_loop().run_in_executor(None, self._track.stop)


def copy_of(frame: VideoFrame | AudioFrame) -> VideoFrame | AudioFrame:
    """The same frame, with a time of its own."""
    copy: VideoFrame | AudioFrame
    if isinstance(frame, AudioFrame):
        copy = AudioFrame(frame.format.name, frame.layout.name, frame.samples)
        copy.sample_rate = frame.sample_rate
        for sound, other in zip(copy.planes, frame.planes, strict=True):
            sound.update(bytes(other)[: sound.buffer_size])
    else:
        copy = VideoFrame(frame.width, frame.height, frame.format.name)
        for plane, source in zip(copy.planes, frame.planes, strict=True):
            plane.update(_lines(source, plane.line_size))
    _give_time(copy, frame)
    return copy


def _lines(plane: VideoPlane, size: int) -> bytes:
    """What is in a plane, with lines of another size in memory."""
    data = bytes(plane)
    if plane.line_size == size:
        return data[: size * plane.height]
    width = min(size, plane.line_size)
    starts = range(0, plane.line_size * plane.height, plane.line_size)
    return b"".join(data[start : start + width].ljust(size, b"\0") for start in starts)


def blank(data: Data) -> Data:
    """A black picture, or silence, instead of a frame (W3C mediacapture-streams, 4.3.2)."""
    empty: VideoFrame | AudioFrame
    if isinstance(data, VideoFrame):
        empty = VideoFrame(data.width, data.height, "yuv420p")
        for plane, value in zip(empty.planes, (16, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
    elif isinstance(data, AudioFrame):
        empty = AudioFrame(data.format.name, data.layout.name, data.samples)
        # Without a sign the middle is silence.
        silence = b"\x80" if data.format.name in ("u8", "u8p") else b"\0"
        for sound in empty.planes:
            sound.update(silence * sound.buffer_size)
        empty.sample_rate = data.sample_rate
    else:
        return data
    _give_time(empty, data)
    return empty


def _give_time(frame: VideoFrame | AudioFrame, like: VideoFrame | AudioFrame) -> None:
    frame.pts = like.pts
    if like.time_base is not None:
        frame.time_base = like.time_base


def _nothing() -> None:
    pass

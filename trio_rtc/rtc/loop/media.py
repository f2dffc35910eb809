"""Media on the loop's side: a source is read once, for any number of readers."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from contextvars import Context
from typing import Any, TypeAlias

from aiortc import MediaStreamError, MediaStreamTrack
from av.frame import Frame
from av.packet import Packet

Data: TypeAlias = "Frame | Packet[Any]"


class Reader(MediaStreamTrack):
    """One reader of a source, which is a track itself. When it lags, the oldest data goes."""

    def __init__(self, source: Source, limit: int):
        super().__init__()
        self.kind = source.kind
        self.received = 0
        self.dropped = 0
        self._source = source
        self._limit = limit
        self._queue: deque[Data] = deque()
        self._wake = asyncio.Event()
        self._over = False

    def put(self, data: Data) -> None:
        self.received += 1
        self._queue.append(data)
        if len(self._queue) > self._limit:
            self._queue.popleft()
            self.dropped += 1
        self._wake.set()

    def end(self) -> None:
        self._over = True
        self._wake.set()

    async def recv(self) -> Data:
        self._source.start()
        while not self._queue:
            if self._over or self.readyState != "live":
                raise MediaStreamError
            self._wake.clear()
            await self._wake.wait()
        return self._queue.popleft()

    def stop(self) -> None:
        super().stop()
        self._source.forget(self)
        self.end()


class Source:
    """A track of aiortc's, read by one task.

    A remote track is read from the start, for its own queue has no bound; a local one from the
    first reader on.
    """

    def __init__(self, track: MediaStreamTrack):
        self._track = track
        self.kind: str = track.kind
        self.id: str = track.id
        #: What ended the source, if it was not its end.
        self.error: Exception | None = None
        # A reader that is dropped without being stopped is forgotten.
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None
        self._over = False

    def start(self) -> None:
        if self._task is None and not self._over:
            # The first reader may belong to a connection, and end with it; the source does not.
            self._task = asyncio.get_running_loop().create_task(self._pump(), context=Context())

    def subscribe(self, limit: int) -> Reader:
        reader = Reader(self, limit)
        self.add(reader)
        return reader

    def add(self, reader: Reader) -> None:
        if self._over:
            reader.end()
        else:
            self._readers.add(reader)

    def forget(self, reader: Reader) -> None:
        self._readers.discard(reader)

    async def _pump(self) -> None:
        try:
            while True:
                data = await self._track.recv()
                for reader in tuple(self._readers):
                    reader.put(data)
        except MediaStreamError:
            pass
        except Exception as error:  # noqa: BLE001  # readers raise it
            self.error = error
        finally:
            self._end()

    def _end(self) -> None:
        self._over = True
        for reader in tuple(self._readers):
            reader.end()

    async def stop(self) -> None:
        """End the source and its readers."""
        self._end()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        # A player's track joins its thread here, which would hold up the loop.
        await asyncio.get_running_loop().run_in_executor(None, self._track.stop)


async def read(reader: Reader) -> Data | None:
    """The next data, or None at the end."""
    try:
        return await reader.recv()
    except MediaStreamError:
        return None

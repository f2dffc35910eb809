"""Files, URLs and devices as tracks: a thread reads one source for all that is wanted of it.

aiortc 1.16's player keeps what nobody takes without a bound, such as the sound of a film of which
only the picture is wanted, and plays a film that is repeated as fast as it can be read.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeVarTuple

import av
from aiortc import MediaStreamError, MediaStreamTrack
from aiortc.contrib.media import REAL_TIME_FORMATS
from av.packet import Packet

from .encoded.encoded_format import EncodedFormat
from .encoded.encoded_packets import goes_on, time_of
from .player_output import DecodedOutput, EncodedOutput, PlayerOutput
from .recording.formats import has_number
from .tracks import Data, copy_of

logger = logging.getLogger("trio_rtc.rtc")

AHEAD_SECONDS: Final = 1.0
"""How far a file is read before it is to be seen: sound and pictures do not alternate strictly."""

READ_SECONDS: Final = 0.1
"""How much of a file is read at a time: to wake up for each frame takes longer than to read it."""

HURRY_SECONDS: Final = 0.5
"""What is to be seen sooner than this does not wait for what is read with it."""

KEPT_SECONDS: Final = 2.0
"""Of one kind of media, at most, that waits to be taken."""

LATE_SECONDS: Final = 0.5
"""How late that may be of which nothing was taken yet: tracks are added one after the other."""

RETRY_SECONDS: Final = 0.01
"""Until a device is asked again that has nothing now."""


STILL_SECONDS: Final = Fraction(1, 5)
"""Between one time that a still picture is shown and the next."""

Ts = TypeVarTuple("Ts")


class NoStream(LookupError):
    """A source is media, but has none of a kind."""


class Player:
    """A source that is open. Reading begins when the first of its tracks is read.

    Tracks have one clock: one that is read much later than another does not begin at the beginning.

    Args:
        kinds: what is wanted of it; the rest is not even decoded.
        timeout: seconds that it may take for its next data.
        repeat: whether it begins again at its end.
        encoded: whether its packets are given as they are, and not decoded.

    Attributes:
        tracks: by kind.
        error: what has ended it, if that was not its end.

    Raises:
        NoStream: there is nothing of a kind.
        NotSendable: what there is cannot be sent as it is.
        av.FFmpegError, OSError, ValueError: it cannot be read.
    """

    def __init__(
        self,
        name: str,
        kinds: Iterable[str],
        *,
        format: str | None = None,  # noqa: A002
        options: Mapping[str, str] | None = None,
        timeout: float | None = None,
        repeat: bool = False,
        encoded: bool = False,
    ):
        self.name = name
        self.error: Exception | None = None
        self._timeout = timeout
        try:
            self._container = av.open(
                name, format=format, options=dict(options or {}), timeout=timeout
            )
        except av.ExitError as error:
            raise self._nothing_comes() from error
        formats = set(self._container.format.name.split(","))
        self._is_live = not formats.isdisjoint(REAL_TIME_FORMATS)
        self._repeat = repeat
        self._is_still = is_still(self._container.format.name, name)
        self._quit = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop
        self._began: float | None = None
        self._first: Fraction | None = None
        self._offset = Fraction(0)
        self._pieces: list[tuple[PlayerTrack, Data]] = []
        try:
            is_endless = self._is_live or (self._container.duration is None and not self._is_still)
            if repeat and is_endless:
                raise ValueError("it cannot begin again")
            self._streams = [self._stream(kind) for kind in kinds]
            outputs = [EncodedOutput(s) if encoded else DecodedOutput() for s in self._streams]
        except Exception:
            self._container.close()
            raise
        self.tracks = {
            stream.type: PlayerTrack(self, stream.type, output)
            for stream, output in zip(self._streams, outputs, strict=True)
        }
        self._playing = set(self.tracks.values())

    def _stream(self, kind: str) -> Any:
        for stream in self._container.streams:
            if stream.type == kind:
                return stream
        raise NoStream(f"{self.name!r} has no {kind}")

    def _nothing_comes(self) -> TimeoutError:
        return TimeoutError(f"nothing came for {self._timeout} s")

    # On the loop.

    def start(self) -> None:
        with self._starting:
            if self._thread is None and self._playing:
                self._loop = asyncio.get_running_loop()
                thread = threading.Thread(target=self._read, name="media-player")
                thread.start()
                self._thread = thread

    async def until_due(self, frame: Data) -> None:
        if self._began is not None and not self._is_live:
            await asyncio.sleep(self._wait_for(frame))

    def is_late(self, frame: Data) -> bool:
        return self._wait_for(frame) < -LATE_SECONDS

    def _wait_for(self, frame: Data) -> float:
        assert self._began is not None
        return self._began + time_of(frame) - self._loop.time()

    def stop(self, track: PlayerTrack) -> None:
        """Stop for one of the tracks; with the last one, wait for the thread. Not on the loop."""
        self._playing.discard(track)
        if self._playing:
            return
        self._quit.set()
        # It may be about to start: what is half started cannot be waited for.
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join()
        self._container.close()

    # In the thread.

    def _read(self) -> None:
        try:
            if self._is_still and self._repeat:
                self._show_still()
            else:
                while self._play() and self._repeat and not self._quit.is_set():
                    self._container.seek(0)
        except av.ExitError:
            self.error = self._nothing_comes()
        except Exception as error:  # noqa: BLE001  # Readers raise it.
            self.error = error
        self._hand_over()
        for track in self.tracks.values():
            self._call_on_loop(track._end)

    def _show_still(self) -> None:
        """A picture again and again: who comes later is to see it as well."""
        (track,) = self.tracks.values()
        still = next(f for packet in self._packets() for f in DecodedOutput().take(packet))
        number = 0
        while not self._quit.is_set():
            frame = copy_of(still)
            frame.pts, frame.time_base = number, STILL_SECONDS
            self._give(track, frame)
            number += 1

    def _play(self) -> bool:
        """Play it once; tell whether there was anything."""
        for packet in self._packets():
            track = self.tracks[packet.stream.type]
            for data in track.output.take(packet):
                self._give(track, data)
            if self._quit.is_set():
                return False
        end = max(track.output.end for track in self.tracks.values())
        played, self._offset = end - self._offset, end
        expected = (self._container.duration or 0) / av.time_base
        if played < expected - 1:
            logger.warning(
                "%s ends after %.1f s, and not after %.1f s", self.name, played, expected
            )
        return played > 0

    def _packets(self) -> Iterator[Packet[Any]]:
        packets = self._container.demux(*self._streams)
        while not self._quit.is_set():
            try:
                yield next(packets)
            except StopIteration:
                return
            except av.BlockingIOError:
                self._quit.wait(RETRY_SECONDS)
                packets = self._container.demux(*self._streams)

    def _give(self, track: PlayerTrack, data: Any) -> None:
        if data.pts is not None and data.time_base:
            if self._first is None:
                self._first = data.pts * data.time_base
            data.pts += round((self._offset - self._first) / data.time_base)
        for piece in track.output.convert(data):
            if self._began is None:
                self._began = self._loop.time() - time_of(piece)
            self._pieces.append((track, piece))
            wait = 0.0 if self._is_live else self._wait_for(piece)
            if wait < HURRY_SECONDS:
                self._hand_over()
            elif wait > AHEAD_SECONDS + READ_SECONDS:
                self._hand_over()
                self._quit.wait(wait - AHEAD_SECONDS)

    def _hand_over(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._quit.is_set():
            self._call_on_loop(_put_all, pieces)

    def _call_on_loop(self, fn: Callable[[*Ts], object], *args: *Ts) -> None:
        try:
            self._loop.call_soon_threadsafe(fn, *args)
        except RuntimeError:
            # The loop is closed: whoever has stopped it was not to wait for anything.
            self._quit.set()


def is_still(format_: str, name: str) -> bool:
    """Whether a source is one picture; FFmpeg knows no end of some."""
    return format_.endswith("_pipe") or (format_ == "image2" and not has_number(Path(name)))


def _put_all(pieces: list[tuple[PlayerTrack, Data]]) -> None:
    for track, piece in pieces:
        track._put(piece)


class PlayerTrack(MediaStreamTrack):
    """One kind of media of a source."""

    def __init__(self, player: Player, kind: str, output: PlayerOutput):
        super().__init__()
        self.kind = kind
        self.output = output
        self._player = player
        self._queue: deque[Data] = deque()
        self._changed = asyncio.Event()
        self._is_read = False
        self._dropped = 0
        self._over = False

    @property
    def encoded(self) -> EncodedFormat | None:
        """What it is encoded with, if it gives packets."""
        return self.output.format if isinstance(self.output, EncodedOutput) else None

    async def recv(self) -> Any:
        self._skip_late()
        self._is_read = True
        self._player.start()
        while not self._queue:
            if self._over or self.readyState != "live":
                if self._player.error is not None:
                    raise self._player.error
                raise MediaStreamError
            self._changed.clear()
            await self._changed.wait()
        frame = self._queue.popleft()
        await self._player.until_due(frame)
        return frame

    def _put(self, data: Data) -> None:
        queue = self._queue
        queue.append(data)
        self._skip_late()
        lags = False
        while queue and (time_of(data) - time_of(queue[0]) > KEPT_SECONDS or lags):
            queue.popleft()
            self._dropped += 1
            # What builds on it goes with it.
            lags = bool(queue) and goes_on(queue[0])
        self._changed.set()

    def _skip_late(self) -> None:
        # What nobody has wanted yet plays all the same.
        while self._queue and not self._is_read and self._player.is_late(self._queue[0]):
            self._queue.popleft()

    def _end(self) -> None:
        self._over = True
        self._changed.set()

    def stop(self) -> None:
        """Not on the loop: this may wait for the source's thread."""
        super().stop()
        self._player.stop(self)
        if self._dropped and self._is_read:
            logger.info("%d frames of %s were not taken in time", self._dropped, self._player.name)

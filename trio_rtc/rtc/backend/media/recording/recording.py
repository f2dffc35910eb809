"""Recording on the loop's side: of tracks that come late, change or pause, by encoders that lag."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from av import AudioFrame, VideoFrame

from .....errors import MediaError
from ..tracks import Source
from .formats import ORDER, Format
from .intake import MICROSECONDS, Intake
from .recorded import Pictures, Recorded, Sound
from .recording_timeline import LATE, Timeline
from .writing import Writer, merge

logger = logging.getLogger("trio_rtc.rtc")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_SECONDS: Final = 1.0
"""A file begins this long after the first frame: a container names all of its tracks first."""

ANNOUNCED_SECONDS: Final = 0.8
"""How much longer it waits for the first frames of tracks that were added by then."""

FILL_SECONDS: Final = 1.0
"""How often what does not come is made up for: by silence, or by the last picture."""

END_SECONDS: Final = 10.0
"""How long it may take at the end to write what has come before."""


class Recording:
    """A file that tracks are written to, from when they are added.

    Tracks whose first frames come after the file has begun are written to files of their own
    beside it, which are put together at the end.

    Args:
        file: the first one that is made, which is there already, and goes if it stays empty.

    Attributes:
        error: why it could not be written, or a part of it.
    """

    def __init__(self, path: Path, file: Path, format_: Format):
        self.error: Exception | None = None
        self._path = path
        self._file = file
        self._format = format_
        self._intakes: list[Intake] = []
        self._timelines: WeakKeyDictionary[object, Timeline] = WeakKeyDictionary()
        self._origin: float | None = None
        self._changed = asyncio.Event()
        self._is_over = False
        self._has_begun = False
        self._over_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup
        self._writers: list[Writer] = []
        self._has_lagged = False

    @property
    def frames_received(self) -> int:
        return sum(intake.received for intake in self._intakes)

    @property
    def frames_dropped(self) -> int:
        return sum(intake.dropped for intake in self._intakes)

    async def add(self, source: Source) -> None:
        """Record a source. What the format has no room for by its nature is left out.

        Raises:
            MediaError: ``recording_full``: no more tracks of this kind go into such a file.
        """
        kind = source.kind
        if kind not in self._format.encodings:
            return
        kinds = [intake.kind for intake in self._intakes]
        if not await _in_thread(self._format.holds, [*kinds, kind]):
            raise MediaError(
                f"there is no room in {str(self._path)!r} for another {kind} track",
                code="recording_full",
            )
        timeline = self._timelines.setdefault(source.timeline, Timeline())
        intake = Intake(source, timeline, on_news=self._on_news, on_drop=self._on_drop)
        self._intakes.append(intake)
        source.add(intake)
        source.start()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif self._has_begun:
            self._group.create_task(self._record_late(intake))

    def _on_news(self) -> None:
        if self._origin is None:
            # The time of the first frame is that at which all begins.
            self._origin = next((i.began for i in self._intakes if i.began is not None), None)
        self._changed.set()

    def _on_drop(self) -> None:
        if not self._has_lagged:
            self._has_lagged = True
            logger.warning(
                "the recording %s does not keep up with what comes: frames are left out", self._path
            )

    def _fail(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
            logger.warning("a part of the recording %s cannot be written: %s", self._path, error)

    # The tasks.

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as self._group:
            await self._until(self._has_first)
            await self._until(self._is_filling, START_SECONDS)
            await self._until(self._have_all, ANNOUNCED_SECONDS)
            self._has_begun = True
            ready = [intake for intake in self._intakes if intake.first is not None]
            for intake in self._intakes:
                if intake not in ready:
                    self._group.create_task(self._record_late(intake))
            await self._begin(self._path, ready)
            self._changed.set()
            await self._until(lambda: False)

    def _has_first(self) -> bool:
        return any(intake.first is not None for intake in self._intakes)

    def _is_filling(self) -> bool:
        # Of very large pictures only a few may wait.
        return any(intake.is_filling for intake in self._intakes)

    def _have_all(self) -> bool:
        return self._is_filling() or all(intake.first for intake in self._intakes)

    async def _until(self, is_true: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until then, for this long at most, or until the recording is over."""
        try:
            async with asyncio.timeout(seconds):
                while not (self._is_over or is_true()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    async def _begin(self, path: Path, intakes: list[Intake]) -> None:
        """Begin a file, and write these to it."""
        tracks: list[tuple[Intake, Recorded]] = []
        streams = []
        for intake in sorted(intakes, key=lambda intake: ORDER.index(intake.kind)):
            encoding = self._format.encodings[intake.kind]
            if isinstance(intake.first, VideoFrame):
                pictures = Pictures(intake.first, encoding)
                tracks.append((intake, pictures))
                streams.append((encoding, pictures.size))
            else:
                tracks.append((intake, Sound()))
                streams.append((encoding, (0, 0)))
        if not tracks:
            return
        try:
            writer = await _in_thread(Writer, path, self._format, streams)
        except Exception as error:  # noqa: BLE001  # It is told at the end.
            self._fail(error)
            for intake in intakes:
                intake.stop()
            if path != self._path:
                await _in_thread(path.unlink)
            return
        self._writers.append(writer)
        for (intake, recorded), stream in zip(tracks, writer.streams, strict=True):
            self._group.create_task(self._record(intake, recorded, writer, stream))

    async def _record_late(self, intake: Intake) -> None:
        await self._until(lambda: intake.first is not None or intake.is_over)
        if intake.first is not None:
            await self._begin(await _in_thread(self._name_beside), [intake])

    def _name_beside(self) -> Path:
        # Where there is room for the file itself, and under no name that anybody looks for.
        folder = self._path.resolve().parent
        with tempfile.NamedTemporaryFile(
            prefix=f".{self._path.stem}-", suffix=self._path.suffix, dir=folder, delete=False
        ) as file:
            return Path(file.name)

    async def _record(
        self, intake: Intake, recorded: Recorded, writer: Writer, stream: Any
    ) -> None:
        assert self._origin is not None
        origin, loop = self._origin, asyncio.get_running_loop()

        def write(frames: list[VideoFrame | AudioFrame]) -> None:
            for frame in frames:
                assert frame.pts is not None
                time = frame.pts / MICROSECONDS - origin
                writer.write(stream, recorded.convert(frame, time))

        def fill(until: float) -> None:
            writer.write(stream, recorded.fill(until - origin))

        try:
            while True:
                try:
                    frames = await intake.take_all(FILL_SECONDS)
                except EOFError:
                    break
                if frames:
                    await _in_thread(write, frames)
                else:
                    await _in_thread(fill, loop.time() - LATE)
            if not intake.has_ended:
                await _in_thread(fill, self._over_at)
            await _in_thread(writer.end, stream)
        except Exception as error:  # noqa: BLE001  # It is told at the end; the others go on.
            self._fail(error)
            intake.stop()

    async def stop(self) -> None:
        """Write what has come, and finish the file. Not to be cancelled."""
        self._is_over = True
        self._over_at = asyncio.get_running_loop().time()
        self._changed.set()
        for intake in self._intakes:
            # Nothing more comes; what has come is still there.
            intake.stop()
        if self._task is not None:
            done, _ = await asyncio.wait([self._task], timeout=END_SECONDS)
            if not done:
                for intake in self._intakes:
                    intake.clear()
                # What is being written is let go on, in its thread.
                await asyncio.wait([self._task])
            if (error := self._task.exception()) is not None:
                raise error
        try:
            await _in_thread(self._finish)
        except Exception as error:  # noqa: BLE001  # It is told by whoever has stopped it.
            self._fail(error)
        if self.frames_dropped:
            logger.warning(
                "the recording %s has left out %d of %d frames: its encoder was too slow",
                self._path, self.frames_dropped, self.frames_received,
            )  # fmt: skip

    def _finish(self) -> None:
        for writer in self._writers:
            try:
                writer.close()
            except Exception as error:  # noqa: BLE001  # The others are to be closed as well.
                self._fail(error)
        files = [writer.path for writer in self._writers]
        if late := [file for file in files if file != self._path]:
            try:
                self._put_together(files)
            except Exception as error:  # noqa: BLE001  # What there is stays.
                self._fail(error)
                for number, file in enumerate(late, 1):
                    file.rename(self._path.with_stem(f"{self._path.stem}-late-{number}"))
            else:
                for file in late:
                    file.unlink()
        if self._file.is_file() and self._file.stat().st_size == 0:
            self._file.unlink()

    def _put_together(self, files: list[Path]) -> None:
        whole = self._name_beside()
        try:
            merge(files, whole)
            whole.chmod(self._path.stat().st_mode)
            whole.replace(self._path.resolve())
        finally:
            whole.unlink(missing_ok=True)


async def _in_thread(fn: Callable[[*Ts], T], *args: *Ts) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, fn, *args)

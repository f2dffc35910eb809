"""`receive_files`."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import trio

from ..calls.call import Call
from ..errors import FileError
from ..rtc import DataChannel
from ..tasks import open_background_nursery, to_the_end
from ..wire import channel_protocols
from ..wire import files as wire
from ..world import world
from .destination import Destination, Incoming
from .protocol import FileContent, FilesReception, ManifestComplete
from .talk import ending, hear
from .transfer import FileOffer, Progress, Tally, total_size

logger = logging.getLogger("trio_rtc.files")

Ask = Callable[[FileOffer], Awaitable[bool]]
"""Whether these files are taken, which are not sent before."""

BATCH = 2**21
"""Bytes that are written at once, if they come fast.

A thread costs the same for any number; of more, the first have left the processor's cache.
"""

BATCH_SECONDS = 0.25
"""How long a smaller batch may take to come."""

TOLD_EVERY = 2 * BATCH
"""Bytes of which the sender is told at once, if they come fast."""

CLOSING_SECONDS = 30.0
"""How long the sender may take to close, once everything has its name."""

WRITE_BEHIND = 4
"""Batches that wait until those before them are written."""


async def receive_files(
    call: Call,
    folder: str | os.PathLike[str],
    *,
    accept: Ask | None = None,
    progress: Progress | None = None,
    max_files: int = wire.MAX_ENTRIES,
) -> tuple[Path, ...]:
    """Wait until the other side sends files, and receive them; where they are then.

    What is incomplete is kept in a folder of its own, ``.trio-rtc-….part``, until it is whole and
    what was sent; then it gets its name, or one like it if that is taken: nothing is overwritten.
    After an interruption, or a crash, the next transfer of the same files goes on where this one
    has ended. If either side gives it up, what is incomplete is removed.

    Args:
        call: from whom. Channels of files never come out of ``call.channels``.
        folder: where they go; nothing is written outside of it.
        accept: asked with the `FileOffer` before anything is written. Without it everything is
            taken.
        progress: called with a `FileProgress` now and then, in this thread; it must not block.
        max_files: how many files and folders there may be.

    Raises:
        FileError: ``declined`` by ``accept``; ``not_writable``, ``no_space``, ``busy``: the folder
            cannot take them; ``bad_name``, ``name_clash``, ``too_many_files``, ``wrong_size``,
            ``wrong_hash``, ``bad_message``: what the other side says cannot be taken;
            ``cancelled`` by the other side; ``file_changed``, ...: it has met with that;
            ``interrupted``: the call was over before the end.
        CallError: ``call_ended``: it is over, and nothing was sent.
    """
    channel = await call._take_channel(channel_protocols.FILES)
    async with ending(channel):
        return await _Receiving(call, channel, Path(folder), accept, progress).run(max_files)


@dataclass(frozen=True)
class _Begun:
    index: int
    start: int


@dataclass(frozen=True)
class _Ended:
    index: int
    digest: str


_Work: TypeAlias = "_Begun | list[bytes] | _Ended"


class _Receiving:
    def __init__(
        self,
        call: Call,
        channel: DataChannel,
        folder: Path,
        accept: Ask | None,
        progress: Progress | None,
    ):
        self._call = call
        self._channel = channel
        self._folder = folder
        self._accept = accept
        self._progress = progress

    async def run(self, max_files: int) -> tuple[Path, ...]:
        reception = FilesReception(max_files)
        while True:
            event = reception.receive(await hear(self._channel))
            if isinstance(event, ManifestComplete):
                break
        clashes = wire.check(reception.entries)
        destination = Destination(self._folder, reception.entries)
        keep = True
        try:
            kept = await world().run_in_thread(destination.look)
            await self._ask(reception, kept, clashes)
            keep = False
            await world().run_in_thread(destination.prepare)
            for text in wire.kept(kept):
                await self._channel.send(text)
            await self._channel.send(wire.encode(wire.FilesAccepted()))
            reception.accepted(kept)
            self._tally = Tally(reception.entries, self._progress)
            await self._take(reception, destination)
            await self._channel.send(wire.encode(wire.FilesDone()))
            await self._until_closed()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            keep = True
            raise
        except FileError as error:
            keep = keep or error.code in ("interrupted", "no_space", "not_writable")
            raise
        finally:
            await to_the_end(_close, destination, keep)
        return destination.arrived()

    async def _ask(
        self, reception: FilesReception, kept: list[wire.KeptFile], clashes: list[str]
    ) -> None:
        if self._accept is None:
            return
        entries = reception.entries
        offer = FileOffer(
            peer=self._call.peer,
            paths=tuple(entry.path for entry in entries if not entry.folder),
            size=total_size(entries),
            kept=sum(part.size for part in kept),
            clashes=tuple(clashes),
        )
        wanted = False
        async with open_background_nursery() as nursery:
            # It may be cancelled while somebody thinks about it.
            nursery.start_soon(self._watch, reception)
            wanted = await self._accept(offer)
        if not wanted:
            raise FileError("the files were not wanted", code="declined")

    async def _watch(self, reception: FilesReception) -> None:
        while True:
            reception.receive(await hear(self._channel))

    async def _until_closed(self) -> None:
        """The sender closes, so that our last word is not lost."""
        with trio.move_on_after(CLOSING_SECONDS):
            with suppress(trio.EndOfChannel, trio.BrokenResourceError):
                await self._channel.receive()

    async def _take(self, reception: FilesReception, destination: Destination) -> None:
        give, take = trio.open_memory_channel[_Work](WRITE_BEHIND)
        async with open_background_nursery() as nursery:
            async with give:
                written = await nursery.start(self._write_all, take, reception, destination)
                batch: list[bytes] = []
                size, due = 0, trio.current_time() + BATCH_SECONDS
                while not reception.complete:
                    event = reception.receive(await hear(self._channel))
                    if isinstance(event, FileContent):
                        batch.append(event.data)
                        size += len(event.data)
                    is_due = size >= BATCH or trio.current_time() >= due
                    if batch and (is_due or not isinstance(event, FileContent)):
                        await give.send(batch)
                        batch, size, due = [], 0, trio.current_time() + BATCH_SECONDS
                    if isinstance(event, wire.FileBegin):
                        index = event.index
                        await give.send(_Begun(index, event.start))
                    elif isinstance(event, wire.FileEnd):
                        await give.send(_Ended(index, event.sha256))
            await written.wait()

    async def _write_all(
        self,
        work: trio.MemoryReceiveChannel[_Work],
        reception: FilesReception,
        destination: Destination,
        task_status: trio.TaskStatus[trio.Event],
    ) -> None:
        """The task that writes what has come, in its order, and says so."""
        written = trio.Event()
        task_status.started(written)
        incoming: Incoming | None = None
        total = told = done = 0
        index = 0
        try:
            async for part in work:
                if isinstance(part, _Begun):
                    index, done = part.index, part.start
                    incoming = await world().run_in_thread(destination.begin, index, done)
                    self._tally.tell(index, done)
                    continue
                assert incoming is not None
                entry = reception.entries[index]
                what = wire.describe(entry)
                if isinstance(part, _Ended):
                    await world().run_in_thread(incoming.finish, part.digest, entry.modified, what)
                    incoming.close()
                    self._tally.tell(index, done, complete=True)
                else:
                    await world().run_in_thread(incoming.write, part, what)
                    size = sum(map(len, part))
                    total, done = total + size, done + size
                    self._tally.tell(index, done)
                    if size < BATCH or total - told >= TOLD_EVERY:
                        told = total
                        await self._report(total)
        finally:
            if incoming is not None:
                incoming.close()
        written.set()

    async def _report(self, total: int) -> None:
        try:
            await self._channel.send(wire.encode(wire.FilesWritten(bytes=total)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The one who receives will see why.
            await trio.lowlevel.checkpoint()


async def _close(destination: Destination, keep: bool) -> None:
    await world().run_in_thread(lambda: destination.close(keep=keep))

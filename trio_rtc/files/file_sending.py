"""`send_files`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from ..calls.call import Call
from ..errors import FileError
from ..rtc import DataChannel
from ..tasks import open_background_nursery
from ..wire import channel_protocols
from ..wire import files as wire
from ..world import world
from .protocol import FilesTransmission
from .sources import BLOCK, FileReader, Listed, Source, list_sources
from .talk import ending, hear
from .transfer import Progress, Tally

logger = logging.getLogger("trio_rtc.files")

READ_AHEAD = 4
"""Blocks that are read while the one before them is sent."""


async def send_files(
    call: Call, sources: Iterable[Source], *, progress: Progress | None = None
) -> None:
    """Send files and folders; return when the other side has all of them, where they belong.

    The other side is asked first. What it has already of a transfer that was interrupted is not
    sent again. Symbolic links in a folder, and what is neither a file nor a folder, are left out
    with a warning.

    Args:
        call: to whom.
        sources: paths, of which a folder is sent with all that is in it; or tuples of a name and
            a `trio.abc.ReceiveStream`, whose content becomes a file of that name.
        progress: called with a `FileProgress` now and then, in this thread; it must not block.

    Raises:
        FileError: ``no_such_file``, ``not_readable``, ``no_files``, ``bad_name``, ``name_clash``:
            nothing was sent; ``not_taken``: the other side has closed the channel without a word,
            as programs do in 30 s that do not receive files; ``file_changed`` while it was sent;
            and what the other side tells of: ``declined``, ``cancelled``, ``no_space``,
            ``not_writable``, ...; ``interrupted``: the call was over before the end, and what has
            arrived is kept there.
        CallError: ``call_ended``, ``channel_timeout``: there is no channel to send on.
    """

    def skip(path: str) -> None:
        logger.warning("%s is neither a file nor a folder, and is left out", path)

    listed = await world().run_in_thread(list_sources, list(sources), skip)
    channel = await call.open_channel(wire.LABEL, protocol=channel_protocols.FILES)
    async with ending(channel):
        await _Sending(channel, listed, progress).run()


class _Sending:
    def __init__(self, channel: DataChannel, listed: list[Listed], progress: Progress | None):
        self._channel = channel
        self._listed = listed
        entries = [one.entry for one in listed]
        self._transmission = FilesTransmission(entries)
        self._tally = Tally(entries, progress)
        self._heard = trio.Event()
        #: What is on its way: how much was sent in all when it was, and what is done then.
        self._under_way: list[tuple[int, int, int, bool]] = []

    async def run(self) -> None:
        async with open_background_nursery() as nursery:
            nursery.start_soon(self._listen)
            try:
                await self._talk()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                # Why, the other side may have said before it closed the channel.
                await trio.sleep_forever()

    async def _talk(self) -> None:
        for text in wire.manifest([one.entry for one in self._listed]):
            await self._channel.send(text)
        while not self._transmission.accepted:
            await self._heard.wait()
        for index, one in enumerate(self._listed):
            if not one.entry.folder:
                await self._send(index, one)
        while not self._transmission.done:
            await self._heard.wait()
        self._tell_done(everything=True)

    async def _listen(self) -> None:
        while not self._transmission.done:
            self._transmission.receive(await self._hear())
            self._tell_done()
            self._heard.set()
            self._heard = trio.Event()

    async def _hear(self) -> str | bytes:
        try:
            return await hear(self._channel)
        except FileError as error:
            if self._transmission.was_heard or not isinstance(error.__cause__, trio.EndOfChannel):
                raise
            raise FileError(
                "the other side does not take files, or has hung up",
                code="not_taken",
                fault="remote",
            ) from error

    def _tell_done(self, *, everything: bool = False) -> None:
        while self._under_way:
            until, index, done, complete = self._under_way[0]
            if not everything and until > self._transmission.received:
                break
            self._tally.tell(index, done, complete=complete)
            del self._under_way[0]

    async def _send(self, index: int, one: Listed) -> None:
        if not isinstance(one.origin, Path):
            await self._send_stream(index, one.origin)
            return
        reader = FileReader(one.origin, one.entry)
        try:
            start = await self._skip(index, one, reader)
            await self._channel.send(wire.encode(wire.FileBegin(index=index, start=start)))
            async with _reading_ahead(reader) as blocks:
                end = await self._send_blocks(index, blocks, start)
            size, digest = await world().run_in_thread(reader.end)
        finally:
            reader.close()
        await self._end(index, end, size, digest)

    async def _skip(self, index: int, one: Listed, reader: FileReader) -> int:
        """How much of the file the other side has: what it says, if that is how the file begins."""
        part = self._transmission.kept.get(index)
        if part is None or part.size > (one.entry.size or 0):
            return 0
        left = part.size
        while left and (data := await world().run_in_thread(reader.read, min(BLOCK, left))):
            left -= len(data)
        if left or not reader.begins_with(part.sha256):
            return 0
        self._tally.tell(index, part.size)
        return part.size

    async def _send_stream(self, index: int, stream: trio.abc.ReceiveStream) -> None:
        digest = hashlib.sha256()

        async def blocks() -> AsyncIterator[bytes]:
            async for data in stream:
                digest.update(data)
                yield bytes(data)

        await self._channel.send(wire.encode(wire.FileBegin(index=index)))
        size = await self._send_blocks(index, blocks(), 0)
        await self._end(index, size, size, digest.hexdigest())

    async def _send_blocks(self, index: int, blocks: AsyncIterable[bytes], done: int) -> int:
        size = int(min(wire.PIECE, self._channel.max_message_size))
        async for block in blocks:
            for start in range(0, len(block), size):
                while not self._transmission.may_send:
                    await self._heard.wait()
                piece = block[start : start + size]
                # First, since the word about it may come before sending is over.
                self._transmission.sent += len(piece)
                await self._channel.send(piece)
                done += len(piece)
            self._under_way.append((self._transmission.sent, index, done, False))
        return done

    async def _end(self, index: int, done: int, size: int, digest: str) -> None:
        self._transmission.ended += 1
        await self._channel.send(wire.encode(wire.FileEnd(size=size, sha256=digest)))
        self._under_way.append((self._transmission.sent, index, done, True))


@asynccontextmanager
async def _reading_ahead(reader: FileReader) -> AsyncIterator[AsyncIterable[bytes]]:
    """The blocks of a file, some of them read already."""
    give, take = trio.open_memory_channel[bytes](READ_AHEAD)

    async def read_on() -> None:
        async with give:
            while data := await world().run_in_thread(reader.read):
                await give.send(data)

    async with open_background_nursery() as nursery:
        nursery.start_soon(read_on)
        yield take

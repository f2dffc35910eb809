"""Both sides of a transfer as machines, without I/O: what comes next, and what is a lie.

A receiver is in one of the states of `_TAKES`, which says what may be said in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..errors import FileError
from ..text import one_line
from ..wire import files as wire

_TAKES: Final[dict[str, tuple[type, ...]]] = {
    "manifest": (wire.ManifestPart, wire.ManifestEnd),
    "asking": (),
    "between": (wire.FileBegin,),
    "content": (wire.FileEnd,),
    "complete": (),
}


@dataclass(frozen=True, slots=True)
class ManifestComplete:
    """The manifest is complete: ask whether it is wanted."""

    entries: Sequence[wire.FileEntry]


@dataclass(frozen=True, slots=True)
class FileContent:
    """Bytes of the file that was begun."""

    data: bytes


Event: TypeAlias = ManifestComplete | wire.FileBegin | FileContent | wire.FileEnd


def failure(said: wire.FilesFailed) -> FileError:
    """The error that the other side has told of."""
    code = said.code if said.code.isidentifier() else "file_failed"
    what = {"cancelled": "the other side has cancelled", "declined": "the other side declined"}
    message = what.get(code) or one_line(said.message) or "the other side has given up"
    return FileError(message, code=code, fault="remote")


def _unexpected(what: wire.Said | wire.KeptFile | None) -> FileError:
    said = "content" if what is None else what.__struct_config__.tag or "have"
    return FileError(
        f"the other side says {said!r} where it makes no sense",
        code="bad_message",
        fault="remote",
    )


class FilesReception:
    """The receiver's side.

    Args:
        max_entries: how many files and folders a manifest may have.
    """

    def __init__(self, max_entries: int = wire.MAX_ENTRIES):
        self._max_entries = max_entries
        self._state = "manifest"
        self._next = 0
        self._left: int | None = None
        self._came = 0
        self._start = 0
        self._kept: dict[int, int] = {}
        self.entries: list[wire.FileEntry] = []

    def receive(self, message: str | bytes) -> Event | None:
        """What a message brings; None if there is nothing to do about it.

        Raises:
            FileError: what the other side says makes no sense, or it has given up.
        """
        if isinstance(message, bytes):
            return self._receive_content(message)
        said = wire.decode(message)
        if isinstance(said, wire.FilesFailed):
            raise failure(said)
        if not isinstance(said, _TAKES[self._state]):
            raise _unexpected(said)
        match said:
            case wire.ManifestPart(entries=entries):
                self.entries += entries
                if len(self.entries) > self._max_entries:
                    raise FileError(
                        f"there are more than {self._max_entries} files",
                        code="too_many_files",
                        fault="remote",
                    )
                return None
            case wire.ManifestEnd(count=count):
                if count != len(self.entries):
                    raise _unexpected(said)
                self._state = "asking"
                return ManifestComplete(self.entries)
            case wire.FileBegin():
                return self._begin(said)
            case wire.FileEnd():
                return self._end(said)
        raise _unexpected(said)

    def accepted(self, kept: Sequence[wire.KeptFile]) -> None:
        """It was accepted, and these parts are here."""
        self._kept = {part.index: part.size for part in kept}
        self._advance()

    @property
    def complete(self) -> bool:
        """Whether all files have come."""
        return self._state == "complete"

    def _advance(self) -> None:
        while self._next < len(self.entries) and self.entries[self._next].folder:
            self._next += 1
        self._state = "between" if self._next < len(self.entries) else "complete"

    def _begin(self, begin: wire.FileBegin) -> wire.FileBegin:
        if begin.index != self._next or begin.start not in (0, self._kept.get(begin.index, 0)):
            raise _unexpected(begin)
        size = self.entries[begin.index].size
        self._state, self._start, self._came = "content", begin.start, 0
        self._left = None if size is None else size - begin.start
        return begin

    def _receive_content(self, data: bytes) -> FileContent:
        if self._state != "content":
            raise _unexpected(None)
        self._came += len(data)
        if self._left is not None and self._came > self._left:
            raise FileError(
                f"{wire.describe(self.entries[self._next])} is larger than was said",
                code="wrong_size",
                fault="remote",
            )
        return FileContent(data)

    def _end(self, end: wire.FileEnd) -> wire.FileEnd:
        short = self._left is not None and self._came != self._left
        if short or end.size != self._start + self._came:
            raise FileError(
                f"{wire.describe(self.entries[self._next])} is not as large as was said",
                code="wrong_size",
                fault="remote",
            )
        self._next += 1
        self._advance()
        return end


class FilesTransmission:
    """The sender's side: what the receiver has, how much may be on its way, and the end.

    Attributes:
        was_heard: whether the receiver has said anything.
        accepted: whether it takes the files.
        done: whether it has all of them.
        kept: what it has of each, by its index.
        ended: how many files we have sent to their end.
        sent: bytes of content that we have sent.
        received: of these, bytes that it has written.
    """

    def __init__(self, entries: Sequence[wire.FileEntry]):
        self._entries = entries
        self._files = sum(not entry.folder for entry in entries)
        self.was_heard = False
        self.accepted = False
        self.ended = 0
        self.done = False
        self.kept: dict[int, wire.KeptFile] = {}
        self.sent = 0
        self.received = 0

    def receive(self, message: str | bytes) -> None:
        """Take in what the receiver says.

        Raises:
            FileError: it makes no sense, or the receiver has declined or given up.
        """
        self.was_heard = True
        if isinstance(message, bytes):
            raise _unexpected(None)
        match wire.decode(message):
            case wire.FilesFailed() as said:
                raise failure(said)
            case wire.KeptFiles(files=files) if not self.accepted:
                for part in files:
                    if part.index >= len(self._entries) or part.index in self.kept:
                        raise _unexpected(part)
                    self.kept[part.index] = part
            case wire.FilesAccepted() if not self.accepted:
                self.accepted = True
            case wire.FilesWritten() as said if self.received <= said.bytes <= self.sent:
                self.received = said.bytes
            case wire.FilesDone() if self.accepted and self.ended == self._files:
                self.done = True
            case other:
                raise _unexpected(other)

    @property
    def may_send(self) -> bool:
        """Whether there is room for another piece on the way."""
        return self.sent - self.received < wire.WINDOW

"""Destination of received files: beside their places first, and moved there when whole.

Everything that is not complete is in one folder, named after the manifest. So a transfer that was
interrupted is found again, by whoever sends the same. All functions here block.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..errors import FileError
from ..text import one_line
from ..wire.files import (
    MAX_NAME_BYTES,
    WORK_PREFIX,
    FileEntry,
    KeptFile,
    describe,
    fingerprint,
    names_of,
)
from .file_writing import FileWriter, naming

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_JOURNAL: Final = "journal"
_BLOCK: Final = 2**20


def prepare_folder(folder: Path) -> None:
    """Make a folder that files are to be received in, unless it is there.

    Raises:
        FileError: ``not_writable``, ``no_space``: it cannot be made, or nothing can be put there.
    """
    with naming(str(folder)):
        folder.mkdir(exist_ok=True)
        _require_writable(folder)


def _require_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


class Destination:
    """The places of one transfer.

    Args:
        folder: where everything goes, and nothing outside of it.
        entries: the manifest, which has been checked.
    """

    def __init__(self, folder: Path, entries: Sequence[FileEntry]):
        self._folder = folder
        self._entries = entries
        self._work = folder / f"{WORK_PREFIX}{fingerprint(entries)}.part"
        self._root = self._parts = self._journal = -1
        #: What the first name of each path has become, so that nothing is overwritten.
        self._tops: dict[str, str] = {}
        self._done: dict[int, str] = {}

    # Looking.

    def look(self) -> list[KeptFile]:
        """What is here of these files already; writes nothing.

        Raises:
            FileError: ``not_writable``, ``no_space``, ``busy``: it is being received already.
        """
        with naming(str(self._folder)):
            self._root = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            _require_writable(self._folder)
        kept = []
        with naming(str(self._work)):
            try:
                self._parts = os.open(self._work.name, _FOLDER, dir_fd=self._root)
            except FileNotFoundError:
                pass
            else:
                self._lock()
                self._read_journal()
                kept = [part for part in map(self._kept, range(len(self._entries))) if part]
        needed = sum(entry.size or 0 for entry in self._entries) - sum(part.size for part in kept)
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            raise FileError(
                f"{needed} bytes are needed in {one_line(str(self._folder))}, and {free} are free",
                code="no_space",
            )
        return kept

    def _lock(self) -> None:
        try:
            fcntl.flock(self._parts, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FileError("these files are being received already", code="busy") from error

    def _read_journal(self) -> None:
        try:
            journal = os.open(_JOURNAL, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._parts)
        except FileNotFoundError:
            return
        with os.fdopen(journal, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                # The last one may have been cut by a crash.
                with suppress(ValueError, TypeError, KeyError, IndexError):
                    said = json.loads(line)
                    if "done" in said:
                        index, name = int(said["done"]), str(said["name"])
                        self._done[index] = name
                        if len(names := _native(self._entries[index].path)) == 1:
                            self._tops[names[0]] = name
                    else:
                        self._tops[str(said["top"])] = str(said["name"])

    def _kept(self, index: int) -> KeptFile | None:
        entry = self._entries[index]
        if entry.folder or entry.size is None:
            return None
        try:
            if index in self._done:
                names = _native(entry.path)
                with self._parent([self._tops.get(names[0], names[0]), *names[1:]]) as parent:
                    file = os.open(self._done[index], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
            else:
                file = os.open(str(index), os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._parts)
        except OSError:
            return None
        digest, size = hashlib.sha256(), 0
        with os.fdopen(file, "rb", buffering=0) as readable:
            while data := readable.read(_BLOCK):
                digest.update(data)
                size += len(data)
        if size > entry.size or (index in self._done and size != entry.size):
            return None
        return KeptFile(index, size, digest.hexdigest()) if size else None

    # Writing.

    def prepare(self) -> None:
        """Make the folders."""
        with naming(str(self._work)):
            if self._parts < 0:
                os.mkdir(self._work.name, 0o700, dir_fd=self._root)
                self._parts = os.open(self._work.name, _FOLDER, dir_fd=self._root)
                self._lock()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self._journal = os.open(_JOURNAL, flags, 0o600, dir_fd=self._parts)
        for entry in self._entries:
            if entry.folder:
                with naming(describe(entry)):
                    self._make_folder(_native(entry.path))

    def _note(self, **what: object) -> None:
        os.write(self._journal, f"{json.dumps(what)}\n".encode())

    def _make_folder(self, names: Sequence[str]) -> None:
        first = names[0]
        if first not in self._tops:
            for name in _alternatives(first):
                try:
                    os.mkdir(name, dir_fd=self._root)
                except FileExistsError:
                    continue
                self._tops[first] = name
                self._note(top=first, name=name)
                break
        with self._parent([self._tops[first], *names[1:], ""], make=True):
            pass

    @contextmanager
    def _parent(self, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """The folder of the last of these names. No symbolic link leads out of it."""
        folder = os.dup(self._root)
        try:
            for name in names[:-1]:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=folder)
                inner = os.open(name, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def begin(self, index: int, start: int) -> Incoming:
        """Write a file from this byte on; what is there before stays."""
        with naming(describe(self._entries[index])):
            if index in self._done:
                if start == self._entries[index].size:
                    return Incoming(self, index, None)
                # The other side has another file of this name and size by now.
                del self._done[index]
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = FileWriter(os.open(str(index), flags, 0o666, dir_fd=self._parts))
            file.rewind(start)
            return Incoming(self, index, file)

    def place(self, index: int) -> None:
        """Move a file that is whole to where it belongs, under a name that is free."""
        entry = self._entries[index]
        names = _native(entry.path)
        with naming(describe(entry)):
            if len(names) > 1:
                self._make_folder(names[:-1])
                names = (self._tops[names[0]], *names[1:])
            with self._parent(names) as parent:
                for name in _alternatives(names[-1]):
                    if self._move(str(index), parent, name):
                        break
                os.fsync(parent)
        self._done[index] = name
        if len(names) == 1:
            self._tops[names[0]] = name
        self._note(done=index, name=name)

    def _move(self, part: str, parent: int, name: str) -> bool:
        """Give a file its name, unless that is taken."""
        try:
            os.link(part, name, src_dir_fd=self._parts, dst_dir_fd=parent)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            # A file system without links, such as FAT.
            with suppress(FileNotFoundError):
                os.stat(name, dir_fd=parent, follow_symlinks=False)
                return False
            os.rename(part, name, src_dir_fd=self._parts, dst_dir_fd=parent)
        else:
            os.unlink(part, dir_fd=self._parts)
        return True

    def forget(self, index: int) -> None:
        """Remove what has come of a file."""
        with suppress(OSError):
            os.unlink(str(index), dir_fd=self._parts)

    def arrived(self) -> tuple[Path, ...]:
        """Where the first names of all paths have gone."""
        firsts = dict.fromkeys(_native(entry.path)[0] for entry in self._entries)
        return tuple(self._folder / self._tops.get(first, first) for first in firsts)

    def close(self, *, keep: bool) -> None:
        """Let go; without ``keep``, what is not complete is removed."""
        if self._parts >= 0 and not keep:
            shutil.rmtree(self._work, ignore_errors=True)
        for descriptor in (self._journal, self._parts, self._root):
            if descriptor >= 0:
                os.close(descriptor)
        self._journal = self._parts = self._root = -1


class Incoming:
    """A file that is being received. With None for the file it is here already."""

    def __init__(self, destination: Destination, index: int, file: FileWriter | None):
        self._destination = destination
        self._index = index
        self._file = file

    def write(self, pieces: Sequence[bytes], what: str) -> None:
        """Add what has come."""
        assert self._file is not None
        with naming(what):
            self._file.write(pieces)

    def finish(self, digest: str, modified: float | None, what: str) -> None:
        """See whether it is what was sent, and put it where it belongs.

        Raises:
            FileError: ``wrong_hash``: it is something else, and is removed.
        """
        if self._file is None:
            return
        if self._file.digest != digest:
            self._destination.forget(self._index)
            raise FileError(
                f"{what} is not what was sent: its hash differs", code="wrong_hash", fault="remote"
            )
        with naming(what):
            self._file.finish(modified)
        self._destination.place(self._index)

    def close(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _native(path: str) -> tuple[str, ...]:
    """The names in a path as this system is given them: in UTF-8, whatever the locale says."""
    return tuple(os.fsdecode(name.encode()) for name in names_of(path))


def _alternatives(name: str) -> Iterator[str]:
    """The name, and what it becomes where that is taken: ``report (2).txt``."""
    yield name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    for number in range(2, 1_000_000):
        ending = os.fsencode(f" ({number}){suffix}")
        room = MAX_NAME_BYTES - len(ending)
        start = os.fsencode(stem)[:room].decode(errors="ignore").encode()
        yield os.fsdecode(start + ending)

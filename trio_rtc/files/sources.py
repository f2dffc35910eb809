"""Sources of a transfer: files and folders as they are on the disk, and streams."""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import trio

from ..errors import FileError
from ..text import one_line
from ..wire.files import FileEntry, check

Source: TypeAlias = "str | os.PathLike[str] | tuple[str, trio.abc.ReceiveStream]"
"""A path, or a stream and the name that the file shall have at the other side."""

BLOCK: Final = 2**21
"""Bytes that are read at once. A thread that comes back for more has to wait each time."""


@dataclass(frozen=True)
class Listed:
    """An entry of the manifest, and what it stands for here."""

    entry: FileEntry
    origin: Path | trio.abc.ReceiveStream


def list_sources(sources: Iterable[Source], skip: Callable[[str], object]) -> list[Listed]:
    """Everything that is to be sent, with folders before what is in them.

    Args:
        sources: what the program names. A symbolic link among these is followed.
        skip: told the paths of what is in a folder and left out: symbolic links, which may lead
            anywhere, and whatever is neither a file nor a folder.

    Raises:
        FileError: ``no_such_file``, ``not_readable``, ``bad_name``, ``name_clash``, ``no_files``.
    """
    found = [one for source in sources for one in _list_one(source, skip)]
    if not found:
        raise FileError("there is nothing to send", code="no_files")
    try:
        check([one.entry for one in found])
    except FileError as error:
        raise FileError(str(error), code=error.code) from None
    return found


def _list_one(source: Source, skip: Callable[[str], object]) -> Iterator[Listed]:
    if isinstance(source, tuple):
        name, stream = source
        yield Listed(FileEntry(path=_normal(name)), stream)
        return
    path = Path(source)
    with _naming(path):
        # A name of its own, also for "." and "..".
        name = path.name if path.name not in ("", "..") else path.resolve().name
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise FileError(
                f"{one_line(str(path))} is neither a file nor a folder", code="not_readable"
            )
        yield from _walk(path, status, _normal(name), skip)


def _walk(
    path: Path, status: os.stat_result, name: str, skip: Callable[[str], object]
) -> Iterator[Listed]:
    if stat.S_ISREG(status.st_mode):
        yield Listed(FileEntry(path=name, size=status.st_size, modified=status.st_mtime), path)
    elif stat.S_ISDIR(status.st_mode):
        yield Listed(FileEntry(path=name, folder=True), path)
        with os.scandir(path) as inside:
            children = sorted(inside, key=lambda child: child.name)
        for child in children:
            with _naming(Path(child.path)):
                yield from _walk(
                    Path(child.path),
                    child.stat(follow_symlinks=False),
                    f"{name}/{_normal(child.name)}",
                    skip,
                )
    else:
        skip(str(path))


class _naming:  # noqa: N801
    """Errors of the system in the words of this package."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            missing = isinstance(error, FileNotFoundError)
            raise FileError(
                f"{one_line(str(self._path))}: {error.strerror}",
                code="no_such_file" if missing else "not_readable",
            ) from error


def _normal(name: str) -> str:
    """A name as others are told it: names are in UTF-8, whatever the locale says."""
    text = os.fsencode(name).decode(errors="surrogateescape")
    return unicodedata.normalize("NFC", text)


class FileReader:
    """Reads a file block by block, and sees whether it changes meanwhile. It blocks.

    Args:
        path: where it is.
        entry: what the manifest says of it.
    """

    def __init__(self, path: Path, entry: FileEntry):
        self._path = path
        self._entry = entry
        self._file: int | None = None
        self._hash = hashlib.sha256()
        self._read = 0

    def read(self, limit: int = BLOCK) -> bytes:
        """The next block; empty at the end.

        Raises:
            FileError: ``file_changed``, ``not_readable``.
        """
        with _naming(self._path):
            self._open()
            assert self._file is not None
            data = os.read(self._file, limit)
        self._hash.update(data)
        self._read += len(data)
        return data

    def begins_with(self, digest: str) -> bool:
        """Whether what was read so far has this hash; if not, it begins again."""
        if self._hash.hexdigest() == digest:
            return True
        assert self._file is not None
        os.lseek(self._file, 0, os.SEEK_SET)
        self._hash, self._read = hashlib.sha256(), 0
        return False

    def _open(self) -> None:
        if self._file is None:
            # It was looked at, and may be something else by now, such as a pipe that never opens.
            self._file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._check()

    def end(self) -> tuple[int, str]:
        """Size and hash of the whole.

        Raises:
            FileError: ``file_changed``: it is not what it was when the manifest was made.
        """
        self._check()
        if self._read != self._entry.size:
            raise self._changed()
        return self._read, self._hash.hexdigest()

    def _check(self) -> None:
        assert self._file is not None
        status = os.fstat(self._file)
        entry = self._entry
        if (stat.S_ISREG(status.st_mode), status.st_size, status.st_mtime) != (
            True,
            entry.size,
            entry.modified,
        ):
            raise self._changed()

    def _changed(self) -> FileError:
        return FileError(
            f"{one_line(str(self._path))} has changed while it was sent", code="file_changed"
        )

    def close(self) -> None:
        """Let go of it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

"""Writing a file while its content comes. Everything here blocks."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from ..errors import FileError
from ..text import one_line

_BLOCK: Final = 2**20
_FLUSH: Final = 8 * 2**20
"""Bytes after which the system begins to write them to the disk."""

_DIRECT: Final[int] = getattr(os, "O_DIRECT", 0)
"""Past the page cache: pages for what is written once, and not read, are much of the work."""

_ALIGNED: Final = 4096
"""What places, sizes and memory have to be multiples of for that, everywhere that we know of."""

_CODES: Final = {
    errno.ENOSPC: "no_space",
    errno.EDQUOT: "no_space",
    errno.EFBIG: "no_space",
}


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Errors of the system in the words of this package."""
    try:
        yield
    except OSError as error:
        raise FileError(
            f"cannot write {one_line(what)}: {error.strerror}",
            code=_CODES.get(error.errno or 0, "not_writable"),
        ) from error


class FileWriter:
    """Writes to the end of a file, and hashes what is in it.

    Args:
        file: its descriptor, which is closed in the end.
    """

    def __init__(self, file: int):
        self._file = file
        self._digest = hashlib.sha256()
        self._buffer: mmap.mmap | None = None
        self._at = self._flushed = 0
        self._may_be_direct = bool(_DIRECT)
        self._is_direct = False

    @property
    def digest(self) -> str:
        """The SHA-256 of all that is in it."""
        return self._digest.hexdigest()

    def rewind(self, start: int) -> None:
        """Keep so many bytes, and forget the others."""
        os.ftruncate(self._file, start)
        self._at = self._flushed = start
        while start:
            data = os.read(self._file, min(_BLOCK, start))
            self._digest.update(data)
            start -= len(data)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Add these bytes."""
        left = self._as_one(pieces)
        self._digest.update(left)
        while left:
            self._be_direct((self._at | len(left)) % _ALIGNED == 0)
            try:
                written = os.write(self._file, left)
            except OSError as error:
                if not self._is_direct or error.errno != errno.EINVAL:
                    raise
                # Some file systems say only now that they cannot.
                self._be_direct(False)
                self._may_be_direct = False
                continue
            left = left[written:]
            self._at += written
        self._begin_to_flush()

    def _be_direct(self, wanted: bool) -> None:
        if wanted == self._is_direct or not self._may_be_direct:
            return
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL) & ~_DIRECT
        try:
            fcntl.fcntl(self._file, fcntl.F_SETFL, flags | (_DIRECT if wanted else 0))
        except OSError:
            self._may_be_direct = False
        else:
            self._is_direct = wanted

    def _begin_to_flush(self) -> None:
        """Have the system write to the disk while more comes, so that the end is not kept waiting.

        The advice that this part is not needed soon does that in Linux, without waiting for it.
        """
        if self._is_direct:
            self._flushed = self._at
        elif self._at - self._flushed >= _FLUSH:
            with suppress(OSError):
                os.posix_fadvise(
                    self._file, self._flushed, self._at - self._flushed, os.POSIX_FADV_DONTNEED
                )
            self._flushed = self._at

    def _as_one(self, pieces: Sequence[bytes]) -> memoryview:
        """All of it as one: whoever lets the interpreter go has to wait for it.

        The memory is that of the last time: what is new costs more than the copying. It begins with
        a page.
        """
        size = sum(map(len, pieces))
        if self._buffer is None or size > len(self._buffer):
            self._buffer = mmap.mmap(-1, max(size, _ALIGNED))
        whole = memoryview(self._buffer)[:size]
        at = 0
        for piece in pieces:
            whole[at : at + len(piece)] = piece
            at += len(piece)
        return whole

    def finish(self, modified: float | None) -> None:
        """Have all of it on the disk; it was changed at that time, in seconds since 1970."""
        if modified is not None:
            # Some file systems know of no such times.
            with suppress(OSError, OverflowError, ValueError):
                os.utime(self._file, (modified, modified))
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)

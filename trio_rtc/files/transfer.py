"""Transfer of files as programs see it, and how it counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..signaling import Peer
from ..wire.files import FileEntry


@dataclass(frozen=True, slots=True)
class FileOffer:
    """What somebody wants to send, before anything of it is written.

    Attributes:
        peer: who.
        paths: the paths of all files, with ``/`` between the names.
        size: bytes in all; None if the size of one is not known, as of what comes out of a pipe.
        kept: of these, bytes that are here already, from a transfer that was interrupted.
        clashes: paths that differ from another one only in upper and lower case.
    """

    peer: Peer
    paths: Sequence[str]
    size: int | None
    kept: int
    clashes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FileProgress:
    """How far a transfer is.

    Attributes:
        path: the file that is under way, or was the last one.
        file_bytes: how much of it is done.
        file_size: how large it is; None if nobody knows yet.
        bytes: how much of everything is done, what was here already included. Done is what the
            receiver has written.
        size: how large everything is; None if nobody knows yet.
        files: how many files are complete.
        count: how many there are.
    """

    path: str
    file_bytes: int
    file_size: int | None
    bytes: int
    size: int | None
    files: int
    count: int


Progress = Callable[[FileProgress], object]
"""Is called with how far a transfer is, whenever some of it is done. It must not take long."""


@dataclass
class Tally:
    """Counts what is done, in whatever order it is told, and tells the program.

    Args:
        entries: the manifest.
        progress: what the program is told with.
    """

    entries: Sequence[FileEntry]
    progress: Progress | None
    _done: dict[int, int] = field(default_factory=dict)
    _total: int = 0
    _complete: int = 0

    def __post_init__(self) -> None:
        files = [entry for entry in self.entries if not entry.folder]
        self.count = len(files)
        self.size = total_size(self.entries)

    def tell(self, index: int, done: int, *, complete: bool = False) -> None:
        """So much of this entry is done."""
        self._total += done - self._done.get(index, 0)
        if complete:
            self._complete += 1
            self._done.pop(index, None)
        else:
            self._done[index] = done
        if self.progress is not None:
            entry = self.entries[index]
            self.progress(
                FileProgress(
                    entry.path,
                    done,
                    entry.size,
                    self._total,
                    self.size,
                    self._complete,
                    self.count,
                )
            )


def total_size(entries: Sequence[FileEntry]) -> int | None:
    """Bytes of all files; None if that of one is not known."""
    sizes = [entry.size for entry in entries if not entry.folder]
    return None if None in sizes else sum(size for size in sizes if size is not None)

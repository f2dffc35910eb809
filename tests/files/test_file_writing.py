"""Writing what comes: all of it is there in the end, however the file system wants it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from trio_rtc.files import file_writing
from trio_rtc.files.file_writing import FileWriter

PIECE = 65536
BATCHES = (8 * PIECE, PIECE, 100_001, 3 * PIECE, 5, 0, 8 * PIECE)


def takes_no_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that does not let itself be passed the cache by, as some in memory do not."""
    real = fcntl.fcntl

    def refuse(file: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETFL:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(file, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refuse)


def takes_no_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says so when it is too late."""
    real = os.write

    def refuse(file: int, data: bytes) -> int:
        if fcntl.fcntl(file, fcntl.F_GETFL) & file_writing._DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(file, data)

    monkeypatch.setattr(os, "write", refuse)


def writes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not take all at once, and not what goes with pages either."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:70_001]))


def has_no_such_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not know of it."""
    monkeypatch.setattr(file_writing, "_DIRECT", 0)


@pytest.mark.parametrize("start", [0, 4096, 4099])
@pytest.mark.parametrize(
    "system",
    [lambda _: None, takes_no_flag, takes_no_write, writes_in_parts, has_no_such_thing],
    ids=["as it is", "takes no flag", "takes no write", "writes in parts", "has no such thing"],
)
def test_all_of_it_is_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: Callable[[pytest.MonkeyPatch], None],
    start: int,
) -> None:
    content = os.urandom(start + sum(BATCHES))
    path = tmp_path / "file"
    path.write_bytes(content[:start] + b"what is not kept")
    system(monkeypatch)
    writer = FileWriter(os.open(path, os.O_RDWR))
    writer.rewind(start)
    at = start
    for size in BATCHES:
        part = content[at : at + size]
        writer.write([part[place : place + PIECE] for place in range(0, size, PIECE)])
        at += size
    writer.finish(1_000_000_000)
    writer.close()
    assert path.read_bytes() == content
    assert writer.digest == hashlib.sha256(content).hexdigest()
    assert path.stat().st_mtime == 1_000_000_000


def test_a_disk_that_is_full_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = FileWriter(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    monkeypatch.setattr(os, "write", full)
    for size in (PIECE, 7):
        with pytest.raises(OSError, match="No space"):
            writer.write([bytes(size)])
    writer.close()


def test_the_page_cache_is_passed_by_where_that_is_possible(tmp_path: Path) -> None:
    aligned = mmap.mmap(-1, PIECE)
    file = os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT)
    possible = True
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, file_writing._DIRECT)
        os.write(file, aligned)
    except OSError:
        possible = False
    os.close(file)
    writer = FileWriter(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    writer.write([bytes(PIECE)] * 3)
    assert writer._is_direct == possible
    writer.write([bytes(5)])
    assert not writer._is_direct
    writer.close()

"""Files over real calls: they arrive whole, or not at all, and only where they belong."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from trio_rtc import DataChannel, FileError, FileOffer, FileProgress, receive_files, send_files
from trio_rtc.wire import channel_protocols
from trio_rtc.wire import files as wire

from ..calls.both_sides import Ends, open_both


@asynccontextmanager
async def call() -> AsyncIterator[Ends]:
    async with open_both() as ends:
        yield ends


async def transfer(
    ends: Ends, sources: list[object], folder: Path, **options: object
) -> tuple[Path, ...]:
    """Send and receive; where things are."""
    arrived: list[tuple[Path, ...]] = []

    async def receive() -> None:
        arrived.append(await receive_files(ends.bob, folder, **options))  # type: ignore[arg-type]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await send_files(ends.alice, sources)  # type: ignore[arg-type]
    return arrived[0]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def make(folder: Path) -> Path:
    (folder / "empty").mkdir(parents=True)
    (folder / "inner").mkdir()
    (folder / "a.txt").write_text("hello")
    (folder / "nothing").touch()
    (folder / "inner" / "Straße ünd.bin").write_bytes(os.urandom(3_000_001))
    return folder


async def test_folders_and_files_arrive_as_they_are(tmp_path: Path) -> None:
    source = make(tmp_path / "things")
    (source / "out").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    single = tmp_path / "single.txt"
    single.write_text("one")
    os.utime(single, (1_000_000_000, 1_000_000_000))
    here = tmp_path / "here"
    here.mkdir()
    async with call() as ends:
        arrived = await transfer(ends, [source, single], here)
        (source / "out").unlink()
        (source / "pipe").unlink()
        assert tree(here / "things") == tree(source)
        assert arrived == (here / "things", here / "single.txt")
        assert (here / "single.txt").stat().st_mtime == 1_000_000_000
        # Again: nothing is overwritten.
        (here / "single.txt").write_text("mine")
        arrived = await transfer(ends, [source, single], here)
        assert arrived == (here / "things (2)", here / "single (2).txt")
        assert tree(here / "things (2)") == tree(source)
        assert (here / "single.txt").read_text() == "mine"
    assert len(list(here.iterdir())) == 4


async def test_both_ways_at_once(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(os.urandom(500_000))
        (tmp_path / f"from {name}").mkdir()
    async with call() as ends, trio.open_nursery() as nursery:
        nursery.start_soon(receive_files, ends.alice, tmp_path / "from b")
        nursery.start_soon(receive_files, ends.bob, tmp_path / "from a")
        nursery.start_soon(send_files, ends.alice, [tmp_path / "a"])
        nursery.start_soon(send_files, ends.bob, [tmp_path / "b"])
    for name in "ab":
        assert (tmp_path / f"from {name}" / name).read_bytes() == (tmp_path / name).read_bytes()


async def test_a_stream_becomes_a_file(tmp_path: Path) -> None:
    near, far = trio.testing.memory_stream_one_way_pair()
    async with call() as ends, trio.open_nursery() as nursery:

        async def feed() -> None:
            for _ in range(30):
                await near.send_all(b"x" * 100_000)
            await near.aclose()

        nursery.start_soon(feed)
        await transfer(ends, [("log.txt", far)], tmp_path)
    assert (tmp_path / "log.txt").read_bytes() == b"x" * 3_000_000


async def test_progress_ends_with_everything(tmp_path: Path) -> None:
    source = make(tmp_path / "things")
    (tmp_path / "here").mkdir()
    sent: list[FileProgress] = []
    received: list[FileProgress] = []
    async with call() as ends, trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: receive_files(ends.bob, tmp_path / "here", progress=received.append)
        )
        await send_files(ends.alice, [source], progress=sent.append)
    for seen in (sent, received):
        assert (seen[-1].bytes, seen[-1].size) == (3_000_006, 3_000_006)
        assert (seen[-1].files, seen[-1].count) == (3, 3)
        assert [one.bytes for one in seen] == sorted(one.bytes for one in seen)


async def fails(
    ends: Ends, sources: list[object], folder: Path, **options: object
) -> tuple[FileError, FileError]:
    """What both sides are told, the sender first."""
    errors: dict[str, FileError] = {}

    async def attempt(who: str, what: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(FileError) as caught:
            await what()
        errors[who] = caught.value

    async with trio.open_nursery() as nursery:
        nursery.start_soon(attempt, "bob", lambda: receive_files(ends.bob, folder, **options))  # type: ignore[arg-type]
        await attempt("alice", lambda: send_files(ends.alice, sources))  # type: ignore[arg-type]
    return errors["alice"], errors["bob"]


async def test_somebody_is_asked_before_anything_is_written(tmp_path: Path) -> None:
    source = make(tmp_path / "things")
    here = tmp_path / "here"
    here.mkdir()
    offers: list[FileOffer] = []

    async def decline(offer: FileOffer) -> bool:
        offers.append(offer)
        assert not list(here.iterdir())
        return False

    async with call() as ends:
        told, error = await fails(ends, [source], here, accept=decline)
    assert told.code == error.code == "declined"
    assert (told.fault, error.fault) == ("remote", "local")
    [offer] = offers
    assert offer.size == 3_000_006
    assert offer.peer.name == "alice"
    assert set(offer.paths) == {"things/a.txt", "things/nothing", "things/inner/Straße ünd.bin"}
    assert not list(here.iterdir())


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    async with call() as ends:
        told, error = await fails(ends, [tmp_path / "a"], tmp_path / "missing")
    assert told.code == error.code == "not_writable"
    assert "No such file" in str(told)


async def test_no_space_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("", (), {"free": 999}))
    async with call() as ends:
        told, error = await fails(ends, [tmp_path / "a"], tmp_path / "here")
    assert told.code == error.code == "no_space"
    assert not list((tmp_path / "here").iterdir())


async def test_a_disk_that_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(os.urandom(12_000_000))
    (tmp_path / "here").mkdir()
    write = os.write
    left = 6_000_000

    def limited(descriptor: int, data: bytes) -> int:
        nonlocal left
        if len(data) > 1000:
            left -= len(data)
            if left < 0:
                raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", limited)
    async with call() as ends:
        told, error = await fails(ends, [tmp_path / "a"], tmp_path / "here")
        assert told.code == error.code == "no_space"
        assert not (tmp_path / "here" / "a").exists()
        # There is room again: the rest is enough.
        left = 10**9
        offers = []

        async def ask(offer: FileOffer) -> bool:
            offers.append(offer)
            return True

        await transfer(ends, [tmp_path / "a"], tmp_path / "here", accept=ask)
    assert offers[0].kept > 900_000
    assert tree(tmp_path / "here") == {"a": (tmp_path / "a").read_bytes()}


async def test_a_file_that_changes_while_it_is_sent(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(os.urandom(5_000_000))
    (tmp_path / "here").mkdir()

    async def touch(offer: FileOffer) -> bool:
        with source.open("ab") as file:
            file.write(b"more")
        return True

    async with call() as ends:
        told, error = await fails(ends, [source], tmp_path / "here", accept=touch)
    assert told.code == error.code == "file_changed"
    assert not list((tmp_path / "here").iterdir())


async def test_what_is_not_there_is_said_before_anybody_is_asked(tmp_path: Path) -> None:
    async with call() as ends:
        for sources, code in [([tmp_path / "missing"], "no_such_file"), ([], "no_files")]:
            with pytest.raises(FileError) as caught:
                await send_files(ends.alice, sources)
            assert caught.value.code == code
        assert not ends.bob.channels.statistics().current_buffer_used


@pytest.mark.parametrize("who", ["sender", "receiver"])
async def test_either_side_may_cancel(tmp_path: Path, who: str) -> None:
    source = tmp_path / "a"
    source.write_bytes(os.urandom(60_000_000))
    (tmp_path / "here").mkdir()
    scope = trio.CancelScope()

    def progress(done: FileProgress) -> None:
        if done.bytes > 2_000_000:
            scope.cancel()

    async def send() -> None:
        await send_files(ends.alice, [source])

    async def receive() -> None:
        await receive_files(ends.bob, tmp_path / "here", progress=progress)

    async def cancelled(work: Callable[[], Awaitable[None]]) -> None:
        with scope:
            await work()

    async def told(work: Callable[[], Awaitable[None]]) -> None:
        with pytest.raises(FileError) as caught:
            await work()
        assert caught.value.code == "cancelled"

    async with call() as ends, trio.open_nursery() as nursery:
        first, second = (send, receive) if who == "sender" else (receive, send)
        nursery.start_soon(cancelled, first)
        nursery.start_soon(told, second)
    assert scope.cancelled_caught
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize(
    "cut_off",
    [
        lambda ends: ends.alice._connection.aclose(),
        lambda ends: ends.alice.hang_up(),
        lambda ends: ends.bob.hang_up(),
    ],
    ids=["a cut", "the sender hangs up", "the receiver hangs up"],
)
async def test_after_a_cut_only_the_rest_is_sent(
    tmp_path: Path, cut_off: Callable[[Ends], Awaitable[None]]
) -> None:
    source = tmp_path / "things"
    source.mkdir()
    (source / "first").write_bytes(os.urandom(1_500_000))
    (source / "second").write_bytes(os.urandom(20_000_000))
    here = tmp_path / "here"
    here.mkdir()

    async def interrupted(work: Awaitable[object]) -> None:
        with pytest.raises(FileError) as caught:
            await work
        assert caught.value.code == "interrupted"

    async with call() as ends:
        cut = trio.Event()

        def progress(done: FileProgress) -> None:
            if done.bytes > 5_000_000:
                cut.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupted, receive_files(ends.bob, here, progress=progress))
            nursery.start_soon(interrupted, send_files(ends.alice, [source]))
            await cut.wait()
            await cut_off(ends)
    assert (here / "things" / "first").read_bytes() == (source / "first").read_bytes()
    assert not (here / "things" / "second").exists()
    async with call() as ends:
        offers = []

        async def ask(offer: FileOffer) -> bool:
            offers.append(offer)
            return True

        opened = []
        open_channel = ends.alice.open_channel

        async def noting(label: str, **options: Any) -> DataChannel:
            opened.append(await open_channel(label, **options))
            return opened[0]

        ends.alice.open_channel = noting  # type: ignore[method-assign]
        await transfer(ends, [source], here, accept=ask)
    assert 5_000_000 < offers[0].kept < 21_500_000
    assert opened[0].statistics().bytes_sent < 21_500_000 - offers[0].kept + 10_000
    assert tree(here) == {"things": None, **{f"things/{k}": v for k, v in tree(source).items()}}


async def test_what_was_kept_of_another_file_is_not_used(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(os.urandom(100_000))
    here = tmp_path / "here"
    here.mkdir()
    status = source.stat()
    [name] = [wire.fingerprint([wire.FileEntry(path="a", size=100_000, modified=status.st_mtime)])]
    work = here / f".trio-rtc-{name}.part"
    work.mkdir()
    (work / "0").write_bytes(b"something else")
    (work / "journal").write_text("not a journal\n{")
    async with call() as ends:
        await transfer(ends, [source], here)
    assert tree(here) == {"a": source.read_bytes()}


async def test_a_symbolic_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    source = make(tmp_path / "things")
    here, outside = tmp_path / "here", tmp_path / "outside"
    here.mkdir()
    outside.mkdir()
    (here / "things").symlink_to(outside)
    async with call() as ends:
        arrived = await transfer(ends, [source], here)
    assert arrived == (here / "things (2)",)
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    ("entries", "content", "code"),
    [
        ([wire.FileEntry(path="../a", size=1)], b"x", "bad_name"),
        ([wire.FileEntry(path="a", size=1), wire.FileEntry(path="a", size=1)], b"x", "name_clash"),
        ([wire.FileEntry(path="a", size=1)], b"xy", "wrong_size"),
        ([wire.FileEntry(path="a", size=2)], b"xy", "wrong_hash"),
    ],
)
async def test_a_sender_that_lies_leaves_nothing(
    tmp_path: Path, entries: list[wire.FileEntry], content: bytes, code: str
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    heard: list[wire.Said] = []

    async def lie() -> None:
        channel = await ends.alice.open_channel(wire.LABEL, protocol=channel_protocols.FILES)
        for text in wire.manifest(entries):
            await channel.send(text)
        async for message in channel:
            assert isinstance(message, str)
            heard.append(wire.decode(message))
            if isinstance(heard[-1], wire.FilesAccepted):
                await channel.send(wire.encode(wire.FileBegin(index=0)))
                await channel.send(content)
                digest = hashlib.sha256(b"other").hexdigest()
                await channel.send(wire.encode(wire.FileEnd(size=len(content), sha256=digest)))

    async with call() as ends, trio.open_nursery() as nursery:
        nursery.start_soon(lie)
        with pytest.raises(FileError) as caught:
            await receive_files(ends.bob, here)
        nursery.cancel_scope.deadline = trio.current_time() + 60
    assert caught.value.code == code
    assert isinstance(heard[-1], wire.FilesFailed)
    assert heard[-1].code == code
    assert not [path for path in here.iterdir() if path.name == "a"]
    assert list(tree(tmp_path)) == ["here"] or code == "wrong_hash"

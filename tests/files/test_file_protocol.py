"""Both machines of a transfer: what a peer that lies is told."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from trio_rtc.errors import FileError
from trio_rtc.files.protocol import (
    FileContent,
    FilesReception,
    FilesTransmission,
    ManifestComplete,
    failure,
)
from trio_rtc.wire import files as wire

HASH = "0" * 64


def offered(*sizes: int | None) -> FilesReception:
    reception = FilesReception()
    entries = [wire.FileEntry(path=f"f{number}", size=size) for number, size in enumerate(sizes)]
    *parts, last = wire.manifest(entries)
    for part in parts:
        assert reception.receive(part) is None
    event = reception.receive(last)
    assert isinstance(event, ManifestComplete)
    assert list(event.entries) == entries
    return reception


def accepted(*sizes: int | None, kept: tuple[wire.KeptFile, ...] = ()) -> FilesReception:
    reception = offered(*sizes)
    reception.accepted(kept)
    return reception


@pytest.mark.parametrize(
    ("code", "said", "message", "known_as"),
    [
        ("cancelled", "whatever", "the other side has cancelled", "cancelled"),
        ("declined", "", "the other side declined", "declined"),
        ("disk_full", "no\nspace", "no space", "disk_full"),
        ("disk_full", "", "the other side has given up", "disk_full"),
        ("no code\n", "why", "why", "file_failed"),
    ],
)
def test_what_the_other_side_has_told_of(code: str, said: str, message: str, known_as: str) -> None:
    error = failure(wire.FilesFailed(code=code, message=said))
    assert (f"{error}", error.code, error.fault) == (message, known_as, "remote")


def test_files_come_in_their_order() -> None:
    reception = accepted(3, 0)
    assert reception.receive(wire.encode(wire.FileBegin(index=0))) == wire.FileBegin(index=0)
    assert reception.receive(b"ab") == FileContent(b"ab")
    assert reception.receive(b"c") == FileContent(b"c")
    reception.receive(wire.encode(wire.FileEnd(size=3, sha256=HASH)))
    assert not reception.complete
    reception.receive(wire.encode(wire.FileBegin(index=1)))
    reception.receive(wire.encode(wire.FileEnd(size=0, sha256=HASH)))
    assert reception.complete


def test_a_manifest_of_folders_only_is_complete_at_once() -> None:
    reception = FilesReception()
    reception.receive(
        wire.encode(wire.ManifestPart(entries=[wire.FileEntry(path="a", folder=True)]))
    )
    reception.receive(wire.encode(wire.ManifestEnd(count=1)))
    reception.accepted([])
    assert reception.complete


BEGUN = [wire.encode(wire.FileBegin(index=0))]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (["nonsense"], "bad_message"),
        (["{}"], "bad_message"),
        (['{"type": "unknown"}'], "bad_message"),
        ([b"content of nothing"], "bad_message"),
        ([wire.encode(wire.FileBegin(index=1))], "bad_message"),
        ([wire.encode(wire.FileBegin(index=0, start=1))], "bad_message"),
        (['{"type":"begin","index":-1}'], "bad_message"),
        ([wire.encode(wire.FileEnd(size=0, sha256=HASH))], "bad_message"),
        ([*BEGUN, *BEGUN], "bad_message"),
        ([*BEGUN, b"abcd"], "wrong_size"),
        ([*BEGUN, b"ab", wire.encode(wire.FileEnd(size=3, sha256=HASH))], "wrong_size"),
        ([*BEGUN, b"abc", wire.encode(wire.FileEnd(size=2, sha256=HASH))], "wrong_size"),
        ([*BEGUN, b"abc", '{"type":"end","size":3,"sha256":"abc"}'], "bad_message"),
        ([wire.encode(wire.ManifestEnd(count=1))], "bad_message"),
        ([wire.encode(wire.FilesFailed(code="file_changed", message="a\nb"))], "file_changed"),
    ],
)
def test_a_sender_that_lies(said: list[str | bytes], code: str) -> None:
    reception = accepted(3)
    with pytest.raises(FileError) as caught:
        for message in said:
            reception.receive(message)
    assert caught.value.code == code
    assert caught.value.fault == "remote"
    assert "\n" not in str(caught.value).split("`", maxsplit=1)[0]


def test_nothing_is_taken_while_somebody_thinks_about_it() -> None:
    reception = offered(3)
    with pytest.raises(FileError):
        reception.receive(wire.encode(wire.FileBegin(index=0)))


def test_a_manifest_that_is_not_as_long_as_it_says() -> None:
    reception = FilesReception()
    with pytest.raises(FileError):
        reception.receive(wire.encode(wire.ManifestEnd(count=1)))


def test_a_manifest_that_is_too_long() -> None:
    reception = FilesReception(max_entries=2)
    entries = [wire.FileEntry(path=str(number), size=0) for number in range(3)]
    with pytest.raises(FileError) as caught:
        reception.receive(wire.encode(wire.ManifestPart(entries=entries)))
    assert caught.value.code == "too_many_files"


def test_what_is_kept_is_not_sent_again() -> None:
    reception = accepted(3, kept=(wire.KeptFile(0, 2, HASH),))
    reception.receive(wire.encode(wire.FileBegin(index=0, start=2)))
    reception.receive(b"c")
    reception.receive(wire.encode(wire.FileEnd(size=3, sha256=HASH)))
    assert reception.complete


def test_what_is_kept_may_be_sent_again() -> None:
    reception = accepted(3, kept=(wire.KeptFile(0, 2, HASH),))
    reception.receive(BEGUN[0])
    reception.receive(b"abc")
    reception.receive(wire.encode(wire.FileEnd(size=3, sha256=HASH)))
    assert reception.complete


def test_a_stream_may_have_any_size() -> None:
    reception = accepted(None)
    reception.receive(BEGUN[0])
    reception.receive(b"x" * 1000)
    reception.receive(wire.encode(wire.FileEnd(size=1000, sha256=HASH)))
    assert reception.complete


@pytest.mark.parametrize(
    "said",
    [
        b"binary",
        wire.encode(wire.FileBegin(index=0)),
        wire.encode(wire.FilesDone()),
        wire.encode(wire.FilesWritten(bytes=1)),
        wire.encode(wire.KeptFiles(files=[wire.KeptFile(7, 1, HASH)])),
        wire.encode(wire.KeptFiles(files=[wire.KeptFile(1, 1, HASH)])),
        wire.encode(wire.KeptFiles(files=[wire.KeptFile(0, 1, HASH), wire.KeptFile(0, 1, HASH)])),
        '{"type":"have","files":[[0,-1,"x"]]}',
    ],
)
def test_a_receiver_that_lies(said: str | bytes) -> None:
    transmission = FilesTransmission([wire.FileEntry(path="a", size=3)])
    with pytest.raises(FileError) as caught:
        transmission.receive(said)
    assert caught.value.code == "bad_message"


def test_what_is_here_has_the_form_that_the_page_speaks() -> None:
    text = wire.encode(wire.KeptFiles(files=[wire.KeptFile(1, 2, HASH)]))
    assert json.loads(text) == {"type": "have", "files": [[1, 2, HASH]]}
    assert wire.decode(text) == wire.KeptFiles(files=[wire.KeptFile(1, 2, HASH)])


def test_a_receiver_tells_what_it_has() -> None:
    transmission = FilesTransmission([wire.FileEntry(path=path, size=3) for path in "ab"])
    assert not transmission.was_heard
    kept = [wire.KeptFile(1, 2, HASH), wire.KeptFile(0, 1, HASH)]
    for part in kept:
        transmission.receive(wire.encode(wire.KeptFiles(files=[part])))
    assert transmission.was_heard
    assert transmission.kept == {1: kept[0], 0: kept[1]}


def test_a_receiver_that_gives_up_is_believed() -> None:
    transmission = FilesTransmission([wire.FileEntry(path="a", size=3)])
    with pytest.raises(FileError, match="the other side declined") as caught:
        transmission.receive(wire.encode(wire.FilesFailed(code="declined")))
    assert caught.value.code == "declined"


def test_a_window_of_bytes_may_be_on_its_way() -> None:
    transmission = FilesTransmission([wire.FileEntry(path="a", size=None)])
    transmission.sent += wire.WINDOW - 1
    assert transmission.may_send
    transmission.sent += 1
    assert not transmission.may_send


def test_a_sender_waits_for_word_of_the_receiver() -> None:
    transmission = FilesTransmission([wire.FileEntry(path="a", size=None)])
    transmission.receive(wire.encode(wire.FilesAccepted()))
    transmission.sent = wire.WINDOW
    assert not transmission.may_send
    transmission.receive(wire.encode(wire.FilesWritten(bytes=1)))
    assert transmission.may_send
    with pytest.raises(FileError):
        transmission.receive(wire.encode(wire.FilesWritten(bytes=0)))


def test_manifests_come_in_small_messages() -> None:
    entries = [wire.FileEntry(path=f"folder/{number:0200}", size=number) for number in range(1000)]
    texts = list(wire.manifest(entries))
    assert max(map(len, texts)) < 16_000
    reception = FilesReception()
    for text in texts:
        reception.receive(text)
    assert reception.entries == entries


@pytest.mark.parametrize("more", [0, 1])
def test_a_part_of_a_manifest_is_as_long_as_it_may_be(more: int) -> None:
    def length(entry: wire.FileEntry) -> int:
        # A comma stands behind each.
        return len(msgspec.json.encode(entry)) + 1

    short = wire.FileEntry(path="short", size=0)
    rest = wire._LIST_BYTES - length(short) - length(wire.FileEntry(path="", size=0)) + more
    entries = [short, wire.FileEntry(path="x" * rest, size=0)]
    assert sum(map(length, entries)) == wire._LIST_BYTES + more
    *parts, end = (wire.decode(text) for text in wire.manifest([*entries, short]))
    assert [len(part.entries) for part in parts if isinstance(part, wire.ManifestPart)] == (
        [1, 1, 1] if more else [2, 1]
    )
    assert end == wire.ManifestEnd(count=3)


def test_what_is_shown_of_a_path_has_a_limit() -> None:
    assert wire.describe(wire.FileEntry(path="a\nb")) == "a b"
    assert wire.describe(wire.FileEntry(path="x" * 200)) == "x" * 200
    assert wire.describe(wire.FileEntry(path="x" * 201)) == "x" * 199 + "…"


def test_the_same_manifest_is_found_again() -> None:
    entries = [wire.FileEntry(path="a", size=3, modified=1.5)]
    assert wire.fingerprint(entries) == wire.fingerprint(list(entries))
    assert wire.fingerprint(entries) != wire.fingerprint([wire.FileEntry(path="a", size=3)])
    assert wire.fingerprint([]) == hashlib.sha256().hexdigest()[:32]


def test_files_that_were_not_sent_cannot_be_done() -> None:
    transmission = FilesTransmission(
        [wire.FileEntry(path="f", folder=True), wire.FileEntry(path="f/a", size=1)]
    )
    transmission.receive(wire.encode(wire.FilesAccepted()))
    with pytest.raises(FileError) as caught:
        transmission.receive(wire.encode(wire.FilesDone()))
    assert caught.value.code == "bad_message"
    transmission.ended = 1
    transmission.receive(wire.encode(wire.FilesDone()))
    assert transmission.done

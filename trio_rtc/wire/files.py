"""Messages in a channel of files, and what names files may have there.

The channel has the protocol `FILES`. Texts are the JSON messages below, and everything binary is
content of the file that was begun last. ``docs/files.md`` tells the order.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from ..errors import FileError
from ..text import is_control, one_line
from .channel_protocols import FILES

LABEL: Final = "files"

PIECE: Final = 64 * 1024
"""Bytes of a message of content: what every stack takes, if it says nothing else."""

WINDOW: Final = 16 * 2**20
"""Bytes of content that may be on their way without a word of the receiver about them."""

MAX_ENTRIES: Final = 1_000_000
MAX_NAME_BYTES: Final = 255
MAX_PATH_BYTES: Final = 4096
_LIST_BYTES: Final = 12 * 1024

#: What Windows takes for a device, whatever comes after a dot.
_DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?$")
WORK_PREFIX: Final = ".trio-rtc-"
"""How the folder begins that a receiver keeps incomplete files in."""

Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file or a folder of a manifest.

    ``path`` has names with ``/`` between them; ``size`` is None for a stream, whose end nobody
    knows yet; ``modified`` is in seconds since 1970.
    """

    path: str
    size: Size | None = None
    modified: float | None = None
    folder: bool = False


class ManifestPart(_Said, frozen=True, tag="entries"):
    """A part of the manifest."""

    entries: list[FileEntry]


class ManifestEnd(_Said, frozen=True, tag="offer"):
    """The manifest is complete, and has so many entries."""

    count: Size


class KeptFile(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the receiver has of a file: its first bytes, and their SHA-256.

    On the wire it is a list: ``[index, size, sha256]``.
    """

    index: Size
    size: Size
    sha256: Digest


class KeptFiles(_Said, frozen=True, tag="have"):
    """Some of the files that the receiver has parts of."""

    files: list[KeptFile]


class FilesAccepted(_Said, frozen=True, tag="accept"):
    """The receiver takes it."""


class FileBegin(_Said, frozen=True, tag="begin"):
    """What follows is content of this entry, from this byte on."""

    index: Size
    start: Size = 0


class FileEnd(_Said, frozen=True, tag="end"):
    """The file is complete; size and SHA-256 of all of it."""

    size: Size
    sha256: Digest


class FilesWritten(_Said, frozen=True, tag="received"):
    """How many bytes of content the receiver has written in all."""

    bytes: Size


class FilesDone(_Said, frozen=True, tag="done"):
    """Everything has arrived, and is where it belongs."""


class FilesFailed(_Said, frozen=True, tag="failed"):
    """Whoever says this has given the transfer up, and why."""

    code: Annotated[str, msgspec.Meta(max_length=64)]
    message: str = ""


Said: TypeAlias = (
    ManifestPart
    | ManifestEnd
    | KeptFiles
    | FilesAccepted
    | FileBegin
    | FileEnd
    | FilesWritten
    | FilesDone
    | FilesFailed
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


def encode(said: Said) -> str:
    """The text of a message."""
    return _encoder.encode(said).decode()


def decode(text: str) -> Said:
    """Read what the other side says.

    Raises:
        FileError: ``bad_message``.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise FileError(
            f"the other side does not speak {FILES}: {error}", code="bad_message", fault="remote"
        ) from error


def manifest(entries: Sequence[FileEntry]) -> Iterator[str]:
    """The messages that carry a manifest, none of them large."""
    part: list[FileEntry] = []
    used = 0
    for entry in entries:
        size = len(_encoder.encode(entry)) + 1
        if part and used + size > _LIST_BYTES:
            yield encode(ManifestPart(entries=part))
            part, used = [], 0
        part.append(entry)
        used += size
    if part:
        yield encode(ManifestPart(entries=part))
    yield encode(ManifestEnd(count=len(entries)))


def kept(files: Sequence[KeptFile]) -> Iterator[str]:
    """The messages that tell what is there already."""
    for start in range(0, len(files), 100):
        yield encode(KeptFiles(files=list(files[start : start + 100])))


def fingerprint(entries: Iterable[FileEntry]) -> str:
    """The same for the same manifest: a transfer that is begun again is found by it."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(_encoder.encode(entry))
    return digest.hexdigest()[:32]


def names_of(path: str) -> tuple[str, ...]:
    """The names in a path of a manifest, each in Unicode's normal form C, if all are harmless.

    Raises:
        FileError: ``bad_name``: one would lead out of the folder, or is none that files have.
    """
    names = tuple(unicodedata.normalize("NFC", name) for name in path.split("/"))
    if len(path.encode(errors="surrogatepass")) > MAX_PATH_BYTES:
        raise _bad_name(path, "it is too long")
    for number, name in enumerate(names):
        if why := _fault_of(name, first=number == 0):
            raise _bad_name(path, why)
    return names


def _fault_of(name: str, *, first: bool) -> str:
    if not name or name in (".", ".."):
        return "it leads out of its folder" if name == ".." else "a name in it is empty"
    if any(is_control(character) or 0xD800 <= ord(character) < 0xE000 for character in name):
        return "there is a control character in it"
    if "\\" in name or re.match("[A-Za-z]:", name):
        return "it is a path of another system"
    if _DEVICES.fullmatch(name):
        return "it names a device"
    if len(name.encode()) > MAX_NAME_BYTES:
        return "a name in it is too long"
    if first and name.startswith(WORK_PREFIX):
        return "names like that are kept for files that are not complete"
    return ""


def _bad_name(path: str, why: str) -> FileError:
    return FileError(
        f"{one_line(path, 80)!r} is no name for a file: {why}", code="bad_name", fault="remote"
    )


def check(entries: Sequence[FileEntry]) -> list[str]:
    """See whether a manifest makes sense; the paths that differ from another in case only.

    Raises:
        FileError: ``bad_name``; ``name_clash``: one path stands for two things.
    """
    kinds: dict[tuple[str, ...], bool] = {}
    folded: dict[str, tuple[str, ...]] = {}
    clashes = []
    for entry in entries:
        names = names_of(entry.path)
        for length in range(1, len(names) + 1):
            part, is_folder = names[:length], length < len(names) or entry.folder
            if part in kinds and not (kinds[part] and is_folder):
                raise FileError(
                    f"{one_line(entry.path, 80)} is there twice", code="name_clash", fault="remote"
                )
            kinds[part] = is_folder
            if folded.setdefault("/".join(part).casefold(), part) != part:
                clashes.append("/".join(part))
    return clashes


def describe(entry: Any) -> str:
    """A path, fit to be shown."""
    return one_line(entry.path, 200)

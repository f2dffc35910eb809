"""Entries of mailboxes in Redis, and the items by which servers tell each other of them. No I/O.

An entry is a line of fields, and a body after it:

==================================  ===============================================================
``M sender number protocol``, body  a message
``J id protocol``, name             somebody has come
``L id``, name                      somebody has gone
``F number to code``                a message of the member's own has reached nobody
``O``, body                         what its dialect says
==================================  ===============================================================

An item is a line of fields, too, of which the second is how long its body is:

=====================================  ============================================================
``E length``, and (``id number``)…     an entry, and its number in the mailbox of each of these
``R length room-length version``       an entry, after the name of the room in which it has happened
``X 0 id epoch``                       a session goes on with another server
``D 0 id``                             a session is no more
=====================================  ============================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ..hub.mail import Relayed
from ..hub.presence import Presence


@dataclass(frozen=True, slots=True)
class FailureEntry:
    """A message of the member's own has reached nobody."""

    number: int
    to: int
    code: str


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """What the dialect of a member says."""

    body: bytes


Entry: TypeAlias = Relayed | Presence | FailureEntry | OwnEntry


@dataclass(frozen=True, slots=True)
class EntryItem:
    """An entry for some mailboxes: their ids, and its number in each."""

    entry: bytes
    numbers: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RoomItem:
    """Somebody has come into a room or gone, by which it has a new version."""

    room: str
    version: int
    entry: bytes


@dataclass(frozen=True, slots=True)
class MovedItem:
    """A session goes on with another server."""

    id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class DepartedItem:
    """A session is no more."""

    id: int


Item: TypeAlias = EntryItem | RoomItem | MovedItem | DepartedItem


class Foreign(Exception):
    """What is in Redis is nothing that a server of this version has put there."""


def encode_name(name: str) -> bytes:
    """A name or a room as Redis has it."""
    return name.encode("utf-8", "surrogateescape")


def decode_name(name: bytes) -> str:
    """The opposite of `encode_name`."""
    return name.decode("utf-8", "surrogateescape")


def encode_message(message: Relayed) -> bytes:
    """A message as an entry."""
    head = f"M {message.sender} {message.number} {message.protocol}\n"
    return head.encode() + message.body


def encode_own(body: bytes) -> bytes:
    """What a dialect says as an entry."""
    return b"O\n" + body


def decode_entry(data: bytes) -> Entry:
    """Read an entry.

    Raises:
        Foreign: it is none.
    """
    head, newline, body = data.partition(b"\n")
    match head.decode("latin-1").split(" ") if newline else []:
        case ["M", sender, number, protocol]:
            return Relayed(_number(sender), body, _number(number), protocol)
        case ["J", id_, protocol]:
            return Presence(_number(id_), decode_name(body), connected=True, protocol=protocol)
        case ["L", id_]:
            return Presence(_number(id_), decode_name(body), connected=False)
        case ["F", number, to, code]:
            return FailureEntry(_number(number), _number(to), code)
        case ["O"]:
            return OwnEntry(body)
    raise Foreign(f"no entry of a mailbox: {data[:40]!r}")


def message_size(entry: bytes) -> int:
    """What an entry counts for in the limit of a mailbox in bytes, which is one of messages."""
    return len(entry) if entry.startswith(b"M") else 0


def decode_items(data: bytes) -> Iterator[Item]:
    """Read items.

    Raises:
        Foreign: they are none.
    """
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        kind, *fields = data[at : max(end, at)].split(b" ")
        if end < 0 or not fields or not all(field.isdigit() for field in fields):
            raise Foreign(f"no item: {data[at : at + 40]!r}")
        length, *numbers = map(int, fields)
        at = end + 1
        match kind, numbers:
            case b"E", [*pairs]:
                ids = zip(pairs[::2], pairs[1::2], strict=True)
                yield EntryItem(data[at : at + length], list(ids))
            case b"R", [room, version]:
                name = decode_name(data[at : at + room])
                yield RoomItem(name, version, data[at + room : at + room + length])
                at += room
            case b"X", [id_, epoch]:
                yield MovedItem(id_, epoch)
            case b"D", [id_]:
                yield DepartedItem(id_)
            case _:
                raise Foreign(f"no item: {kind!r}")
        at += length


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Foreign(f"no number: {text[:40]!r}")
    return int(text)

"""Values into the messages of a data channel and back, as PeerJS does it. No I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import msgspec

from ..errors import MessageTooLarge, SerializationError
from ..wire.binarypack import pack, unpack

CHUNK_BYTES: Final = 16_300
"""PeerJS's ``chunkedMTU``: what is larger goes in pieces, on ``binary`` connections."""

MAX_PENDING: Final = 256
"""Values of which not all pieces are there; more than a few there are only without order."""

PIECE_COST: Final = 128
"""Bytes that Python needs to keep a piece, beside its own."""

LONG_BYTES: Final = 32 * 1024
"""Of what is longer, a value is made in a thread: it may have as many items."""

_CLOSE: Final = {"__peerData": {"type": "close"}}


class PeerCloses(Exception):
    """The other side has sent all that it had, and wants the connection closed."""


class Serialization(ABC):
    """One direction or both of a connection: `write` and `read` share nothing."""

    @abstractmethod
    def write(self, value: Any) -> list[str | bytes]:
        """The messages that carry a value.

        Raises:
            SerializationError: ``bad_value``: it has no such form.
        """

    def is_long(self, message: str | bytes) -> bool:
        """Whether it takes long to read a message, some milliseconds and more."""
        return False

    @abstractmethod
    def read(self, message: str | bytes) -> list[Any]:
        """The value that is complete with this message, or none.

        Raises:
            SerializationError: ``bad_message``: it is malformed. The next one may be read.
            MessageTooLarge: a value is over the limit: the connection has to end.
            PeerCloses: it says that.
        """


class Raw(Serialization):
    """``raw``: text and bytes as they are."""

    def write(self, value: Any) -> list[str | bytes]:
        if not isinstance(value, str | bytes):
            raise SerializationError(
                f"a raw connection takes str and bytes, not {type(value).__name__}"
            )
        return [value]

    def read(self, message: str | bytes) -> list[Any]:
        return [message]


class Json(Serialization):
    """``json``: any JSON value, as UTF-8 in a binary message."""

    def write(self, value: Any) -> list[str | bytes]:
        try:
            return [msgspec.json.encode(value)]
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise SerializationError(f"a value has no form in JSON: {error}") from error

    def read(self, message: str | bytes) -> list[Any]:
        try:
            value = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise SerializationError(
                f"this is not JSON: {error}", code="bad_message", fault="remote"
            ) from error
        if value == _CLOSE:
            raise PeerCloses
        return [value]


@dataclass(slots=True)
class _Pieces:
    total: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int = 0

    @property
    def cost(self) -> int:
        return self.size + PIECE_COST * len(self.pieces)


class Binary(Serialization):
    """``binary``: BinaryPack, in pieces where it is large.

    Args:
        max_bytes: that a value takes in memory, and all the pieces that wait.
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._last = 0
        self._pending: dict[int, _Pieces] = {}
        self._cost = 0

    def write(self, value: Any) -> list[str | bytes]:
        packed = pack(value)
        if len(packed) <= CHUNK_BYTES:
            return [packed]
        self._last += 1
        starts = range(0, len(packed), CHUNK_BYTES)
        return [
            pack(
                {
                    "__peerData": self._last,
                    "n": number,
                    "data": packed[start : start + CHUNK_BYTES],
                    "total": len(starts),
                }
            )
            for number, start in enumerate(starts)
        ]

    def read(self, message: str | bytes) -> list[Any]:
        if isinstance(message, str):
            raise _malformed("it is text")
        value = unpack(message, self._max_bytes)
        if not _is_piece(value):
            return [value]
        if value == _CLOSE:
            raise PeerCloses
        whole = self._take(value)
        if whole is None:
            return []
        value = unpack(whole, self._max_bytes)
        if _is_piece(value):
            raise _malformed("pieces make up a piece")
        return [value]

    def _take(self, piece: Mapping[str, Any]) -> bytes | None:
        id_, number, total = (piece.get(name) for name in ("__peerData", "n", "total"))
        data = piece.get("data")
        if not (isinstance(id_, int) and isinstance(number, int) and isinstance(total, int)):
            raise _malformed("a piece has no numbers")
        if not isinstance(data, bytes) or not 0 <= number < total:
            raise _malformed("a piece has no data, or no place")
        pending = self._pending.get(id_) or _Pieces(total)
        if pending.total != total or number in pending.pieces:
            raise _malformed("two pieces contradict each other")
        cost = len(data) + PIECE_COST
        if pending.size + len(data) > self._max_bytes or self._cost + cost > self._room:
            self._too_large(f"a value is over the limit of {self._max_bytes} bytes")
        if total * PIECE_COST > self._room:
            self._too_large(f"a value of {total} pieces is over the limit")
        if len(self._pending) >= MAX_PENDING and id_ not in self._pending:
            self._too_large(f"more than {MAX_PENDING} values are incomplete")
        self._pending[id_] = pending
        pending.pieces[number] = data
        pending.size += len(data)
        self._cost += cost
        if len(pending.pieces) < total:
            return None
        self._cost -= pending.cost
        del self._pending[id_]
        return b"".join(pending.pieces[number] for number in range(total))

    @property
    def _room(self) -> int:
        """For the largest value in PeerJS's own pieces there is always room."""
        return self._max_bytes + PIECE_COST * (self._max_bytes // CHUNK_BYTES + 1)

    def is_long(self, message: str | bytes) -> bool:
        return len(message) > LONG_BYTES or any(
            pending.size > LONG_BYTES and pending.total - len(pending.pieces) == 1
            for pending in self._pending.values()
        )

    def _too_large(self, why: str) -> NoReturn:
        self._pending.clear()
        self._cost = 0
        raise MessageTooLarge(why, fault="remote")


def _is_piece(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("__peerData"))


def _malformed(why: str) -> SerializationError:
    return SerializationError(
        f"this is no message of a binary connection: {why}", code="bad_message", fault="remote"
    )


def serialization(name: str | None, max_bytes: int) -> Serialization | None:
    """A new one of this name; None if there is none. PeerJS's own default is ``binary``."""
    match name or "binary":
        case "raw":
            return Raw()
        case "json":
            return Json()
        case "binary" | "binary-utf8":
            return Binary(max_bytes)
    return None

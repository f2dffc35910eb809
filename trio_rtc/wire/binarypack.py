"""BinaryPack, the form of values on PeerJS's ``binary`` connections. No I/O.

A relative of MessagePack that tells text from bytes in a way of its own. JavaScript has one kind
of number: a whole one comes out as an int here, whatever it went in as.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any, Final

from ..errors import MessageTooLarge, SerializationError

MAX_DEPTH: Final = 128
"""How deep arrays and maps may be nested."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""What a value may take in memory, unless a program wants another limit."""

ITEM_COST: Final = 64
"""Bytes that each part of a value takes, beside those of a text or of bytes: an array of many empty
maps comes in as many bytes as it has maps."""

#: JavaScript's numbers are exact up to here (ECMA-262, Number.MAX_SAFE_INTEGER).
_SAFE: Final = 2**53 - 1

_DOUBLE: Final = struct.Struct(">d")

#: Types of ints, their sizes, and whether they are signed, in the order in which PeerJS takes them.
_INTS: Final = (
    (0xCC, 1, False),
    (0xD0, 1, True),
    (0xCD, 2, False),
    (0xD1, 2, True),
    (0xCE, 4, False),
    (0xD2, 4, True),
    (0xD3, 8, True),
    (0xCF, 8, False),
)

#: What the types from 0xd8 on hold, two of each: text, bytes, arrays, maps.
_LONG: Final = (0xB0, 0xA0, 0x90, 0x80)


def pack(value: Any) -> bytes:
    """The bytes that stand for a value.

    Args:
        value: None, a bool, int, float, str, bytes, or a list, tuple or mapping of these; the keys
            of a mapping are str.

    Raises:
        SerializationError: ``bad_value``: it is something else, NaN (which PeerJS reads as another
            number), an int of more than 64 bits, or nested more than `MAX_DEPTH` deep.
    """
    out = bytearray()
    _pack(value, out, 0)
    return bytes(out)


def _pack(value: Any, out: bytearray, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise SerializationError(f"a value is nested more than {MAX_DEPTH} deep")
    if value is None:
        out.append(0xC0)
    elif isinstance(value, bool):
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        _pack_float(value, out)
    elif isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise SerializationError(f"a text is not Unicode: {error}") from error
        _pack_size(len(data), out, 0xB0, 0xD8)
        out += data
    elif isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        _pack_size(len(data), out, 0xA0, 0xDA)
        out += data
    elif isinstance(value, list | tuple):
        _pack_size(len(value), out, 0x90, 0xDC)
        for item in value:
            _pack(item, out, depth + 1)
    elif isinstance(value, Mapping):
        _pack_size(len(value), out, 0x80, 0xDE)
        for key, item in value.items():
            if not isinstance(key, str):
                raise SerializationError(f"a key is {type(key).__name__}, and not str")
            _pack(key, out, depth + 1)
            _pack(item, out, depth + 1)
    else:
        raise SerializationError(f"{type(value).__name__} has no form in BinaryPack")


def _pack_size(size: int, out: bytearray, short: int, long: int) -> None:
    if size <= 0x0F:
        out.append(short | size)
    elif size <= 0xFFFF:
        out.append(long)
        out += size.to_bytes(2, "big")
    elif size <= 0xFFFFFFFF:
        out.append(long + 1)
        out += size.to_bytes(4, "big")
    else:
        raise SerializationError(f"{size} is more than BinaryPack can count")


def _pack_int(value: int, out: bytearray) -> None:
    if -0x20 <= value <= 0x7F:
        out.append(value & 0xFF)
    elif -_SAFE <= value < -(2**31):
        # PeerJS rounds these when it reads them as integers, to multiples of 2048.
        out.append(0xCB)
        out += _DOUBLE.pack(value)
    else:
        for kind, size, signed in _INTS:
            low, high = (-(1 << 8 * size - 1), 1 << 8 * size - 1) if signed else (0, 1 << 8 * size)
            if low <= value < high:
                out.append(kind)
                out += value.to_bytes(size, "big", signed=signed)
                return
        raise SerializationError("an int has more than 64 bits")


def _pack_float(value: float, out: bytearray) -> None:
    if math.isnan(value):
        raise SerializationError("NaN has no form in BinaryPack")
    if value.is_integer() and abs(value) <= _SAFE:
        # As JavaScript does; and PeerJS cannot read a zero that is a double.
        _pack_int(int(value), out)
    else:
        out.append(0xCB)
        out += _DOUBLE.pack(value)


def unpack(data: bytes | bytearray | memoryview, max_bytes: int = MAX_BYTES) -> Any:
    """The value that bytes stand for.

    Undefined becomes None, and a key that is a number becomes text, as in JavaScript.

    Args:
        data: of one value.
        max_bytes: what it may take in memory: its texts and bytes, and `ITEM_COST` for each item,
            key and value in it.

    Raises:
        MessageTooLarge: it would take more.
        SerializationError: ``bad_message``: they are cut off, of an unknown type, no UTF-8,
            nested more than `MAX_DEPTH` deep, or something follows.
    """
    reader = _Unpacker(bytes(data), max_bytes)
    value = reader.read(0)
    if not reader.at_end:
        raise _malformed("something follows the value")
    return value


def _malformed(why: str) -> SerializationError:
    return SerializationError(f"this is not BinaryPack: {why}", code="bad_message", fault="remote")


class _Unpacker:
    def __init__(self, data: bytes, max_bytes: int):
        self._data = data
        self._at = 0
        self._max_bytes = self._left = max_bytes

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise _malformed(f"{size} bytes are announced, {len(self._data) - self._at} are there")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "big", signed=signed)

    def read(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise _malformed(f"it is nested more than {MAX_DEPTH} deep")
        self._spend(ITEM_COST)
        kind = self._number(1)
        if kind < 0x80:
            return kind
        if kind >= 0xE0:
            return kind - 0x100
        if kind < 0xC0:
            return self._sized(kind & 0xF0, kind & 0x0F, depth)
        if kind in (0xC0, 0xC1) or 0xD4 <= kind <= 0xD7:
            return None
        if kind in (0xC2, 0xC3):
            return kind == 0xC3
        if kind == 0xCA:
            return _whole(struct.unpack(">f", self._take(4))[0])
        if kind == 0xCB:
            return _whole(_DOUBLE.unpack(self._take(8))[0])
        if 0xCC <= kind <= 0xCF:
            return self._number(1 << kind - 0xCC)
        if 0xD0 <= kind <= 0xD3:
            return self._number(1 << kind - 0xD0, signed=True)
        if 0xD8 <= kind <= 0xDF:
            size = self._number(4 if kind & 1 else 2)
            return self._sized(_LONG[(kind - 0xD8) >> 1], size, depth)
        raise _malformed(f"there is no type {kind:#04x}")

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise MessageTooLarge(
                f"a value takes more than the limit of {self._max_bytes} bytes", fault="remote"
            )

    def _sized(self, kind: int, size: int, depth: int) -> Any:
        if kind in (0xA0, 0xB0):
            data = self._take(size)
            self._spend(size)
            if kind == 0xA0:
                return data
            try:
                return data.decode()
            except UnicodeDecodeError as error:
                raise _malformed(f"a text is not UTF-8: {error}") from None
        # Each item is a byte at least: what announces more is not even begun.
        items = size if kind == 0x90 else 2 * size
        if items > len(self._data) - self._at:
            raise _malformed(f"{size} items are announced, and they are not there")
        if items * ITEM_COST > self._left:
            self._spend(items * ITEM_COST)
        if kind == 0x90:
            return [self.read(depth + 1) for _ in range(size)]
        return {self._key(depth + 1): self.read(depth + 1) for _ in range(size)}

    def _key(self, depth: int) -> str:
        key = self.read(depth)
        if isinstance(key, str):
            return key
        if isinstance(key, int | float) and not isinstance(key, bool):
            return str(key)
        raise _malformed(f"a key is {type(key).__name__}")


def _whole(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) <= _SAFE else value

"""Packets of SCTP and their chunks (RFC 9260, section 3). Without I/O.

aiortc 1.16 raises what ends the connection where a chunk is shorter than its kind, and never ends
where a parameter says that it has no bytes at all.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from aiortc.rtcsctptransport import (
    CHUNK_TYPES,
    AbortChunk,
    Chunk,
    ErrorChunk,
    HeartbeatAckChunk,
    HeartbeatChunk,
    InitAckChunk,
    InitChunk,
    ReconfigChunk,
    ShutdownChunk,
)
from google_crc32c import extend, value

_COMMON: Final = Struct("!HHL")
_CHUNK: Final = Struct("!BBH")
_PARAMETER: Final = Struct("!HH")
_CHECKSUM: Final = Struct("<L")
_NO_CHECKSUM: Final = bytes(4)
_HEADER: Final = _COMMON.size + 4

_PARAMETERS_AT: Final[dict[type[Chunk], int]] = {
    AbortChunk: 0,
    ErrorChunk: 0,
    HeartbeatAckChunk: 0,
    HeartbeatChunk: 0,
    InitAckChunk: 16,
    InitChunk: 16,
    ReconfigChunk: 0,
}
"""Where in a chunk its parameters begin; before that all of its fields have to be there."""

_FIELDS: Final[dict[type[Chunk], int]] = {**_PARAMETERS_AT, ShutdownChunk: 4}


def seal(source: int, destination: int, tag: int, body: bytes) -> bytes:
    """The packet with these chunks."""
    head = _COMMON.pack(source, destination, tag)
    # The checksum is that of the packet with zeros in its place (section 6.8).
    checksum = extend(value(head + _NO_CHECKSUM), body)
    return b"".join((head, _CHECKSUM.pack(checksum), body))


def unseal(packet: bytes) -> tuple[int, list[tuple[int, int, bytes]]]:
    """The tag of a packet, and of its chunks the kinds, the flags, and what follows.

    Raises:
        ValueError: it is none, or was changed on its way.
    """
    if len(packet) < _HEADER + _CHUNK.size:
        raise ValueError("a packet that is too short")
    _, _, tag = _COMMON.unpack_from(packet)
    (checksum,) = _CHECKSUM.unpack_from(packet, _COMMON.size)
    body = packet[_HEADER:]
    if extend(value(packet[: _COMMON.size] + _NO_CHECKSUM), body) != checksum:
        raise ValueError("a packet with a wrong checksum")
    chunks = []
    at, end = 0, len(body)
    while at <= end - _CHUNK.size:
        kind, flags, length = _CHUNK.unpack_from(body, at)
        if length < _CHUNK.size or at + length > end:
            raise ValueError(f"a chunk of {length} bytes")
        chunks.append((kind, flags, body[at + _CHUNK.size : at + length]))
        at += length + -length % 4
    return tag, chunks


def read_chunk(kind: int, flags: int, body: bytes) -> Chunk | None:
    """A chunk as aiortc has it; None of a kind that it does not know.

    Raises:
        ValueError: it is not as long as it has to be, or one of its parameters is not.
    """
    made = CHUNK_TYPES.get(kind)
    if made is None:
        return None
    if len(body) < _FIELDS.get(made, 0):
        raise ValueError(f"a {made.__name__} of {len(body)} bytes")
    if made in _PARAMETERS_AT:
        at = _PARAMETERS_AT[made]
        while at <= len(body) - _PARAMETER.size:
            length = _PARAMETER.unpack_from(body, at)[1]
            if length < _PARAMETER.size or at + length > len(body):
                raise ValueError(f"a parameter of {length} bytes")
            at += length + -length % 4
    return made(flags=flags, body=body)

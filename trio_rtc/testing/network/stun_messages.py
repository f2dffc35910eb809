"""Messages of STUN and TURN (RFC 8489, RFC 8656), as the simulated servers read and write them."""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from ...world import Address

COOKIE: Final = 0x2112A442
REQUEST, INDICATION, SUCCESS, ERROR = 0, 1, 2, 3
BINDING, ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 1, 3, 4, 6, 7, 8, 9

USERNAME, INTEGRITY, ERROR_CODE = 0x0006, 0x0008, 0x0009
CHANNEL_NUMBER, LIFETIME, XOR_PEER, DATA_BYTES = 0x000C, 0x000D, 0x0012, 0x0013
REALM, NONCE, XOR_RELAYED, TRANSPORT, XOR_MAPPED = 0x0014, 0x0015, 0x0016, 0x0019, 0x0020

_HEADER: Final = struct.Struct("!HHI12s")


@dataclass(slots=True)
class StunMessage:
    """A message.

    Attributes:
        method: `BINDING`, `ALLOCATE`, …
        kind: `REQUEST`, `INDICATION`, `SUCCESS` or `ERROR`.
        transaction: its 12 bytes.
        attributes: their bytes, by their numbers.
    """

    method: int
    kind: int
    transaction: bytes
    attributes: dict[int, bytes] = field(default_factory=dict)
    _signed: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> StunMessage | None:
        """Read one; None if it is none."""
        if len(data) < _HEADER.size:
            return None
        word, length, cookie, transaction = _HEADER.unpack_from(data)
        if cookie != COOKIE or word >> 14 or _HEADER.size + length > len(data):
            return None
        method = (word & 0xF) | (word >> 1 & 0x70) | (word >> 2 & 0xF80)
        message = cls(method, (word >> 7 & 2) | (word >> 4 & 1), transaction)
        place = _HEADER.size
        while place + 4 <= _HEADER.size + length:
            number, size = struct.unpack_from("!HH", data, place)
            if number == INTEGRITY:
                covered = place - _HEADER.size + 24
                message._signed = data[:2] + struct.pack("!H", covered) + data[4:place]
            message.attributes.setdefault(number, data[place + 4 : place + 4 + size])
            place += 4 + size + -size % 4
        return message

    def is_signed_with(self, key: bytes) -> bool:
        """Whether its MESSAGE-INTEGRITY is that of a key."""
        made = hmac.digest(key, self._signed, hashlib.sha1)
        return hmac.compare_digest(made, self.attributes.get(INTEGRITY, b""))

    def address(self, number: int) -> Address | None:
        """An attribute that is an address, or None."""
        value = self.attributes.get(number, b"")
        if len(value) not in (8, 20):
            return None
        port = int.from_bytes(value[2:4]) ^ COOKIE >> 16
        return str(ip_address(_mask(value[4:], self.transaction))), port

    def answer(self, kind: int) -> StunMessage:
        """An answer to it, without attributes."""
        return StunMessage(self.method, kind, self.transaction)

    def set_address(self, number: int, address: Address) -> None:
        """Give it an address."""
        packed = ip_address(address[0]).packed
        port = (address[1] ^ COOKIE >> 16).to_bytes(2)
        family = b"\0\1" if len(packed) == 4 else b"\0\2"
        self.attributes[number] = family + port + _mask(packed, self.transaction)

    def encode(self, key: bytes = b"") -> bytes:
        """Its bytes, signed where there is a key."""
        body = b"".join(_attribute(*each) for each in self.attributes.items())
        method, kind = self.method, self.kind
        word = (method & 0xF) | (method & 0x70) << 1 | (method & 0xF80) << 2
        word |= (kind & 2) << 7 | (kind & 1) << 4
        if key:
            header = _HEADER.pack(word, len(body) + 24, COOKIE, self.transaction)
            body += _attribute(INTEGRITY, hmac.digest(key, header + body, hashlib.sha1))
        return _HEADER.pack(word, len(body), COOKIE, self.transaction) + body


def _attribute(number: int, value: bytes) -> bytes:
    return struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)


def _mask(packed: bytes, transaction: bytes) -> bytes:
    mask = COOKIE.to_bytes(4) + transaction
    return bytes(a ^ b for a, b in zip(packed, mask, strict=False))

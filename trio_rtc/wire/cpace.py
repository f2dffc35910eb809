"""CPace: two who share a short secret agree on a strong one (draft-irtf-cfrg-cpace).

The suite is CPACE-X25519-SHA512, the initiator being the one who calls. Whoever does not know the
secret learns nothing of it, and can try one guess each time that somebody takes part. X25519 is
OpenSSL's; ours is the map of the secret to a point (Elligator 2, RFC 9380, section 6.7.1).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

SHARE_SIZE: Final = 32
SCALAR_SIZE: Final = 32

_DSI: Final = b"CPace255"
_DSI_ISK: Final = b"CPace255_ISK"
_MAC: Final = b"CPaceMac"
_HASH_BLOCK: Final = 128
_PRIME: Final = 2**255 - 19
_A: Final = 486662
_NON_SQUARE: Final = 2


class BadShare(Exception):
    """What the other side has sent is no point, or one that makes the result known to everybody."""


def _with_length(data: bytes) -> bytes:
    """Data after its length, in LEB128."""
    length, encoded = len(data), bytearray()
    while True:
        low, length = length & 0x7F, length >> 7
        encoded.append(low | (0x80 if length else 0))
        if not length:
            return bytes(encoded) + data


def with_lengths(*parts: bytes) -> bytes:
    """``lv_cat`` of the draft."""
    return b"".join(map(_with_length, parts))


def generator(secret: bytes, channel: bytes, session: bytes) -> bytes:
    """The point that only those who know the secret can find."""
    used = 1 + len(_with_length(secret)) + len(_with_length(_DSI))
    padding = bytes(max(0, _HASH_BLOCK - used))
    text = with_lengths(_DSI, secret, padding, channel, session)
    return _map_to_curve(hashlib.sha512(text).digest()[:32])


def _map_to_curve(field_element: bytes) -> bytes:
    r = int.from_bytes(field_element, "little") % 2**255
    v = -_A * pow(1 + _NON_SQUARE * r * r, -1, _PRIME) % _PRIME
    is_square = pow((v * v * v + _A * v * v + v) % _PRIME, (_PRIME - 1) // 2, _PRIME) == 1
    x = v if is_square else (-v - _A) % _PRIME
    return x.to_bytes(32, "little")


def multiply(scalar: bytes, point: bytes) -> bytes:
    """X25519 (RFC 7748).

    Raises:
        BadShare: the result is the neutral element, whatever the scalar; or it is no point.
    """
    try:
        public = X25519PublicKey.from_public_bytes(point)
        return X25519PrivateKey.from_private_bytes(scalar).exchange(public)
    except ValueError as error:
        raise BadShare("the share is not usable") from error


@dataclass(frozen=True)
class CPaceSide:
    """One side of an exchange.

    Args:
        secret: what both sides know.
        session: unique to this exchange; known to everybody.
        own: what this side says of itself, and the other side gets to know.
        initiator: whether this side begins.
        scalar: 32 random bytes, never used again.
    """

    secret: bytes
    channel: bytes
    session: bytes
    own: bytes
    initiator: bool
    scalar: bytes

    @property
    def share(self) -> bytes:
        """What the other side is sent."""
        return multiply(self.scalar, generator(self.secret, self.channel, self.session))

    def agree(self, share: bytes, other: bytes) -> Agreed:
        """What follows of the share of the other side, and of what that says of itself.

        Raises:
            BadShare: it is none.
        """
        messages = with_lengths(self.share, self.own), with_lengths(share, other)
        first, second = messages if self.initiator else messages[::-1]
        common = with_lengths(_DSI_ISK, self.session, multiply(self.scalar, share))
        key = hashlib.sha512(common + first + second).digest()
        return Agreed(key, *messages)


@dataclass(frozen=True)
class Agreed:
    """Both sides have said what they had to say; whether they agree is still to be seen.

    Attributes:
        key: the same at both sides if they know the same secret and have heard the same.
    """

    key: bytes
    _ours: bytes
    _theirs: bytes

    def _tag(self, message: bytes) -> bytes:
        return hmac.digest(hashlib.sha512(_MAC + self.key).digest(), message, "sha512")

    @property
    def tag(self) -> bytes:
        """What shows the other side that we have the key."""
        return self._tag(self._ours)

    def confirms(self, tag: bytes) -> bool:
        """Whether the other side has shown that it has the key."""
        return hmac.compare_digest(self._tag(self._theirs), tag)

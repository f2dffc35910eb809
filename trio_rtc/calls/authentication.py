"""Authentication of the other end: by a code that both know, or a certificate. Without I/O.

The one who calls (A) and the one who answers (B) exchange three messages before the answer:

    A  offer, share          B  authenticate: fingerprint, share, tag      A  authenticate: tag

A tag shows that its sender knows the code and has heard what the other has said, which includes the
fingerprints of both certificates (`..wire.cpace`). B answers the offer after the last of them; so
nothing connects, and no media flow, before both know. From then on every description has to be of
the certificate that was agreed on: whoever carries the messages can lose them, and nothing else.

    state        what may come                  then
    NEW          share() | begin(offer)         CHALLENGED, or TRUSTED if certificates suffice
    CHALLENGED   authenticate                   TRUSTED, or an error
    TRUSTED      descriptions
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import msgspec

from ..errors import CallError
from ..wire.cpace import Agreed, BadShare, CPaceSide
from ..wire.messages import Authenticate, SessionDescription

CHANNEL: Final = b"trio-rtc call"

_FINGERPRINT: Final = re.compile(r"(?im)^a=fingerprint:(\S+) +(\S+)\s*$")


def parse_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint as 64 hexadecimal digits.

    Raises:
        ValueError: it is none.
    """
    digits = re.sub(r"(?i)^sha-256\s+", "", text.strip()).replace(":", "").lower()
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise ValueError(f"{text!r} is not the SHA-256 fingerprint of a certificate")
    return digits


def parse_fingerprints(texts: Iterable[str]) -> frozenset[str]:
    """The same for several."""
    return frozenset(map(parse_fingerprint, texts))


class OneTimeCode:
    """A code for one call. Whoever answers has one for all who call, and it is good for the first.

    Attributes:
        used: whether somebody has had a guess.
        right: whether it was right.
        failure: how the guess ended, if it was wrong.
    """

    def __init__(self, text: str):
        words = unicodedata.normalize("NFC", text).lower().split()
        self.secret = "-".join(words).encode()
        if not self.secret:
            raise ValueError("the code is empty")
        self.used = False
        self.right = False
        self.failure: CallError | None = None


class _State(Enum):
    NEW = auto()
    CHALLENGED = auto()
    TRUSTED = auto()


def _not_authenticated(what: str) -> CallError:
    return CallError(what, code="not_authenticated")


@dataclass
class Authentication:
    """One side of one call.

    Args:
        peer: the other side, for messages.
        own: the fingerprint of our certificate.
        code: what both sides know, if that is asked for.
        trusted: the fingerprints that the other side may have; None if any.
        scalar: 32 random bytes.
    """

    peer: object
    own: str
    code: OneTimeCode | None
    trusted: frozenset[str] | None
    scalar: bytes

    def __post_init__(self) -> None:
        self._state = _State.NEW
        self._calling = True
        self._agreed: Agreed | None = None
        self._pinned: str | None = None
        self._side: CPaceSide

    @property
    def done(self) -> bool:
        """Whether an answer may be given, or taken."""
        return self._state is _State.TRUSTED or self.code is None

    def _open_side(self, call: str, *, calling: bool) -> None:
        assert self.code is not None
        self._calling = calling
        self._side = CPaceSide(
            self.code.secret, CHANNEL, call.encode(), self.own.encode(), calling, self.scalar
        )
        self._state = _State.CHALLENGED

    def share(self, call: str) -> str | None:
        """What our offer carries, if there is a code."""
        if self.code is None:
            return None
        self._open_side(call, calling=True)
        return self._side.share.hex()

    def begin(self, offer: SessionDescription) -> Authenticate | None:
        """The other side has called; what to ask it, or None if it can be answered.

        Raises:
            CallError: ``not_authenticated``: it knows of no code; ``code_used``: somebody else has
                had it; ``not_trusted``: its certificate is none of those.
        """
        if self.code is None and self.trusted is None:
            return None
        fingerprint = self._check(offer.sdp)
        if self.code is None:
            return None
        if offer.share is None or offer.call is None:
            raise _not_authenticated(f"{self.peer} calls without a code")
        if self.code.used:
            raise CallError(f"{self.peer} tries a code that was used", code="code_used")
        # Before anything is said: whoever goes away after that has had its guess.
        self.code.used = True
        self._open_side(offer.call, calling=False)
        self._agree(offer.share, fingerprint)
        assert self._agreed is not None
        return Authenticate(
            call=offer.call,
            fingerprint=self.own,
            share=self._side.share.hex(),
            tag=self._agreed.tag.hex(),
        )

    def _agree(self, share: str, fingerprint: str) -> None:
        try:
            self._agreed = self._side.agree(bytes.fromhex(share), fingerprint.encode())
        except (BadShare, ValueError) as error:
            raise self._wrong() from error
        self._pinned = fingerprint

    def _wrong(self) -> CallError:
        return CallError(
            f"{self.peer} has another code, or somebody is between us; "
            "this code cannot be used again",
            code="wrong_code",
        )

    def receive(self, message: Authenticate) -> Authenticate | None:
        """What to reply to what the other side says of the code.

        Raises:
            CallError: ``wrong_code``.
        """
        if self._state is not _State.CHALLENGED or self.code is None:
            return None
        if self._calling:
            try:
                fingerprint = parse_fingerprint(message.fingerprint or "")
            except ValueError as error:
                raise self._wrong() from error
            self._agree(message.share or "", fingerprint)
        assert self._agreed is not None
        try:
            right = self._agreed.confirms(bytes.fromhex(message.tag))
        except ValueError:
            right = False
        if not right:
            raise self._wrong()
        self._state = _State.TRUSTED
        self.code.right = True
        if not self._calling:
            return None
        return Authenticate(call=message.call, tag=self._agreed.tag.hex())

    def described(self, description: SessionDescription) -> SessionDescription:
        """A description of the other side, which has no fingerprint but the one that is agreed on.

        Raises:
            CallError: ``not_authenticated``, ``not_trusted``.
        """
        if self.code is None and self.trusted is None:
            return description
        if not self.done:
            raise _not_authenticated(f"{self.peer} does not show that it knows the code")
        self._pinned = self._check(description.sdp)
        # Hashes of other kinds say nothing more, and cannot be compared.
        sdp = _FINGERPRINT.sub(_only_sha_256, description.sdp)
        return msgspec.structs.replace(description, sdp=sdp)

    def _check(self, sdp: str) -> str:
        found = {
            parse_fingerprint_or_none(line[2])
            for line in _FINGERPRINT.finditer(sdp)
            if line[1].lower() == "sha-256"
        }
        if len(found) != 1 or None in found:
            raise _not_authenticated(f"{self.peer} does not show one certificate")
        [fingerprint] = found
        assert fingerprint is not None
        if self.trusted is not None and fingerprint not in self.trusted:
            raise CallError(
                f"{self.peer} has a certificate that is not trusted: sha-256 {fingerprint}",
                code="not_trusted",
            )
        if self._pinned not in (None, fingerprint):
            raise _not_authenticated(f"{self.peer} does not have the certificate it has shown")
        return fingerprint


def _only_sha_256(line: re.Match[str]) -> str:
    return line[0] if line[1].lower() == "sha-256" else "a=x-other-hash"


def parse_fingerprint_or_none(text: str) -> str | None:
    """The same as `parse_fingerprint`, for text of others."""
    try:
        return parse_fingerprint(text)
    except ValueError:
        return None

"""Admission of PeerJS clients: which are let in, and as whom."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ....wire.close_codes import CloseCode
from ....wire.peerjs import DEFAULT_KEY, is_valid_id
from ...authorize import Admission, JoinRequest
from ...context import Context
from ...http.connection import HttpExchange
from ...hub.member_names import clean_text
from ..membership import admit
from ..refusal import Refused

#: What programs of this package add to PeerJS's query: nothing that others would know.
_ATTEMPT: Final = re.compile(r"([0-9a-f]{16})-([0-9]{1,15})")

#: What may stand in a path as it is (RFC 3986, section 3.3), and what is encoded already.
_IN_PATHS: Final = "/%!$&'()*+,;=:@"


@dataclass(frozen=True, kw_only=True)
class PeerJSSettings:
    """How the server speaks PeerJS's protocol.

    Attributes:
        path: under which path; what pages give as ``path``.
        key: what pages give as ``key``.
        discovery: whether ``listAllPeers`` is answered, with the ids in the default room.
        expire_seconds: how long messages wait for somebody who is not there.
    """

    path: str = "/"
    key: str = DEFAULT_KEY
    discovery: bool = False
    expire_seconds: float = 5.0

    def __post_init__(self) -> None:
        if not is_valid_id(self.key):
            raise ValueError(f"no key for PeerJS: {self.key!r}")
        if not self.path.startswith("/"):
            raise ValueError(f"a path begins with a slash: {self.path!r}")

    @property
    def root(self) -> str:
        """The path, with a slash at its end, as requests have it."""
        return quote(self.path.rstrip("/"), safe=_IN_PATHS) + "/"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client that may come in.

    Attributes:
        id: who it is.
        token: a digest of what it shows for that when it connects again.
        admission: where it is, and for how long it may stay.
        attempt: which program it is, if that tells, and how often it has tried to connect.
    """

    id: str
    token: str
    admission: Admission
    attempt: tuple[str, int] | None = None

    def is_same(self, token: str, subject: str | None = None) -> bool:
        """Whether it is the one who came in with this token, and as this subject."""
        if self.admission.subject is not None and subject is not None:
            return self.admission.subject == subject
        return hmac.compare_digest(_bytes(self.token), _bytes(token))

    def is_late(self, attempt: tuple[str, int] | None) -> bool:
        """Whether this was asked for before another connection of the same program."""
        return (
            self.attempt is not None
            and attempt is not None
            and self.attempt[0] == attempt[0]
            and self.attempt[1] <= attempt[1]
        )


async def admit_by_query(exchange: HttpExchange, context: Context, key: str) -> Admitted:
    """Decide about a client by the query of its request.

    Raises:
        Refused: it may not come in.
    """
    asked = _parameters(exchange.request.query)
    id_, token = asked.get("id", ""), asked.get("token", "")
    if not (id_ and token and asked.get("key")):
        context.statistics.malformed += 1
        why = "No id, token, or key supplied to websocket server"
        raise Refused(CloseCode.BAD_MESSAGE, why)
    if not hmac.compare_digest(_bytes(asked["key"]), _bytes(key)):
        context.statistics.refused += 1
        raise Refused(CloseCode.NOT_AUTHORIZED, "Invalid key provided", "invalid_key")
    if not is_valid_id(id_):
        context.statistics.malformed += 1
        why = f"ID {id_[:40]!r} is invalid: letters and digits, with single - _ or spaces between"
        raise Refused(CloseCode.BAD_MESSAGE, why)
    wish = JoinRequest(name=id_, room="", token=token, address=exchange.address)
    admission = await admit(wish, context)
    if clean_text(admission.name) != id_:
        # A client goes by the id that it asked for, and cannot be told of another one.
        context.statistics.refused += 1
        raise Refused(CloseCode.FORBIDDEN, f"The token is for the id {admission.name!r}.")
    # A token may be long, and is kept for as long as its client is there.
    digest = hashlib.sha256(_bytes(token)).hexdigest()
    return Admitted(id_, digest, admission, _attempt(asked))


def _attempt(asked: dict[str, str]) -> tuple[str, int] | None:
    match = _ATTEMPT.fullmatch(asked.get("attempt", ""))
    return None if match is None else (match[1], int(match[2]))


def _parameters(query: bytes) -> dict[str, str]:
    """The parameters of a query: PeerJS writes them as they are, a ``+`` too (RFC 3986, 2.2)."""
    pairs = (pair.partition(b"=") for pair in query.split(b"&"))
    # No id and no key has a plus sign: there it is a space of who writes queries as forms are.
    return {
        _decoded(name): _decoded(value.replace(b"+", b" ") if name in (b"id", b"key") else value)
        for name, _, value in pairs
        if value
    }


def _decoded(text: bytes) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

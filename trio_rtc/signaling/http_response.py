"""An HTTP response: whether it is a signaling server's own word, and what it says in words.

Gateways answer in a server's place (RFC 9110, sections 15.6.3 to 15.6.5). What they say is about
the way to the server, and nothing that a session could end by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from ..text import one_line
from ..wire.close_codes import REASONS, CloseCode
from ..wire.native import SERVER_HEADER, SERVER_NAME
from .address import shown

#: What the server of libwebrtc's example calls itself.
ORIGINAL_SERVER = "PeerConnectionTestServer"

#: The reasons by which it is known where a proxy has taken its name out: it has no others.
ORIGINAL_REASONS = {(500, "Sorry"), (500, "Error")}
ORIGINAL_GOODBYE = b"Server shutting down"

GATEWAY_STATUSES = {502, 503, 504}
LONGEST_WORDS = 160

_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class HttpResponse:
    """Response. Header names are in lower case; of several headers of a name, the first counts."""

    status: int
    phrase: str
    headers: dict[str, str]
    body: bytes

    @staticmethod
    def of(response: httpx.Response) -> HttpResponse:
        """What httpx has received."""
        return answer(
            response.status_code,
            response.extensions.get("reason_phrase", b""),
            response.headers.raw,
            response.content,
        )

    @property
    def is_ours(self) -> bool:
        """Whether a server of this project says so."""
        named = self.headers.get(SERVER_HEADER.lower()), self.headers.get("server")
        return SERVER_NAME in named

    @property
    def is_the_originals(self) -> bool:
        """Whether the server of libwebrtc's example says so."""
        return (
            self.headers.get("server", "").startswith(ORIGINAL_SERVER)
            or (self.status, self.phrase) in ORIGINAL_REASONS
            or (self.status == 200 and self.body.strip() == ORIGINAL_GOODBYE)
        )

    @property
    def refusal(self) -> str | None:
        """The code of an error, for one who asks to be let in; None if no server is there."""
        match self.status:
            case 401:
                return REASONS[CloseCode.NOT_AUTHORIZED]
            case 403:
                return REASONS[CloseCode.FORBIDDEN]
            case 429:
                return REASONS[CloseCode.NO_PLACE]
            case 503 if self.is_ours:
                return REASONS[CloseCode.NO_PLACE]
            case status if status in GATEWAY_STATUSES:
                return "server_unreachable"
        return None

    @property
    def text(self) -> str:
        """Its body as UTF-8, whatever it claims to be: there are charsets that decode nothing."""
        return self.body.decode(errors="replace")

    @property
    def speaks_of(self) -> int | None:
        """The number in the first ``Pragma``, by which a server tells who it speaks of."""
        return number(self.headers.get("pragma", ""))

    @property
    def words(self) -> str:
        """What its body says, if that is plain text; otherwise nothing."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/plain":
            return ""
        return one_line(self.body[: 8 * LONGEST_WORDS].decode(errors="replace"), LONGEST_WORDS)

    def __str__(self) -> str:
        text = f"it answers with {self.status} {one_line(self.phrase, 40)}".rstrip()
        if location := self.headers.get("location"):
            text += f", which leads to {shown(location)}"
        return f"{text}: {self.words}" if self.words else text


def number(text: str) -> int | None:
    """An id as servers write it; None if it is none."""
    bare = text.strip()
    return int(bare) if _NUMBER.fullmatch(bare) else None


def answer(
    status: int, phrase: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> HttpResponse:
    """An answer as it was received."""
    fields: dict[str, str] = {}
    for name, value in headers:
        fields.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return HttpResponse(status, phrase.decode("latin-1"), fields, body)

"""HTTP responses into bytes. No I/O.

They are written here and not by a library, because classic clients look for headers byte by byte:
the casing matters, and so does the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from ...wire.native import SERVER_HEADER, SERVER_NAME, SESSION_HEADER
from .origins import CORS, REST
from .requests import RequestError

#: By which a client tells an answer of ours from one of what stands in between, which may put its
#: own name into ``Server``.
IDENTITY: Final = (
    f"{SERVER_HEADER}: {SERVER_NAME}\r\n"
    f"Access-Control-Expose-Headers: {SERVER_HEADER}, {SESSION_HEADER}\r\n"
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: What is no page is never to become one, whoever wrote it: no browser guesses its type (Fetch,
#: section 3.5), shows it in a frame, runs a script in it, or takes it to be of our origin (CSP 3,
#: section 6.3.2).
NO_SNIFFING: Final = "X-Content-Type-Options: nosniff\r\n"
NO_PAGE: Final = "Content-Security-Policy: default-src 'none'; sandbox; frame-ancestors 'none'\r\n"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer.

    One that is ``text/html`` is a page: whoever writes it says in ``extra`` by which policy. Any
    other is told to be no page, whatever it holds.

    Attributes:
        status: the number of HTTP, such as 200.
        reason: the words beside it, such as ``OK``.
        body: all of it.
        content_type: of the body; None if there is no such header.
        pragma: the id of a peer, which the classic protocol has in this header.
        extra: more headers.
        cors: headers, with their line ends, that say what pages of other origins may ask for and
            read there.
    """

    status: int
    reason: str
    body: bytes = b""
    content_type: str | None = "text/plain"
    pragma: int | None = None
    extra: dict[str, str] = field(default_factory=dict)
    cors: str = REST

    def encode(self, *, keep_alive: bool, head_only: bool = False, cors: str = CORS) -> bytes:
        """The bytes of it, with the headers in the order in which clients know them.

        Every one carries CORS headers: the pages of browsers are to read errors too.
        """
        head = _head(self.status, self.reason, self.content_type, keep_alive, cors)
        own = f"Content-Length: {len(self.body)}\r\n"
        if self.pragma is not None:
            own += f"Pragma: {self.pragma}\r\n"
        for name, value in self.extra.items():
            own += f"{name}: {value}\r\n"
        # What has not changed is not sent; its length is told (RFC 9110, section 15.4.5).
        without_body = head_only or self.status == 304
        body = b"" if without_body else self.body
        return head[0] + own.encode("latin-1") + head[1] + body


@lru_cache(maxsize=256)
def _head(
    status: int, reason: str, content_type: str | None, keep_alive: bool, cors: str
) -> tuple[bytes, bytes]:
    """What comes before the headers that each answer has of its own, and what behind them."""
    lines = [
        f"HTTP/1.1 {status} {reason}",
        f"Server: {SERVER_NAME}",
        "Cache-Control: no-cache",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    is_page = content_type is not None and content_type.startswith("text/html")
    safe = NO_SNIFFING if is_page else NO_SNIFFING + NO_PAGE
    before = "\r\n".join(lines) + "\r\n"
    behind = cors + safe + IDENTITY + "\r\n"
    return before.encode("latin-1"), behind.encode("latin-1")


def error_response(error: RequestError) -> Response:
    return Response(error.status, error.reason, error.sentence.encode())

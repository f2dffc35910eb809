"""HTTP answers into bytes. No I/O.

They are written here and not by a library, because classic clients look for headers byte by byte:
the casing matters, and so does the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .requests import RequestError

CORS = (
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Credentials: true\r\n"
    "Access-Control-Allow-Methods: POST, GET, OPTIONS\r\n"
    "Access-Control-Allow-Headers: Content-Type, Content-Length, Connection, Cache-Control\r\n"
    "Access-Control-Expose-Headers: Content-Length, X-Peer-Id\r\n"
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Every one carries the CORS headers: browsers are to read errors too."""

    status: int
    reason: str
    body: bytes = b""
    content_type: str | None = "text/plain"
    pragma: int | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def encode(self, *, keep_alive: bool, head_only: bool = False) -> bytes:
        """The bytes of it, with the headers in the order in which clients know them."""
        lines = [
            f"HTTP/1.1 {self.status} {self.reason}",
            "Server: trio-rtc",
            "Cache-Control: no-cache",
            f"Connection: {'keep-alive' if keep_alive else 'close'}",
        ]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Content-Length: {len(self.body)}")
        if self.pragma is not None:
            lines.append(f"Pragma: {self.pragma}")
        lines += [f"{name}: {value}" for name, value in self.extra.items()]
        head = "\r\n".join(lines) + "\r\n" + CORS + "\r\n"
        return head.encode("latin-1") + (b"" if head_only else self.body)


def error_response(error: RequestError) -> Response:
    return Response(error.status, error.reason, error.sentence.encode())

"""Refusals: why somebody is not let in, or has to go, in whatever protocol it is told."""

from __future__ import annotations

from typing import Final

from ...wire.close_codes import REASONS, CloseCode
from ..http.requests import RequestError

#: Most close codes are 4000 and the status of HTTP that says the same.
_STATUSES: Final = {
    CloseCode.BAD_MESSAGE: (400, "Bad Request"),
    CloseCode.NOT_AUTHORIZED: (401, "Unauthorized"),
    CloseCode.FORBIDDEN: (403, "Forbidden"),
    CloseCode.SESSION_LOST: (404, "Not Found"),
    CloseCode.SUPERSEDED: (409, "Conflict"),
    CloseCode.TOO_FAST: (429, "Too Many Requests"),
}
_UNAVAILABLE: Final = (503, "Service Unavailable")


class Refused(Exception):
    """Somebody does not get what it asks for: it is told why, and has to go.

    Attributes:
        close_code: with which its WebSocket is closed, if it has one.
        code: for programs to go by; if it is not told, the reason that goes with the close.
    """

    def __init__(self, close_code: int, message: str, code: str | None = None):
        super().__init__(message)
        self.close_code = close_code
        self.code = code or REASONS[close_code]

    @property
    def sentence(self) -> str:
        """The message as a sentence of its own, if it is not one already."""
        message = str(self)
        return message if message[:1].isupper() else f"{message[:1].upper()}{message[1:]}."

    def over_http(self) -> RequestError:
        """The answer that tells it to an HTTP request."""
        return RequestError(*_STATUSES.get(self.close_code, _UNAVAILABLE), self.sentence)

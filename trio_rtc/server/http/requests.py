"""HTTP requests, and why one is refused. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class RequestError(Exception):
    """A request that is answered with a status and a sentence.

    Attributes:
        limit: which one of `ServerLimits` it goes over, if it is that.
    """

    def __init__(self, status: int, reason: str, sentence: str, *, limit: str | None = None):
        super().__init__(sentence)
        self.status = status
        self.reason = reason
        self.sentence = sentence
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request.

    Attributes:
        method: in capitals, such as ``GET``.
        path: the target up to the question mark, ``*`` included, as it was sent.
        query: what follows the question mark, as it was sent.
        headers: by lower-case name; of several with one name, the first.
        all_headers: lower-case names and values, in the order in which they were sent.
        body: all of it; empty if there is none.
        version: ``1.0`` or ``1.1``.
        keep_alive: whether the client wants to go on with the connection.
    """

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    all_headers: Sequence[tuple[str, str]]
    body: bytes
    version: str
    keep_alive: bool

    def options(self, header: str) -> set[str]:
        """The items of a header that is a list, in lower case, wherever it stands."""
        return {
            option.strip().lower()
            for name, value in self.all_headers
            if name == header
            for option in value.split(",")
        }

    def with_body(self, body: bytes) -> Request:
        """The same with this body."""
        return Request(
            self.method,
            self.path,
            self.query,
            self.headers,
            self.all_headers,
            body,
            self.version,
            self.keep_alive,
        )

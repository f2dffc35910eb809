"""HTTP request parser: requests out of bytes. No I/O.

httptools (llhttp) reads; what is here around it bounds what it may read, and makes good what
clients of the classic protocol send that is no HTTP.
"""

from __future__ import annotations

import re

from ...limits import ServerLimits
from ..requests import Request, RequestError
from .request_builder import RequestBuilder, parse_whole_head
from .request_heads import RequestHead

_BLANK_LINES = re.compile(rb"(?:\r\n)*")
_BEGINS_LIKE_A_REQUEST = re.compile(rb"[A-Z]|\r?\Z")


class RequestParser:
    """Requests out of what a connection receives, one after the other."""

    def __init__(self, limits: ServerLimits):
        self._limits = limits
        self._buffer = bytearray()
        # So much of the buffer is known to hold no end of a line.
        self._scanned = 0
        self._message: RequestBuilder | None = None

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._buffer += data

    def take_rest(self) -> bytes:
        """What came after the last request, for whoever goes on with the connection."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    @property
    def buffered(self) -> int:
        """How many bytes wait for their turn."""
        return len(self._buffer)

    @property
    def kept(self) -> int:
        """How many bytes are kept for a request, and for what comes after it."""
        return len(self._buffer) + (0 if self._message is None else self._message.kept)

    @property
    def in_request(self) -> bool:
        """Whether part of a request is there."""
        return self._message is not None or bool(self._buffer)

    @property
    def wants_continue(self) -> bool:
        """Whether the client waits for ``100 Continue`` before its body; true once per request."""
        return self._message is not None and self._message.take_wants_continue()

    def next_request(self) -> Request | None:
        """The next complete request; None if more bytes are needed.

        Raises:
            RequestError: what came is none, or over a limit.
        """
        message = self._message
        if message is None:
            if not self._buffer:
                return None
            if (head := self._take_whole_head()) is not None:
                size = head.body_bytes
                if len(self._buffer) >= size:
                    return self._take_request(head.request, size)
            message = self._message = RequestBuilder(self._limits, head)
        while not message.complete:
            if not message.head_complete:
                line = self._take_line(message)
                if line is None:
                    return None
                message.feed_line(line)
            else:
                data = bytes(self._buffer[: message.wanted])
                if not data:
                    return None
                del self._buffer[: len(data)]
                message.feed_body(data)
        self._message = None
        return message.request()

    def _take_whole_head(self) -> RequestHead | None:
        """A head that has come as a whole, and whose lines need not be looked at."""
        end = self._buffer.find(b"\r\n\r\n") + 4
        if not 4 <= end <= self._limits.head_bytes:
            return None
        head = parse_whole_head(bytes(self._buffer[:end]), self._limits)
        if head is not None:
            del self._buffer[:end]
        return head

    def _take_request(self, request: Request, size: int) -> Request:
        """A request whose body has come, too."""
        if not size:
            return request
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return request.with_body(body)

    def _take_line(self, message: RequestBuilder) -> bytes | None:
        if message.head_bytes == 0:
            self._skip_blank_lines(message)
            # What is no HTTP at all need not wait for the end of a line that never comes. It comes
            # before the limits, so that the answer does not depend on how the bytes were cut.
            if not _BEGINS_LIKE_A_REQUEST.match(self._buffer):
                raise RequestError(400, "Bad Request", "This is not an HTTP request.")
        end = self._buffer.find(b"\n", self._scanned) + 1
        size = end or len(self._buffer)
        if message.head_bytes + size > self._limits.head_bytes:
            if message.head_bytes == 0:
                raise RequestError(
                    414, "URI Too Long", "The request line is too long.", limit="head_bytes"
                )
            raise RequestError(
                431,
                "Request Header Fields Too Large",
                "The headers of the request are too large.",
                limit="head_bytes",
            )
        if not end:
            self._scanned = size
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._scanned = 0
        return line

    def _skip_blank_lines(self, message: RequestBuilder) -> None:
        """Drop the empty lines before a request (RFC 9112, section 2.2), as far as there may be.

        What is dropped is not looked at again: otherwise each line would cost all of them.
        """
        blank = _BLANK_LINES.match(self._buffer)
        assert blank is not None
        del self._buffer[: blank.end()]
        message.blank_bytes += blank.end()
        if message.blank_bytes > self._limits.head_bytes:
            raise RequestError(
                400, "Bad Request", "There are only empty lines here.", limit="head_bytes"
            )

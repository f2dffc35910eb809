"""HTTP request parser: requests out of bytes. No I/O.

httptools (llhttp) reads; what is here around it bounds what it may read, and makes good what
clients of the classic protocol send that is no HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httptools

from ..limits import ServerLimits
from .serving.request_heads import mended, plain_head, without_origin

_BLANK_LINES = re.compile(rb"(?:\r\n)*")
_BEGINS_LIKE_A_REQUEST = re.compile(rb"[A-Z]|\r?\Z")

#: With chunks of a single byte there are five bytes of framing for each.
_FRAMING_BYTES = 8


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
        path: the target up to the question mark, ``*`` included, as it was sent.
        query: what follows the question mark, as it was sent.
        headers: by lower-case name; of several with one name, the first.
        all_headers: lower-case names and values, in the order in which they were sent.
        version: ``1.0`` or ``1.1``.
        keep_alive: whether the client wants to go on with the connection.
    """

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    all_headers: list[tuple[str, str]]
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


class RequestParser:
    """Requests out of what a connection receives, one after the other."""

    def __init__(self, limits: ServerLimits):
        self._limits = limits
        self._buffer = bytearray()
        # So much of the buffer is known to hold no end of a line.
        self._scanned = 0
        self._message: _RequestBuilder | None = None

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._buffer += data

    def take_rest(self) -> bytes:
        """What came after the last request, for whoever goes on with the connection."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
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
        wants = self._message is not None and self._message.wants_continue
        if self._message is not None:
            self._message.wants_continue = False
        return wants

    def next_request(self) -> Request | None:
        """The next complete request; None if more bytes are needed.

        Raises:
            RequestError: what came is none, or over a limit.
        """
        if self._message is None:
            if not self._buffer:
                return None
            self._message = _RequestBuilder(self._limits)
        message = self._message
        if not message.head_bytes and (head := self._take_plain_head()):
            message.feed_head(head)
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

    def _take_plain_head(self) -> bytes:
        head = b"" if self._scanned else plain_head(self._buffer, self._limits.head_bytes)
        del self._buffer[: len(head)]
        return head

    def _take_line(self, message: _RequestBuilder) -> bytes | None:
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

    def _skip_blank_lines(self, message: _RequestBuilder) -> None:
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


class _ParsedRequest:
    """What a parser has found of a request: its callbacks.

    It does not know the parser, so that neither has to be looked for by the garbage collector.
    """

    __slots__ = ("body", "complete", "head_complete", "headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self.head_complete = False
        self.complete = False

    def on_url(self, url: bytes) -> None:
        if not self.head_complete:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # After a chunked body these are trailers, or belong to no request of ours.
        if not self.head_complete:
            self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.head_complete = True

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class _RequestBuilder:
    """One request in the making."""

    def __init__(self, limits: ServerLimits):
        self._limits = limits
        self._parsed = _ParsedRequest()
        self._parser = httptools.HttpRequestParser(self._parsed)
        self._raw_bytes = 0
        self.blank_bytes = 0
        self.head_bytes = 0
        self.wants_continue = False
        self.wanted = limits.body_bytes
        self._chunked = False
        self._method = ""
        self._version = ""
        self._keep_alive = False

    @property
    def head_complete(self) -> bool:
        return self._parsed.head_complete

    @property
    def complete(self) -> bool:
        return self._parsed.complete

    @property
    def kept(self) -> int:
        """How many bytes it takes up; of headers it is about twice of what was sent."""
        return 2 * self.head_bytes + len(self._parsed.body)

    def feed_line(self, line: bytes) -> None:
        """Parse a line of the head."""
        first = self.head_bytes == 0
        self.head_bytes += len(line)
        if line.startswith(b"PRI * HTTP/2"):  # RFC 9113, section 3.4
            raise _other_version()
        if not line.endswith(b"\r\n"):
            raise RequestError(400, "Bad Request", "A line of the request ends without CR LF.")
        if not first and line[:1] in (b" ", b"\t"):
            raise RequestError(400, "Bad Request", "A header of the request is folded.")
        self.feed(mended(line) if first else line)
        if self.head_complete:
            self._check_head()

    def feed_head(self, head: bytes) -> None:
        """Parse a head as a whole."""
        self.head_bytes = len(head)
        self.feed(head)
        self._check_head()

    def feed_body(self, data: bytes) -> None:
        """Add a part of the body, of at most ``wanted`` bytes."""
        if self._chunked:
            self.feed(data)
            self._check_framing(len(data))
            return
        self._parsed.body += data
        self.wanted -= len(data)
        self._parsed.complete = self.wanted == 0

    def _check_framing(self, size: int) -> None:
        """Look whether a chunked body is more than extensions and trailers, which nobody hears."""
        self._raw_bytes += size
        bound = self._limits.head_bytes + _FRAMING_BYTES * len(self._parsed.body)
        if not self.complete and self._raw_bytes - len(self._parsed.body) > bound:
            raise RequestError(
                400, "Bad Request", "The body is hardly more than its framing.", limit="body_bytes"
            )

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing here is upgraded to: the request is answered as it stands, when it has
            # come to the end that its headers name (RFC 9110, section 7.8).
            self._parsed.head_complete = True
        except httptools.HttpParserError as error:
            # What follows a chunked body is no fault of the request.
            if not self.complete:
                raise _refusal(error) from error
        if len(self._parsed.body) > self._limits.body_bytes:
            raise self._too_large()

    def _check_head(self) -> None:
        if len(self._parsed.headers) > self._limits.header_count:
            raise RequestError(
                431,
                "Request Header Fields Too Large",
                "The request has too many headers.",
                limit="header_count",
            )
        version = self._version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _other_version()
        hosts = 0
        options: set[str] = set()
        lengths: list[str] = []
        codings: list[str] = []
        for name, value in self._parsed.headers:
            if name == "host":
                hosts += 1
            elif name == "connection":
                options.update(option.strip().lower() for option in value.split(","))
            elif name == "content-length":
                lengths.append(value)
            elif name == "transfer-encoding":
                codings.append(value)
        # RFC 9112, section 3.2. The original clients speak HTTP/1.0, and have none.
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            raise RequestError(400, "Bad Request", "A request has one header Host.")
        # The parser forgets these with the end of the body.
        self._method = self._parser.get_method().decode("latin-1")
        # RFC 9112, section 9.3
        self._keep_alive = "close" not in options and (version == "1.1" or "keep-alive" in options)
        # Two framings of one body are how requests are smuggled (RFC 9112, section 6.3).
        if len(lengths) + len(codings) > 1:
            raise RequestError(400, "Bad Request", "The length of the body is given twice.")
        if codings and codings[0].strip().lower() != "chunked":
            raise RequestError(501, "Not Implemented", "The transfer coding is not known here.")
        if codings and (version == "1.0" or self._parser.should_upgrade()):
            # HTTP/1.0 has no codings, and an offer to upgrade makes the parser stop before one.
            raise RequestError(400, "Bad Request", "The request cannot be chunked.")
        self._chunked = bool(codings)
        if not codings and not lengths:
            self.wanted = 0
        if lengths:
            if not re.fullmatch(r"[0-9]{1,18}", lengths[0].strip()):
                raise RequestError(400, "Bad Request", "The Content-Length is not a number.")
            self.wanted = int(lengths[0])
            if self.wanted > self._limits.body_bytes:
                raise self._too_large()
        # A body with a length is kept from the parser, which would read on into what follows it.
        self._parsed.complete = self.wanted == 0 and not self._chunked
        if not self.complete and version == "1.1":
            expect = next((value for name, value in self._parsed.headers if name == "expect"), "")
            self.wants_continue = expect.strip().lower() == "100-continue"

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            "Content Too Large",
            f"A message may have {self._limits.body_bytes} bytes here.",
            limit="body_bytes",
        )

    def request(self) -> Request:
        target = without_origin(self._parsed.target)
        path, _, query = target.partition(b"?")
        headers: dict[str, str] = {}
        for name, value in self._parsed.headers:
            headers.setdefault(name, value)
        return Request(
            method=self._method,
            path=path.decode("latin-1") or "/",
            query=query,
            headers=headers,
            all_headers=self._parsed.headers,
            body=bytes(self._parsed.body),
            version=self._version,
            # Where a chunked body ends only its parser knows, and what follows it is lost to us.
            keep_alive=self._keep_alive and not self._chunked,
        )


def _refusal(error: httptools.HttpParserError) -> RequestError:
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return RequestError(501, "Not Implemented", "The method is not known here.")
    return RequestError(400, "Bad Request", f"The request is malformed: {error}.")


def _other_version() -> RequestError:
    return RequestError(
        505, "HTTP Version Not Supported", "Only HTTP/1.0 and HTTP/1.1 are spoken here."
    )

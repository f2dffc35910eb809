"""HTTP request in the making: its head, line by line or as a whole, and its body. No I/O."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import httptools

from ...limits import ServerLimits
from ..requests import Request, RequestError
from .request_heads import (
    RequestHead,
    is_plain,
    mended,
    other_version,
    read_head,
    too_large,
)

#: With chunks of a single byte there are five bytes of framing for each.
_FRAMING_BYTES: Final = 8

#: Heads up to this size are known again: who asks again and again sends the same one.
_KNOWN_HEAD_BYTES: Final = 512
_KNOWN_HEADS: Final = 1024


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


class RequestBuilder:
    """One request in the making.

    Args:
        head: what is known of it already; otherwise its lines are fed.

    Attributes:
        wanted: so many bytes of its body are still to be fed, or may be.
    """

    def __init__(self, limits: ServerLimits, head: RequestHead | None = None):
        self._limits = limits
        self._parsed = _ParsedRequest()
        self._parser = httptools.HttpRequestParser(self._parsed) if head is None else None
        self._raw_bytes = 0
        self.blank_bytes = 0
        self.head_bytes = 0
        self.wanted = 0
        self._wants_continue = False
        self._head = head
        if head is not None:
            self._begin_body(head)

    @property
    def head_complete(self) -> bool:
        return self._head is not None

    @property
    def complete(self) -> bool:
        return self._parsed.complete

    @property
    def kept(self) -> int:
        """How many bytes it takes up; of headers it is about twice of what was sent."""
        return 2 * self.head_bytes + len(self._parsed.body)

    def take_wants_continue(self) -> bool:
        """Whether the client waits for ``100 Continue``; true once."""
        wants, self._wants_continue = self._wants_continue, False
        return wants

    def feed_line(self, line: bytes) -> None:
        """Parse a line of the head."""
        first = self.head_bytes == 0
        self.head_bytes += len(line)
        if line.startswith(b"PRI * HTTP/2"):  # RFC 9113, section 3.4
            raise other_version()
        if not line.endswith(b"\r\n"):
            raise RequestError(400, "Bad Request", "A line of the request ends without CR LF.")
        if not first and line[:1] in (b" ", b"\t"):
            raise RequestError(400, "Bad Request", "A header of the request is folded.")
        self._feed(mended(line) if first else line)
        if self._parsed.head_complete:
            assert self._parser is not None
            self._head = _read_parsed(
                self._parser,
                self._parsed,
                self.head_bytes,
                self._limits.header_count,
                self._limits.body_bytes,
            )
            self._begin_body(self._head)

    def _begin_body(self, head: RequestHead) -> None:
        self.head_bytes = head.size
        self.wanted = head.body_bytes
        # A body with a length is kept from the parser, which would read on into what follows it.
        self._parsed.complete = self.wanted == 0 and not head.is_chunked
        self._wants_continue = head.wants_continue and not self.complete

    def feed_body(self, data: bytes) -> None:
        """Add a part of the body, of at most ``wanted`` bytes."""
        assert self._head is not None
        if self._head.is_chunked:
            self._feed(data)
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

    def _feed(self, data: bytes) -> None:
        assert self._parser is not None
        _feed(self._parser, self._parsed, data)
        if len(self._parsed.body) > self._limits.body_bytes:
            raise too_large(self._limits.body_bytes)

    def request(self) -> Request:
        assert self._head is not None
        request = self._head.request
        return request.with_body(bytes(self._parsed.body)) if self._parsed.body else request


def parse_whole_head(head: bytes, limits: ServerLimits) -> RequestHead | None:
    """What a head says that has come as a whole; None if its lines have to be looked at.

    Raises:
        RequestError: it is none, or over a limit.
    """
    # A handshake has a key of its own.
    may_come_again = len(head) <= _KNOWN_HEAD_BYTES and b"Sec-WebSocket-Key:" not in head
    parse = _parse_known if may_come_again else _parse
    return parse(head, limits.header_count, limits.body_bytes)


def _parse(head: bytes, most_headers: int, most_body: int) -> RequestHead | None:
    if not is_plain(head):
        return None
    parsed = _ParsedRequest()
    parser = httptools.HttpRequestParser(parsed)
    _feed(parser, parsed, head)
    read = _read_parsed(parser, parsed, len(head), most_headers, most_body)
    # The parser has to go on with it.
    return None if read.is_chunked else read


_parse_known = lru_cache(maxsize=_KNOWN_HEADS)(_parse)


def _feed(parser: httptools.HttpRequestParser, parsed: _ParsedRequest, data: bytes) -> None:
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        # Nothing here is upgraded to: the request is answered as it stands, when it has
        # come to the end that its headers name (RFC 9110, section 7.8).
        parsed.head_complete = True
    except httptools.HttpParserError as error:
        # What follows a chunked body is no fault of the request.
        if not parsed.complete:
            raise _refusal(error) from error


def _read_parsed(
    parser: httptools.HttpRequestParser,
    parsed: _ParsedRequest,
    size: int,
    most_headers: int,
    most_body: int,
) -> RequestHead:
    # The parser forgets these with the end of the body.
    return read_head(
        parser.get_method(),
        parsed.target,
        parser.get_http_version(),
        parsed.headers,
        size=size,
        upgrade=parser.should_upgrade(),
        most_headers=most_headers,
        most_body=most_body,
    )


def _refusal(error: httptools.HttpParserError) -> RequestError:
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return RequestError(501, "Not Implemented", "The method is not known here.")
    return RequestError(400, "Bad Request", f"The request is malformed: {error}.")

"""Heads of requests: what they say, which need no mending, and how others are mended. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..requests import Request, RequestError

_ORIGIN: Final = re.compile(rb"^[a-z][a-z0-9+.-]*://[^/?]*", re.IGNORECASE)

#: A request line that needs no mending, and lines that end as they should and begin with a name.
_PLAIN_HEAD: Final = re.compile(rb"[A-Z]+ /[!-~]* HTTP/1\.[01]\r\n(?:[!-9;-~][^\r\n]*\r\n)*\r\n")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Head of a request.

    Attributes:
        request: what is known without its body.
        size: so many bytes the head has.
        body_bytes: so many the body has; of a chunked one, so many it may have.
        wants_continue: whether the client waits for ``100 Continue`` before its body.
    """

    request: Request
    size: int
    body_bytes: int
    is_chunked: bool
    wants_continue: bool


def is_plain(head: bytes) -> bool:
    """Whether a head has nothing of what each line is looked at for."""
    return _PLAIN_HEAD.fullmatch(head) is not None


def read_head(
    method: bytes,
    target: bytes,
    version: str,
    headers: Sequence[tuple[str, str]],
    *,
    size: int,
    upgrade: bool,
    most_headers: int,
    most_body: int,
) -> RequestHead:
    """What a head says that has been parsed.

    Args:
        method: as it was sent.
        target: as it was sent.
        version: the two numbers of it.
        headers: lower-case names and values.
        size: of the head, in bytes.
        upgrade: whether the parser stops before the body, as the client offers to upgrade.
        most_headers: how many there may be.
        most_body: how many bytes the body may have.

    Raises:
        RequestError: it is none, or over a limit.
    """
    if len(headers) > most_headers:
        raise RequestError(
            431,
            "Request Header Fields Too Large",
            "The request has too many headers.",
            limit="header_count",
        )
    if version not in ("1.0", "1.1"):
        raise other_version()
    options: set[str] = set()
    lengths: list[str] = []
    codings: list[str] = []
    by_name: dict[str, str] = {}
    hosts = 0
    for name, value in headers:
        by_name.setdefault(name, value)
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
    # Two framings of one body are how requests are smuggled (RFC 9112, section 6.3).
    if len(lengths) + len(codings) > 1:
        raise RequestError(400, "Bad Request", "The length of the body is given twice.")
    if codings and codings[0].strip().lower() != "chunked":
        raise RequestError(501, "Not Implemented", "The transfer coding is not known here.")
    if codings and (version == "1.0" or upgrade):
        # HTTP/1.0 has no codings, and an offer to upgrade makes the parser stop before one.
        raise RequestError(400, "Bad Request", "The request cannot be chunked.")
    body_bytes = most_body if codings else 0
    if lengths:
        if not re.fullmatch(r"[0-9]{1,18}", lengths[0].strip()):
            raise RequestError(400, "Bad Request", "The Content-Length is not a number.")
        body_bytes = int(lengths[0])
        if body_bytes > most_body:
            raise too_large(most_body)
    path, _, query = _without_origin(target).partition(b"?")
    request = Request(
        method=method.decode("latin-1"),
        path=path.decode("latin-1") or "/",
        query=query,
        headers=by_name,
        all_headers=headers,
        body=b"",
        version=version,
        # RFC 9112, section 9.3. Where a chunked body ends only its parser knows, and what follows
        # it is lost to us.
        keep_alive="close" not in options
        and (version == "1.1" or "keep-alive" in options)
        and not codings,
    )
    return RequestHead(
        request=request,
        size=size,
        body_bytes=body_bytes,
        is_chunked=bool(codings),
        wants_continue=version == "1.1"
        and by_name.get("expect", "").strip().lower() == "100-continue",
    )


def _without_origin(target: bytes) -> bytes:
    """The target of a request without a scheme and a host, which proxies are asked with."""
    return target if target.startswith(b"/") else _ORIGIN.sub(b"", target)


def mended(line: bytes) -> bytes:
    """A request line as the original client may send it, made one of HTTP.

    It sends its name as it is. The original server takes a target up to its first space; bytes
    beyond ASCII are percent-encoded, which is what they stand for.
    """
    method, _, rest = line.rstrip(b"\r\n").partition(b" ")
    target, _, version = rest.rpartition(b" ")
    target = target.partition(b" ")[0] or target
    target = re.sub(rb"[\x80-\xff]", lambda match: b"%%%02X" % match[0][0], target)
    return b"%b %b %b\r\n" % (method, target, version)


def too_large(most: int) -> RequestError:
    """A body has more bytes than that."""
    return RequestError(
        413, "Content Too Large", f"A message may have {most} bytes here.", limit="body_bytes"
    )


def other_version() -> RequestError:
    """It is HTTP, but not ours."""
    return RequestError(
        505, "HTTP Version Not Supported", "Only HTTP/1.0 and HTTP/1.1 are spoken here."
    )

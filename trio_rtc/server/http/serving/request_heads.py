"""Heads of requests: which need no mending, and how others are mended. No I/O."""

from __future__ import annotations

import re
from typing import Final

_ORIGIN: Final = re.compile(rb"^[a-z][a-z0-9+.-]*://[^/?]*", re.IGNORECASE)

#: A request line that needs no mending, and lines that end as they should and begin with a name.
_PLAIN_HEAD: Final = re.compile(rb"[A-Z]+ /[!-~]* HTTP/1\.[01]\r\n(?:[!-9;-~][^\r\n]*\r\n)*\r\n")


def plain_head(received: bytearray, most: int) -> bytes:
    """A head that has come as a whole, and has nothing of what each line is looked at for."""
    end = received.find(b"\r\n\r\n") + 4
    head = bytes(received[:end]) if 4 <= end <= most else b""
    return head if _PLAIN_HEAD.fullmatch(head) else b""


def without_origin(target: bytes) -> bytes:
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

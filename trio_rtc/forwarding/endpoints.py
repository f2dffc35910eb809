"""Where connections come in and where they go, as ``ssh`` writes it. Without I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..errors import ForwardError
from ..text import one_line

LOOPBACK: Final = "localhost"
MAX_PATH_BYTES: Final = 107
"""Of the path of a Unix socket (Linux, unix(7))."""

_HOST: Final = r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\[\]/:\s]*))"
_TCP: Final = re.compile(rf"{_HOST}:(\*|\d{{1,5}})")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP port of a host, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _bad(text: str, what: str) -> ForwardError:
    return ForwardError(f"{one_line(text, 80)!r} is not {what}", code="bad_endpoint")


def parse_endpoint(text: str, *, default_host: str = "") -> Endpoint:
    """``HOST:PORT``, ``[IPV6]:PORT`` or ``/PATH``; ``PORT`` alone with a default host.

    Raises:
        ForwardError: ``bad_endpoint``.
    """
    what = "HOST:PORT, or the path of a socket"
    if text.startswith("/"):
        if len(text.encode(errors="surrogateescape")) > MAX_PATH_BYTES or "\0" in text:
            raise _bad(text, what)
        return Endpoint(path=text)
    if default_host and re.fullmatch(r"\d{1,5}", text):
        text = f"{default_host}:{text}"
    found = _TCP.fullmatch(text)
    if not found or found[3] == "*":
        raise _bad(text, what)
    host, port = found[1] or found[2] or default_host, int(found[3])
    if not host or host == "*" or port > 65535:
        raise _bad(text, what)
    return Endpoint(host.lower(), port)


def parse_forward(text: str) -> tuple[Endpoint, Endpoint]:
    """Where to listen, and where connections go: what ``ssh`` takes after ``-L`` and ``-R``.

    ``[HOST:]PORT:HOST:PORT``, where either side may be the path of a socket. Without a host we
    listen on the loopback interface.

    Raises:
        ForwardError: ``bad_endpoint``.
    """
    what = "[HOST:]PORT:HOST:PORT, where either side may be the path of a socket"
    for cut in [match.start() for match in re.finditer(":", text)]:
        listen, target = text[:cut], text[cut + 1 :]
        # What is within brackets has colons of its own.
        if listen.count("[") != listen.count("]"):
            continue
        try:
            return (
                parse_endpoint(listen, default_host=LOOPBACK),
                parse_endpoint(target),
            )
        except ForwardError:
            continue
    raise _bad(text, what)


@dataclass(frozen=True)
class Allowed:
    """Endpoints that are allowed: exact ones, and ``HOST:*`` or ``*:PORT``."""

    exact: frozenset[Endpoint]
    hosts: frozenset[str]
    ports: frozenset[int]

    def __contains__(self, endpoint: Endpoint) -> bool:
        if endpoint in self.exact:
            return True
        return not endpoint.path and (endpoint.host in self.hosts or endpoint.port in self.ports)


def parse_allowed(texts: Iterable[str], *, default_host: str = "") -> Allowed:
    """What is allowed, as somebody has written it.

    Raises:
        ForwardError: ``bad_endpoint``.
    """
    exact, hosts, ports = set(), set(), set()
    for text in texts:
        found = _TCP.fullmatch(text)
        if found and found[3] == "*" and (host := found[1] or found[2]) and host != "*":
            hosts.add(host.lower())
        elif found and found[2] == "*" and found[3] != "*":
            ports.add(int(found[3]))
        else:
            exact.add(parse_endpoint(text, default_host=default_host))
    return Allowed(frozenset(exact), frozenset(hosts), frozenset(ports))

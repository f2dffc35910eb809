"""Origin allow-list and CORS: which web pages may use the server. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[^\s:/?#@\[\]*]+)(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}

#: Origins without a host, which browsers write as they stand.
_NAMED = {"null", "file://"}

#: What a browser says of a request that no other site has made (Fetch Metadata, section 2.4).
_OWN = {"same-origin", "none"}

REST = (
    "Access-Control-Allow-Methods: POST, GET, OPTIONS\r\n"
    "Access-Control-Allow-Headers: Content-Type, Content-Length, Connection, Cache-Control\r\n"
    "Access-Control-Expose-Headers: Content-Length, X-Peer-Id\r\n"
)

"""What a page may ask for and read, where nothing else is said."""

CORS = "Access-Control-Allow-Origin: *\r\n" + REST
"""The headers that let every page read an answer."""


class Origins:
    """Origins as browsers tell them (RFC 6454): ``https://example.org``, ``null``, ``file://``.

    A client that is no browser has none, and may connect from anywhere: an origin protects
    those who visit a page, it proves nothing about a client.

    With a GET that no script has to read the answer of, such as that of a picture, browsers tell
    none either (Fetch, "append a request Origin header"), but they tell that another site makes
    it (Fetch Metadata).

    Args:
        allowed: those that may connect; None for all.

    Raises:
        ValueError: one of them is no origin.
    """

    def __init__(self, allowed: Iterable[str] | None):
        if isinstance(allowed, str):
            raise ValueError(f"no list of origins: {allowed!r}")
        self._allowed = None if allowed is None else frozenset(map(_normal, allowed))

    def allow(self, headers: Iterable[tuple[str, str]]) -> bool:
        """Whether a request with these headers may be answered."""
        if self._allowed is None:
            return True
        told = {"origin": set[str](), "sec-fetch-site": set[str]()}
        for name, value in headers:
            if name in told:
                told[name].add(value.strip())
        # A browser sends one (RFC 6454, section 7.3). Of several, each has to be allowed.
        return told["origin"] <= self._allowed if told["origin"] else told["sec-fetch-site"] <= _OWN

    def cors(self, origin: str | None, rest: str = REST) -> str:
        """The headers by which the page of this origin may read an answer (Fetch, section 3.3).

        Args:
            origin: of the page.
            rest: what it may ask for and read.
        """
        if self._allowed is None:
            return CORS if rest is REST else "Access-Control-Allow-Origin: *\r\n" + rest
        if origin is None or origin.strip() not in self._allowed:
            return "Vary: Origin\r\n"
        return f"Access-Control-Allow-Origin: {origin.strip()}\r\nVary: Origin\r\n{rest}"


def _normal(origin: str) -> str:
    """As a browser would write it: in lower case, and without the port that goes without saying."""
    lower = origin.strip().lower()
    if lower in _NAMED:
        return lower
    lower = lower.removesuffix("/")
    if not _ORIGIN.fullmatch(lower):
        raise ValueError(f"no origin, such as https://example.org: {origin!r}")
    if not lower.isascii():
        # How other letters are encoded browsers know better than we do (UTS 46).
        raise ValueError(f"no origin as browsers write it, in ASCII (xn--...): {origin!r}")
    scheme = lower.partition(":")[0]
    if port := _DEFAULT_PORTS.get(scheme):
        return lower.removesuffix(f":{port}")
    return lower

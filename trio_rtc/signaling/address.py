"""The address of a server: a URL that is checked, a form of it to be shown, and others to try.

A path belongs to the server (RFC 3986, section 6.2): it stays as it is given. A user and a password
are not taken: no protocol here has a use for them, and tokens are not to stand in addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from typing import Final

import httpx

from ..errors import SignalingError
from ..text import one_line

#: A host name (RFC 1123, section 2.1), and underscores, which local names have.
_HOST = re.compile(r"(?=.{1,254}$)(?!-)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?", re.ASCII)

LONGEST_SHOWN = 120

PATIENCE_SECONDS: Final = 4.0
"""How long one may take to answer, and then to let us in, while there are others to ask."""

#: What every other one would say, too.
_OF_US: Final = {"not_authorized", "forbidden", "id_taken", "invalid_key"}


def parse_address(
    url: str, schemes: Collection[str], what: str, example: str, *, query: bool = False
) -> httpx.URL:
    """The address of a server.

    Args:
        url: as it was given.
        schemes: those that it may have.
        what: what is there, in words.
        example: what such an address looks like.
        query: whether it may have a query.

    Raises:
        SignalingError: ``bad_url``.
    """
    why = None
    try:
        parts = httpx.URL(url)
        if parts.scheme not in schemes or not _is_port(parts.port):
            why = f"is not the address of {what}"
        elif not (parts.host and _is_host(parts.raw_host.decode("ascii"))):
            why = "has no host that can be"
        elif parts.userinfo:
            why = "has a user or a password, which are not used"
        elif parts.fragment or (parts.query and not query):
            why = "has a fragment" if parts.fragment else "has a query, for which there is no place"
        else:
            # A fragment, and a query that may not be, can be empty still.
            return parts.copy_with(fragment=None, **({} if query else {"query": None}))
    except (httpx.InvalidURL, ValueError):
        why = f"is not the address of {what}"
    raise SignalingError(
        f"{shown(url)!r} {why}; one looks like {example}", code="bad_url", fault="local"
    )


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 65536


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.IPv6Address(host.replace("%25", "%"))
        except ValueError:
            return False
        return True
    return _HOST.fullmatch(host) is not None


def shown(url: object) -> str:
    """A URL for people: without a user, a password, and a query, which may hold a token."""
    text = str(url)
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    rest = re.split(r"[?#]", rest.rpartition("@")[2] if "@" in rest else rest, maxsplit=1)[0]
    return one_line(f"{scheme}{separator}{rest}", LONGEST_SHOWN)


class Servers:
    """The URLs of servers that are one to their clients; at least one."""

    def __init__(self, urls: Sequence[str]):
        self._urls = list(urls)
        self._refusing: set[str] = set()

    @property
    def current(self) -> str:
        """The one to be asked."""
        return self._urls[0]

    def __len__(self) -> int:
        return len(self._urls)

    @property
    def patience(self) -> float | None:
        """How long it may take; None if it is the only one."""
        return PATIENCE_SECONDS if len(self._urls) > 1 else None

    def turn(self) -> None:
        """Ask the next one from now on; after the last the first."""
        self._urls.append(self._urls.pop(0))

    def let_in(self) -> None:
        """The current one has accepted us, and what others have said before is of the past."""
        self._refusing.clear()

    def all_refuse(self) -> bool:
        """The current one has refused us, as it has no place; whether each has said so by now."""
        self._refusing.add(self.current)
        return self._refusing >= set(self._urls)


def is_of_us(error: SignalingError) -> bool:
    """Whether another server would fare no better."""
    return error.fault == "local" or error.code in _OF_US


def all_failed(failures: Sequence[tuple[str, SignalingError]]) -> SignalingError:
    """What it comes to that no server has let us in: of a single one, what it has said."""
    if len(failures) == 1:
        return failures[0][1]
    said = "; ".join(f"{shown(url)}: {error}" for url, error in failures)
    codes = {error.code for _, error in failures}
    faults = {error.fault for _, error in failures}
    return SignalingError(
        f"none of {len(failures)} servers lets us in: {said}",
        code=codes.pop() if len(codes) == 1 else "server_unreachable",
        fault=faults.pop() if len(faults) == 1 else "network",
    )

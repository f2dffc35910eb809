"""Host allow-list, against DNS rebinding: which names the server goes by. No I/O.

A page of ``evil.example`` may have its name resolve to the server's address, and is of one origin
with the server then: browsers hold nothing back, and tell no ``Origin`` with a GET. What they do
tell is the name (RFC 9110, section 7.2).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")


class Hosts:
    """Names that requests may be for.

    Args:
        allowed: names or addresses, without a port: ``example.org``, ``192.0.2.1``, ``[::1]``, or
            ``*.example.org`` for all names below that one; None for whatever there is.
        addresses: whether all addresses are allowed as well, and what is local for every browser.

    Raises:
        ValueError: one of them is no host.
    """

    def __init__(self, allowed: Iterable[str] | None, *, addresses: bool = False):
        if isinstance(allowed, str):
            raise ValueError(f"no list of hosts: {allowed!r}")
        self._allowed = None if allowed is None else frozenset(map(_checked, allowed))
        self._addresses = addresses
        # With their dots.
        self._parents = tuple(one[1:] for one in self._allowed or () if one.startswith("*."))

    def allow(self, host: str | None) -> bool:
        """Whether a request with this ``Host`` may be answered.

        One without comes from no browser: HTTP/1.0 has none.
        """
        if self._allowed is None or host is None:
            return True
        name = _name(host)
        is_allowed = name in self._allowed or name.endswith(self._parents)
        return is_allowed or (self._addresses and _is_no_name(name))

    def is_no_foreign_name(self, host: str | None) -> bool:
        """Whether no page can have come by this ``Host`` by rebinding a name of its own.

        So it is with those that are allowed, with addresses, and with what is local for every
        browser (RFC 6761, section 6.3).
        """
        if self._allowed is not None or host is None:
            return self.allow(host)
        return _is_no_name(_name(host))


def _is_no_name(name: str) -> bool:
    """Whether it is an address, or local."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    return _normal(re.sub(r":[0-9]*\Z", "", host.strip()))


def _normal(host: str) -> str:
    """As one host is always written: in lower case, without the final dot of a full name."""
    lower = host.lower()
    if lower.startswith("[") and lower.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(lower[1:-1])}]"
        except ValueError:
            return lower
    return lower.removesuffix(".")


def _checked(host: str) -> str:
    stripped = host.strip()
    if ":" in stripped and not stripped.startswith("["):
        with suppress(ValueError):
            stripped = f"[{ipaddress.IPv6Address(stripped)}]"
    normal = _normal(stripped)
    if not _HOST.fullmatch(normal):
        raise ValueError(f"no host without a port, such as example.org: {host!r}")
    return normal

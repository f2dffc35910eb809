"""The URLs of STUN and TURN servers (RFC 7064, RFC 7065)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from ..errors import BadIceServer

_URL: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):"
    r"(\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[\w.~!$&'()*+,;=%-]+))"
    r"(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<transport>\w+))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class IceUrl:
    """Where a server is, and how it is spoken to.

    Attributes:
        scheme: ``stun``, ``stuns``, ``turn`` or ``turns``.
        host: a name or an address; one of IPv6 without its brackets.
        transport: ``udp`` or ``tcp``.
    """

    scheme: str
    host: str
    port: int
    transport: str

    @property
    def is_turn(self) -> bool:
        """Whether this is a TURN server."""
        return self.scheme.startswith("turn")

    @property
    def is_spoken(self) -> bool:
        """Whether there is a way to ask the server: there is no STUN over TLS, and no DTLS."""
        return self.scheme in ("stun", "turn") or (self.is_turn and self.transport == "tcp")


def parse_ice_url(url: str) -> IceUrl:
    """Take the URL of a server apart.

    Raises:
        BadIceServer: it is not the URL of one.
    """
    match = _URL.fullmatch(url) if isinstance(url, str) else None
    if match is None:
        raise BadIceServer(f"{url!r} is not the URL of a STUN or TURN server")
    scheme = match["scheme"].lower()
    is_secure = scheme.endswith("s")
    port = int(match["port"] or (5349 if is_secure else 3478))
    if not 1 <= port <= 65535:
        raise BadIceServer(f"{url!r} has a port outside of 1 to 65535")
    transport = (match["transport"] or "").lower()
    if transport and scheme in ("stun", "stuns"):
        raise BadIceServer(f"{url!r} has a transport, which only a TURN server has")
    if transport not in ("", "udp", "tcp"):
        raise BadIceServer(f"{url!r} has a transport other than udp and tcp")
    return IceUrl(scheme, _host(url, match), port, transport or ("tcp" if is_secure else "udp"))


def _host(url: str, match: re.Match[str]) -> str:
    try:
        if match["ipv6"]:
            return str(ipaddress.IPv6Address(match["ipv6"]))
        match["name"].encode("idna")
    except ValueError as error:
        raise BadIceServer(f"{url!r} has a host that cannot be: {error}") from error
    return match["name"]

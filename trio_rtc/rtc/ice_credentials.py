"""ICE credentials that both sides know beforehand, in place of those that descriptions bring."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import BadIceServer


class BadIceCredentials(BadIceServer):
    """A username fragment or a password that ICE cannot have."""

    default_code = "bad_ice_credentials"


@dataclass(frozen=True)
class IceCredentials:
    """By what the checks of one side are known (W3C RTCIceParameters).

    Attributes:
        username_fragment: 4 to 256 letters, digits, ``+`` and ``/``.
        password: 22 to 256 of them.

    Raises:
        BadIceCredentials: there are more or less of them, or others (RFC 8839, section 5.4).
    """

    username_fragment: str
    password: str

    def __post_init__(self) -> None:
        if re.fullmatch(r"[a-zA-Z0-9+/]{4,256}", self.username_fragment) is None:
            raise BadIceCredentials(f"{self.username_fragment!r} is no username fragment")
        if re.fullmatch(r"[a-zA-Z0-9+/]{22,256}", self.password) is None:
            raise BadIceCredentials(
                "a password has 22 to 256 letters, digits, + and /, and nothing else"
            )

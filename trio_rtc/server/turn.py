"""TURN credentials, made as they are needed."""

from __future__ import annotations

import base64
import hmac
import math
import re
from collections.abc import Sequence
from typing import Any

LIFETIME_SECONDS = 3600.0

# RFC 7064 and RFC 7065, section 3.1
_URL = re.compile(
    r"(stun|turn)s?:(?:\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(?::([0-9]{1,5}))?"
    r"(\?transport=(?:udp|tcp))?"
)


class TurnCredentials:
    """Issues credentials with a lifetime that TURN servers check by a shared secret.

    This is the TURN REST scheme (draft-uberti-behave-turn-rest-00): coturn's
    ``use-auth-secret`` with ``static-auth-secret``. Nothing is stored here or there.

    Args:
        secret: what the TURN servers share with us.
        urls: where they are: ``turn:`` and ``turns:`` URLs, and ``stun:`` ones, which need no
            credentials.
        lifetime: for how many seconds credentials are good for allocations.

    Raises:
        ValueError: the secret is empty, there is no TURN URL, one is no URL of this kind, or the
            lifetime is not positive.
    """

    def __init__(self, secret: str, urls: Sequence[str], lifetime: float = LIFETIME_SECONDS):
        if not secret:
            raise ValueError("the secret of the TURN servers is empty")
        if not 0 < lifetime < math.inf:
            raise ValueError(f"a lifetime of {lifetime} seconds")
        for url in urls:
            if not _is_url(url):
                raise ValueError(f"no URL of a STUN or TURN server: {url!r}")
        self._secret = secret.encode()
        self._stun = [url for url in urls if url.startswith("stun")]
        self._turn = [url for url in urls if not url.startswith("stun")]
        if not self._turn:
            raise ValueError("no URL of a TURN server")
        self.lifetime = lifetime

    def issue(self, now: float, user: str, until: float = math.inf) -> list[dict[str, Any]]:
        """The servers as W3C's RTCIceServer dictionaries: ``urls``, ``username``, ``credential``.

        Args:
            now: the time in seconds since 1970 (`time.time`), which is what the TURN servers go
                by.
            user: for whom, such as a peer's id: the TURN servers log it, and count quotas by it.
                With more than 490 bytes the username would be longer than STUN allows.
            until: credentials are not good for longer than that, on the same clock; if it is
                over, there are none.
        """
        end = min(math.ceil(now + self.lifetime), until)
        stun: list[dict[str, Any]] = [{"urls": list(self._stun)}] if self._stun else []
        if end <= now:
            return stun
        username = f"{math.floor(end)}:{user}"
        digest = hmac.digest(self._secret, username.encode(), "sha1")
        credential = base64.b64encode(digest).decode()
        return [
            *stun,
            {"urls": list(self._turn), "username": username, "credential": credential},
        ]


def _is_url(url: str) -> bool:
    match = _URL.fullmatch(url)
    if match is None or (match[1] == "stun" and match[3]):
        return False
    return match[2] is None or 1 <= int(match[2]) <= 65535

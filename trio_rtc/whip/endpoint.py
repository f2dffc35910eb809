"""The requests of a client of WHIP or WHEP (RFC 9725, section 4), and what their answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from ..errors import NegotiationError, SignalingError
from ..signaling.address import parse_address, shown
from ..signaling.http import ask, reason
from ..signaling.http_response import HttpResponse
from ..text import one_line
from ..wire.native import IceServerEntry
from ..wire.whip import FRAGMENT, SDP, Fragment, format_fragment, parse_fragment, parse_links

ANSWER_SECONDS: Final = 30.0
"""How long an endpoint may take: it may have to ask somebody else."""

MOST_REDIRECTIONS: Final = 5

_CODES: Final = {
    401: "not_authorized",
    403: "forbidden",
    404: "not_found",
    429: "no_place",
    503: "no_place",
    502: "server_unreachable",
    504: "server_unreachable",
}


def whip_address(url: str) -> httpx.URL:
    """The address of an endpoint.

    Raises:
        SignalingError: ``bad_url``.
    """
    return parse_address(
        url,
        ("http", "https"),
        "a WHIP or WHEP endpoint",
        "https://example.org/whip/studio",
        query=True,
    )


@dataclass(slots=True)
class _SessionUrl:
    """What the endpoint has made of our offer.

    Attributes:
        url: where it is.
        etag: of the generation of ICE; None if it tells none.
    """

    url: httpx.URL
    etag: str | None


class WhipEndpoint:
    """An endpoint, and our session there once there is one."""

    def __init__(self, http: httpx.AsyncClient, url: httpx.URL, token: str | None):
        self._http = http
        self._url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._session: _SessionUrl | None = None
        #: STUN and TURN servers that it has told of.
        self.ice_servers: Sequence[IceServerEntry] = ()

    @property
    def trickles(self) -> bool:
        """Whether candidates may follow: by what, the session tells."""
        return self._session is not None and self._session.etag is not None

    async def look(self) -> None:
        """Ask which ICE servers to use, where the endpoint tells that before an offer.

        Raises:
            SignalingError: nobody answers.
        """
        response, _ = await self._ask("OPTIONS", self._url)
        if response.status < 300:
            self._learn(response)

    async def offer(self, sdp: str) -> str:
        """Make an offer; gives the answer.

        Raises:
            SignalingError: it is refused, or that is no answer.
        """
        response, url = await self._ask("POST", self._url, sdp, SDP)
        if response.status not in (200, 201):
            raise self._refused(response)
        location, kind = response.headers.get("location"), _kind(response)
        if location is not None:
            # Also if the rest is of no use: it is there, and has to be ended.
            try:
                self._session = _SessionUrl(url.join(location), response.headers.get("etag"))
            except httpx.InvalidURL:
                location = None
        if location is None or kind != SDP or not response.text.startswith("v=0"):
            raise SignalingError(
                f"what answers at {shown(url)} is no WHIP or WHEP endpoint: it answers with "
                f"{response.status}, and {'no session' if location is None else 'no description'}",
                code="not_whip",
            )
        self._learn(response)
        return response.text

    async def trickle(self, fragment: Fragment) -> None:
        """Tell of more candidates.

        Raises:
            SignalingError: they are refused.
        """
        assert self._session is not None
        response = await self._patch(fragment, self._session.etag or "*")
        if response.status not in (200, 204):
            raise self._refused(response)

    async def restart(self, fragment: Fragment) -> Fragment:
        """Begin another generation of ICE; gives the endpoint's.

        Raises:
            SignalingError: that is refused, or the answer is no fragment.
        """
        response = await self._patch(fragment, "*")
        if response.status != 200 or _kind(response) != FRAGMENT:
            raise self._refused(response)
        assert self._session is not None
        self._session.etag = response.headers.get("etag", self._session.etag)
        try:
            return parse_fragment(response.text)
        except NegotiationError as error:
            raise SignalingError(f"{error}", code="not_whip") from error

    async def end(self) -> None:
        """End the session, if there is one.

        Raises:
            SignalingError: nobody answers.
        """
        session, self._session = self._session, None
        if session is not None:
            await self._ask("DELETE", session.url)

    async def _patch(self, fragment: Fragment, matched: str) -> HttpResponse:
        if self._session is None:
            raise SignalingError("there is no session", code="send_failed", fault="local")
        response, _ = await self._ask(
            "PATCH", self._session.url, format_fragment(fragment), FRAGMENT, {"If-Match": matched}
        )
        return response

    async def _ask(
        self,
        method: str,
        url: httpx.URL,
        body: str | None = None,
        kind: str = "",
        extra: Mapping[str, str] | None = None,
    ) -> tuple[HttpResponse, httpx.URL]:
        """The answer to a request, and who gave it: redirections are followed (section 4.5)."""
        for _ in range(MOST_REDIRECTIONS + 1):
            headers = {**(extra or {})}
            if _is_same_origin(url, self._url):
                # The token is for whom it was given, and for nobody whom that one names.
                headers |= self._headers
            if body is not None:
                headers["Content-Type"] = kind
            content = None if body is None else body.encode("utf-8", "surrogateescape")
            try:
                got = await ask(
                    self._http, method, str(url), ANSWER_SECONDS, content=content, headers=headers
                )
            except httpx.RequestError as error:
                raise SignalingError(
                    f"no endpoint answers at {shown(url)}: {reason(error)}",
                    code="server_unreachable",
                    fault="network",
                ) from error
            response = HttpResponse.of(got)
            location = response.headers.get("location")
            if response.status not in (307, 308) or location is None:
                return response, url
            try:
                url = url.join(location)
            except httpx.InvalidURL:
                break
            if url.scheme not in ("http", "https") or not url.host:
                break
        raise SignalingError(
            f"{shown(self._url)} leads to nowhere: {response}", code="server_unreachable"
        )

    def _refused(self, response: HttpResponse) -> SignalingError:
        why = f"{shown(self._url)}: {response}"
        return SignalingError(one_line(why, 400), code=_CODES.get(response.status, "refused"))

    def _learn(self, response: HttpResponse) -> None:
        if links := parse_links(response.headers.get("link", "")):
            self.ice_servers = [
                IceServerEntry([link.url], link.username, link.credential) for link in links
            ]


def _is_same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _kind(response: HttpResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()

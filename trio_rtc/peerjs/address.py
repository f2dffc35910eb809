"""Address of a PeerJS server, and the id that it makes up."""

from __future__ import annotations

import ssl
from urllib.parse import quote

import httpx

from ..errors import SignalingError
from ..signaling.address import Servers, all_failed, parse_address, shown
from ..signaling.http import ask, open_http_client, reason
from ..signaling.http_response import HttpResponse
from ..wire import peerjs as wire

ANSWER_SECONDS = 10.0


def base_url(url: str) -> str:
    """The address of a server as it is used, with a slash at its end.

    Raises:
        SignalingError: ``bad_url``.
    """
    address = parse_address(url, ("http", "https"), "a PeerJS server", "http://localhost:9000/")
    return f"{str(address).removesuffix('/')}/"


def socket_url(key: str, id: str, base: str, token: str) -> str:  # noqa: A002
    """The address of a WebSocket of this peer at this server."""
    return f"{base.replace('http', 'ws', 1)}peerjs?{wire.query(key, id, token)}"


async def fetch_id(servers: Servers, key: str, ssl_context: ssl.SSLContext | None) -> str:
    """Ask a server for an id that nobody has, and another one if that gives none.

    Raises:
        SignalingError: ``server_unreachable``, ``not_peerjs_server``, ``refused``.
    """
    failures: list[tuple[str, SignalingError]] = []
    for _ in range(len(servers)):
        try:
            return await _fetch_id(servers.current, key, servers.patience, ssl_context)
        except SignalingError as error:
            failures.append((servers.current, error))
            servers.turn()
    raise all_failed(failures)


async def _fetch_id(
    base: str, key: str, patience: float | None, ssl_context: ssl.SSLContext | None
) -> str:
    http = await open_http_client(httpx.URL(base), timeout=ANSWER_SECONDS, ssl_context=ssl_context)
    async with http:
        try:
            url = f"{base}{quote(key, safe='')}/id"
            response = await ask(http, "GET", url, patience or 2 * ANSWER_SECONDS)
        except httpx.RemoteProtocolError as error:
            raise _no_server(base, reason(error)) from error
        except httpx.RequestError as error:
            raise unreachable(base, reason(error)) from error
    answer = HttpResponse.of(response)
    id_ = answer.text.strip()
    if answer.status == 200 and wire.is_valid_id(id_):
        return id_
    code = answer.refusal
    if code == "server_unreachable":
        raise unreachable(base, str(answer))
    if code is not None and answer.is_ours:
        raise refused(base, answer.words)
    raise _no_server(base, f"asked for an id, {answer}")


def unreachable(url: str, why: str) -> SignalingError:
    return SignalingError(
        f"no PeerJS server answers at {shown(url)}: {why}",
        code="server_unreachable",
        fault="network",
    )


def refused(url: str, why: str, code: str = "refused") -> SignalingError:
    return SignalingError(f"the PeerJS server at {shown(url)} says: {why}", code=code)


def _no_server(base: str, why: str) -> SignalingError:
    return SignalingError(
        f"{shown(base)} is no PeerJS server, or has another key: {why}", code="not_peerjs_server"
    )

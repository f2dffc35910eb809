"""Where a PeerJS server is found, and the id that it makes up."""

from __future__ import annotations

import ssl
from urllib.parse import quote, urlsplit

import httpx

from .. import peerjs_protocol as wire
from ..errors import SignalingError

ANSWER_SECONDS = 10.0


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"
    except ValueError:
        pass
    raise SignalingError(
        f"{url!r} is not the address of a PeerJS server; one looks like http://localhost:9000/",
        code="bad_url",
        fault="local",
    )


def socket_url(url: str, key: str, id: str, token: str) -> str:  # noqa: A002
    """The address of a WebSocket of this peer.

    Raises:
        SignalingError: ``bad_url``.
    """
    return f"{_base(url).replace('http', 'ws', 1)}peerjs?{wire.query(key, id, token)}"


async def fetch_id(url: str, key: str, ssl_context: ssl.SSLContext | None) -> str:
    """Ask a server for an id that nobody has.

    Raises:
        SignalingError: ``bad_url``, ``server_unreachable``, ``not_peerjs_server``.
    """
    base = _base(url)
    async with httpx.AsyncClient(verify=ssl_context or True, timeout=ANSWER_SECONDS) as http:
        try:
            response = await http.get(f"{base}{quote(key, safe='')}/id")
        except httpx.InvalidURL as error:
            raise SignalingError(f"{url}: {error}", code="bad_url", fault="local") from error
        except httpx.RemoteProtocolError as error:
            raise _no_server(base, f"its answer is not HTTP: {error}") from error
        except httpx.RequestError as error:
            why = str(error) or type(error).__name__
            raise SignalingError(
                f"no PeerJS server answers at {base}: {why}",
                code="server_unreachable",
                fault="network",
            ) from error
    id_ = response.text.strip()
    if response.status_code != 200 or not wire.is_valid_id(id_):
        raise _no_server(
            base, f"asked for an id, it answers {response.status_code} {response.reason_phrase}"
        )
    return id_


def _no_server(base: str, why: str) -> SignalingError:
    return SignalingError(
        f"{base} is no PeerJS server, or has another key: {why}", code="not_peerjs_server"
    )

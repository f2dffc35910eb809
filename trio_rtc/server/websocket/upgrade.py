"""The opening handshake of WebSocket (RFC 6455, section 4), as a server answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Request as HandshakeRequest
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from ...wire.native import SERVER_HEADER, SERVER_NAME
from ..http.requests import Request, RequestError
from ..http.responses import Response, error_response

VERSION: Final = "13"


def accept(request: Request, subprotocols: Sequence[str]) -> bytes | Response:
    """Answer who asks for a WebSocket: the bytes that open a connection, or a refusal."""
    if request.headers.get("sec-websocket-version", VERSION).strip() != VERSION:
        # RFC 6455, section 4.4
        sentence = f"Only version {VERSION} of WebSocket is spoken here."
        extra = {"Upgrade": "websocket", "Sec-WebSocket-Version": VERSION}
        return Response(426, "Upgrade Required", sentence.encode(), extra=extra)
    if request.body:
        return _refusal("the request has a body")
    protocol = ServerProtocol(subprotocols=[Subprotocol(name) for name in subprotocols])
    headers = Headers(request.all_headers)
    # A client may offer several protocols, of which a server takes one (RFC 9110, section 7.8).
    # `websockets` wants this one alone; that it is among them has been seen by now.
    del headers["Upgrade"]
    headers["Upgrade"] = "websocket"
    answer = protocol.accept(HandshakeRequest(path=request.path, headers=headers))
    if answer.status_code != 101:
        return _refusal(str(protocol.handshake_exc)[:200])
    answer.headers[SERVER_HEADER] = SERVER_NAME
    return answer.serialize()


def _refusal(why: str) -> Response:
    return error_response(
        RequestError(400, "Bad Request", f"The WebSocket handshake is malformed: {why}.")
    )

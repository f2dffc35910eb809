"""Requests of WHIP: what they are for, what is in them, and answers that need no session."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from ....errors import NegotiationError
from ....wire.names import problem_of
from ....wire.whip import FRAGMENT, SDP
from ...http.requests import Request, RequestError
from ...http.responses import Response

CORS: Final = (
    "Access-Control-Allow-Methods: POST, PATCH, DELETE, OPTIONS\r\n"
    "Access-Control-Allow-Headers: Authorization, Content-Type, If-Match\r\n"
    "Access-Control-Expose-Headers: Location, ETag, Link, Accept-Post, Accept-Patch\r\n"
)
"""What pages of other origins may ask for and read (RFC 9725, section 4.7)."""

ENDPOINT_METHODS: Final = "POST, OPTIONS"
SESSION_METHODS: Final = "PATCH, DELETE, OPTIONS"


class Told(Exception):
    """A refusal with a header that goes with it."""

    def __init__(
        self,
        status: int,
        reason: str,
        sentence: str,
        *,
        retry: int | None = None,
        challenge: str | None = None,
        etag: str | None = None,
    ):
        super().__init__(sentence)
        headers = {"Retry-After": retry, "WWW-Authenticate": challenge, "ETag": etag}
        extra = {name: str(value) for name, value in headers.items() if value is not None}
        self.response = Response(status, reason, sentence.encode(), extra=extra)


def target(path: str) -> tuple[str, str]:
    """The room and the name that a path means.

    Raises:
        RequestError: it means none.
    """
    parts = [unquote_to_bytes(part).decode("utf-8", "replace") for part in path.split("/")]
    if len(parts) > 2 or not parts[-1]:
        raise RequestError(
            404, "Not Found", "The path is the name of a peer, or of a room and a peer in it."
        )
    room, name = parts if len(parts) == 2 else ("", parts[0])
    if why := problem_of(room, room=True):
        raise RequestError(404, "Not Found", f"A room's name {why}.")
    if why := problem_of(name):
        raise RequestError(404, "Not Found", f"A peer's name {why}.")
    return room, name


def body(request: Request, wanted: str) -> str:
    """Its body, which has to be of this type.

    Raises:
        RequestError: it is not, or no text.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise RequestError(415, "Unsupported Media Type", f"The body is {wanted}.")
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        raise RequestError(400, "Bad Request", "The body is no text in UTF-8.") from None


def sentence(error: NegotiationError) -> str:
    """What is wrong, as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def describe(*, is_session: bool) -> Response:
    """The answer to OPTIONS: what the endpoint, or a session, takes."""
    extra = {"Allow": ENDPOINT_METHODS, "Accept-Post": SDP}
    if is_session:
        extra = {"Allow": SESSION_METHODS, "Accept-Patch": FRAGMENT}
    return Response(200, "OK", content_type=None, extra=extra, cors=CORS)


def not_allowed(*, is_session: bool) -> Response:
    """The refusal of another method."""
    allowed = SESSION_METHODS if is_session else ENDPOINT_METHODS
    what = "A session takes" if is_session else "The endpoint takes"
    return Response(
        405, "Method Not Allowed", f"{what} {allowed}.".encode(), extra={"Allow": allowed}
    )

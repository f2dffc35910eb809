"""Requests of the classic protocol: what they say, and which are of no classic client. No I/O."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from ...http.connection import HttpExchange
from ...http.requests import Request, RequestError

METHODS: Final = {"/sign_in": "GET", "/wait": "GET", "/message": "POST", "/sign_out": "GET"}

SHORTEST_HANG: Final = 1.0

_LONGEST_NUMBER: Final = 18

MOST_NOTICES: Final = 256


def parameters_of(exchange: HttpExchange) -> dict[str, str]:
    """What a query says, by name: of several the first."""
    query = exchange.request.query.decode("latin-1")
    if "%" in query or "+" in query:
        return dict(reversed(parse_qsl(query)))
    pairs = [part.partition("=") for part in query.split("&")]
    return {name: value for name, _, value in reversed(pairs) if value}


def peer_number(exchange: HttpExchange, parameters: dict[str, str], name: str) -> int:
    value = parameters.get(name, "")
    if not (len(value) <= _LONGEST_NUMBER and value.isascii() and value.isdigit()):
        raise RequestError(
            400, "Bad Request", f"{exchange.request.path} needs the number of a peer as {name}."
        )
    return int(value)


def hang_seconds(asked: str, longest: float) -> float:
    """How long a GET may hang: as long as it asks for, and not longer than is good for it."""
    if not asked:
        return longest
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", asked):
        raise RequestError(400, "Bad Request", "The seconds of a /wait are a number.")
    return min(max(float(asked), SHORTEST_HANG), longest)


def notices_at_once(asked: str) -> int:
    """How many notices a GET takes in one answer: one, unless it says so."""
    if not asked:
        return 1
    if not re.fullmatch(r"[0-9]{1,9}", asked):
        raise RequestError(400, "Bad Request", "The notices of a /wait are a number.")
    return min(max(int(asked), 1), MOST_NOTICES)


def is_of_a_page(request: Request) -> bool:
    """Whether a browser asks that does not fetch: for a picture, a frame, a script, a link."""
    # Fetch Metadata, sections 2.1 and 2.2; Service Workers, section 4.3
    destination = request.headers.get("sec-fetch-dest", "empty").strip()
    mode = request.headers.get("sec-fetch-mode", "cors").strip()
    # What is prefetched by a link has no destination, and is asked for without an origin.
    is_unread = request.method == "GET" and mode == "no-cors"
    return destination != "empty" or is_unread or "service-worker" in request.headers

"""The page for browsers, and the modules that it is made of, out of the package's own files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from .requests import Request
from .responses import Response
from .routes import Route

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: The page loads nothing from elsewhere, and speaks to nobody but its own server.
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

_HEADERS: Final = {"Referrer-Policy": "no-referrer"}
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@cache
def page_routes() -> Mapping[str, Route]:
    """What answers a GET, by path: ``/`` with the page, ``/trio-rtc.js`` and the like.

    The files are small and read once. Browsers keep them, and ask each time whether theirs is
    still the present one (`Cache-Control: no-cache`, RFC 9111, section 5.2.2.4).
    """
    return dict(_routes(resources.files("trio_rtc") / "page", "/"))


def _routes(folder: Traversable, path: str) -> Iterator[tuple[str, Route]]:
    for file in folder.iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if file.is_dir():
            yield from _routes(file, f"{path}{file.name}/")
        elif suffix in TYPES:
            name = "" if file.name == "index.html" else file.name
            yield path + name, _route(file.read_bytes(), TYPES[suffix], is_page=suffix == ".html")


def _route(content: bytes, content_type: str, *, is_page: bool) -> Route:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    extra = {"ETag": tag, **_HEADERS, **(_PAGE_HEADERS if is_page else {})}

    def route(request: Request) -> Response:
        if _matches(request.headers.get("if-none-match", ""), tag):
            return Response(304, "Not Modified", content, content_type, extra=extra)
        return Response(200, "OK", content, content_type, extra=extra)

    return route


def _matches(field: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names an entity (RFC 9110, section 13.1.2)."""
    tags = {one.strip().removeprefix("W/") for one in field.split(",")}
    return tag in tags or "*" in tags

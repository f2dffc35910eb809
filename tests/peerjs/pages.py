"""Pages with npm's own PeerJS, beside a signaling server of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from trio_rtc.server.http.requests import Request
from trio_rtc.server.http.responses import Response
from trio_rtc.server.http.routes import Route

from ..browser.firefox import FirefoxPage
from ..node import PACKAGES
from ..server.harness import tcp_server
from .chromium import Browser, Page, open_browser

SCRIPTS = {
    "/peerjs.js": PACKAGES / "peerjs/dist/peerjs.min.js",
    "/simplepeer.js": PACKAGES / "simple-peer/simplepeer.min.js",
}

#: What the tests call in the page. All that it uses is PeerJS's documented interface.
PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<script src="/peerjs.js"></script>
<script src="/simplepeer.js"></script>
<script>
"use strict";
const errors = [], connections = [], received = [], calls = [];
let peer;

function plain(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value))
    return {bytes: Array.from(new Uint8Array(value))};
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}

function until(condition) {
  return new Promise((resolve, reject) => {
    const began = Date.now();
    (function look() {
      const value = condition();
      if (value) resolve(value);
      else if (Date.now() - began > 100000) reject(new Error(`waited too long: ${condition}`));
      else setTimeout(look, 10);
    })();
  });
}

function signIn(id, options) {
  const where = {host: location.hostname, port: Number(location.port), ...options};
  peer = id ? new Peer(id, where) : new Peer(where);
  peer.on("error", error => errors.push(error.type));
  peer.on("connection", use);
  peer.on("call", call => calls.push(call));
  return until(() => peer.open || errors.length).then(() => peer.id);
}

function use(connection) {
  connections.push(connection);
  connection.on("data", value => received.push(value));
  connection.on("error", error => errors.push(error.type));
  connection.on("close", () => connection.wasClosed = true);
  return connection;
}

function connect(id, options) {
  const connection = use(peer.connect(id, options));
  return until(() => connection.open || errors.length).then(() => connection.open);
}

async function dimensions(call) {
  const stream = await until(() => call.remoteStream);
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = stream;
  await video.play();
  await until(() => video.videoWidth > 2 && video.currentTime > 0.1);
  return [video.videoWidth, video.videoHeight, stream.getTracks().map(track => track.kind).sort()];
}
</script>
"""


def _serve(content: bytes, content_type: str) -> Route:
    def route(request: Request) -> Response:
        return Response(200, "OK", content, content_type)

    return route


def page_routes() -> dict[str, Route]:
    scripts = {path: _serve(file.read_bytes(), "text/javascript") for path, file in SCRIPTS.items()}
    return {"/page": _serve(PAGE.encode(), "text/html"), **scripts}


class Stage:
    """A server, a browser, and what is needed to bring pages in.

    Attributes:
        url: of the server.
    """

    def __init__(self, url: str, browser: Browser):
        self.url = url
        self._browser = browser

    async def page(self) -> Page:
        """Another page, as of another visitor."""
        return await self._browser.open_page(f"{self.url}/page")

    async def peer(self, id_: str, **options: Any) -> Page:
        """Another page, signed in as a peer."""
        page = await self.page()
        assert await sign_in(page, id_, **options) == id_
        return page


async def sign_in(page: Page | FirefoxPage, id_: str | None, **options: Any) -> Any:
    return await page.run("return await signIn(id, options)", id=id_, options=options)


@asynccontextmanager
async def open_stage(chromium: str, **options: Any) -> AsyncIterator[Stage]:
    """A server with the page; the options are those of `serve_signaling`."""
    async with (
        tcp_server(routes=page_routes(), **options) as port,
        open_browser(chromium) as browser,
    ):
        yield Stage(f"http://127.0.0.1:{port}", browser)

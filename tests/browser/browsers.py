"""The server's own page in a real browser, used as a person would use it."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from ..peerjs.chromium import CHROMIUM, Browser, Page, open_browser
from ..server.harness import tcp_server
from .firefox import FirefoxPage, open_firefox_page

#: Why no test with a browser can run; empty if they can. In continuous integration they have to.
MISSING = ""
if CHROMIUM is None and "CI" not in os.environ:
    MISSING = "Chromium is not installed (Debian: apt-get install chromium)"

#: Where pictures of the page go, if anybody wants to look at them.
SCREENSHOTS = os.environ.get("TRIO_RTC_SCREENSHOTS")

HELPERS = """
window.until = (condition) => new Promise((resolve, reject) => {
  const began = Date.now();
  (function look() {
    let value;
    try { value = condition(); } catch (error) { return reject(error); }
    if (value) resolve(value);
    else if (Date.now() - began > 100000)
      reject(new Error(`waited too long: ${condition}; ${window.scene()}`));
    else setTimeout(look, 20);
  })();
});
window.scene = () => {
  const requests = performance.getEntriesByType("resource").slice(-12).map((one) =>
    `${one.name} ${one.responseStatus} ${Math.round(one.startTime)}+${Math.round(one.duration)}`);
  return [`status: ${window.$("#status")?.textContent.trim()}`, `notices: ${window.notices()}`,
    `now: ${Math.round(performance.now())}`, ...requests].join("\\n  ");
};
window.$ = (selector) => document.querySelector(selector);
window.notices = () => [...document.querySelectorAll(".notice span")].map((one) => one.textContent);
window.messages = (kind = "theirs") =>
  [...document.querySelectorAll(`#messages .${kind}`)].map((one) => one.textContent);
window.people = () => [...document.querySelectorAll("#peers .name")].map((one) =>
  one.firstChild.textContent.trim());
window.callState = () => document.body.dataset.call ?? "";
"""


class Visitor:
    """Somebody at the page."""

    def __init__(self, browser: Browser | None, page: Page | FirefoxPage):
        self.browser = browser
        self.page = page

    @property
    def errors(self) -> list[str]:
        """What scripts of the page threw and nobody caught, as far as the browser tells."""
        return self.page.errors if isinstance(self.page, Page) else []

    async def close(self) -> None:
        """Close the page, without a word."""
        assert isinstance(self.page, Page)
        await self.page.close()

    async def run(self, script: str, **values: Any) -> Any:
        """Run the body of an async function in the page, with these names."""
        return await self.page.run(script, **values)

    async def until(self, condition: str) -> Any:
        """Wait until an expression in the page is true; its value."""
        return await self.run(f"return await until(() => {condition})")

    async def sign_in(
        self, name: str, *, room: str = "", token: str = "", classic: bool = False
    ) -> None:
        await self.run(
            """
            const fields = $("#sign-in-form").elements;
            fields.protocol.value = classic ? "classic" : "native";
            fields.protocol.dispatchEvent(new Event("change"));
            Object.assign(fields.name, {value: name});
            Object.assign(fields.room, {value: room});
            Object.assign(fields.token, {value: token});
            $("#sign-in-form").requestSubmit();
            """,
            name=name, room=room, token=token, classic=classic,
        )  # fmt: skip

    async def signed_in(self, name: str, **options: Any) -> None:
        """Sign in, and be in."""
        await self.sign_in(name, **options)
        await self.until("document.body.dataset.view === 'room'")

    async def choose(self, source: str) -> None:
        """Choose what to send, and wait until it is there."""
        await self.run(
            """
            $("#source").value = source;
            $("#source").dispatchEvent(new Event("change"));
            await until(() => !$("#source").disabled);
            """,
            source=source,
        )

    async def call(self, name: str, way: str = "") -> None:
        """Press a button beside a name: by itself the one for what is sent already."""
        await self.until(f"people().includes({name!r})")
        await self.run(
            """
            const rows = [...document.querySelectorAll("#peers li")];
            const row = rows.find((row) => row.title === name);
            const other = {none: "chat", microphone: "voice"}[$("#source").value] ?? "video";
            row.querySelector(`[data-way=${way || other}]`).click();
            """,
            name=name, way=way,
        )  # fmt: skip

    async def click(self, selector: str) -> None:
        await self.until(f"$('{selector}') && $('{selector}').checkVisibility()")
        await self.run("$(selector).click()", selector=selector)

    async def say(self, text: str) -> None:
        await self.run("$('#chat-text').value = text; $('#chat-form').requestSubmit()", text=text)

    async def reload(self) -> None:
        """Load the page again, as a user does."""
        await self.run("window.old = true")
        await self.page.reload()
        while True:
            with trio.move_on_after(5):
                try:
                    if await self.run("return !window.old && document.readyState === 'complete'"):
                        break
                except AssertionError:
                    pass  # Between two pages there is none.
            await trio.sleep(0.05)
        await self.run(HELPERS)

    async def command(self, method: str, **parameters: Any) -> Any:
        assert self.browser is not None
        assert isinstance(self.page, Page)
        return await self.browser.command(method, self.page.session, **parameters)

    async def screenshot(self, name: str) -> None:
        """Keep pictures of the page as it is, at both widths and in both themes."""
        if SCREENSHOTS is None or self.browser is None:
            return
        directory = trio.Path(SCREENSHOTS)
        await directory.mkdir(parents=True, exist_ok=True)
        for width, height in [(1280, 800), (390, 844)]:
            await self.command(
                "Emulation.setDeviceMetricsOverride",
                width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
            )  # fmt: skip
            for theme in ("light", "dark"):
                await self.command(
                    "Emulation.setEmulatedMedia",
                    features=[{"name": "prefers-color-scheme", "value": theme}],
                )
                await self.run("await new Promise((r) => setTimeout(r, 150))")
                picture = await self.command("Page.captureScreenshot", captureBeyondViewport=True)
                path = directory / f"{name}-{width}-{theme}.png"
                await path.write_bytes(base64.b64decode(picture["data"]))
        await self.command("Emulation.clearDeviceMetricsOverride")


class House:
    """A server with its page, and visitors.

    Attributes:
        url: of the server, with ``http``.
        ws_url: the same with ``ws``.
    """

    def __init__(self, browser: Browser, port: int, server: trio.CancelScope):
        self._browser = browser
        self._server = server
        self.port = port
        self.url = f"http://localhost:{port}"
        self.ws_url = f"ws://localhost:{port}"

    def stop_server(self) -> None:
        """Have the server end in order."""
        self._server.cancel()

    async def visitor(self, url: str = "") -> Visitor:
        """Another visitor, who has the page before him."""
        page = await self._browser.open_page(url or f"{self.url}/")
        visitor = Visitor(self._browser, page)
        await visitor.run(HELPERS)
        return visitor


@asynccontextmanager
async def open_house(chromium: str, **options: Any) -> AsyncIterator[House]:
    """A server; the options are those of `serve_signaling`."""
    ready = trio.Event()
    ports: list[int] = []
    scope = trio.CancelScope()

    async def serve() -> None:
        with scope:
            async with tcp_server(**options) as port:
                ports.append(port)
                ready.set()
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await ready.wait()
        async with open_browser(chromium) as browser:
            yield House(browser, ports[0], scope)
        scope.cancel()


@asynccontextmanager
async def visiting(
    house: House, firefox: str | None, port: int | None = None
) -> AsyncIterator[Visitor]:
    """A visitor, in Firefox if its address is given; by another port, if that leads there."""
    url = f"http://localhost:{port or house.port}/"
    if firefox is None:
        yield await house.visitor(url)
        return
    async with open_firefox_page(firefox, url) as page:
        visitor = Visitor(None, page)
        await visitor.run(HELPERS)
        yield visitor

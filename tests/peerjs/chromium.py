"""Headless Chromium with pages of its own, over the DevTools protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from trio_rtc.signaling.websocket import ClientWebSocket, WebSocketLost, open_websocket

from ..node import PACKAGES

CHROMIUM = shutil.which("chromium")

#: Why no test with a browser can run; empty if they can. In continuous integration they have to.
MISSING = ""
if "CI" not in os.environ:
    if CHROMIUM is None:
        MISSING = "Chromium is not installed (Debian: apt-get install chromium)"
    elif not (PACKAGES / "peerjs").is_dir():
        MISSING = "PeerJS is not installed (npm install --prefix tests)"

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # No page is in the background here.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
    # Media without a camera, and addresses instead of names that only mDNS resolves.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--remote-debugging-port=0",
)


@contextmanager
def running_chromium() -> Iterator[str]:
    """A browser; gives the address of its DevTools."""
    assert CHROMIUM is not None, "Chromium is not installed"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _address(process, Path(profile) / "DevToolsActivePort")
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    """Where its DevTools are, which it writes to a file when they are there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) == 2:
            port, path = lines
            return f"ws://127.0.0.1:{port}{path}"
        time.sleep(0.05)
    raise AssertionError("Chromium did not start")


class BrowserEnded(AssertionError):
    """A browser has ended that something was expected of."""


class Browser:
    """The DevTools of one browser: commands, and their answers."""

    def __init__(self, socket: ClientWebSocket):
        self._socket = socket
        self._last = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._news = trio.Event()
        self._over = False
        self._sending = trio.Lock()
        self.errors: dict[str, list[str]] = {}
        self.contexts: list[str] = []

    async def open_page(self, url: str) -> Page:
        """A page as of another visitor, when it has loaded."""
        context = (await self.command("Target.createBrowserContext"))["browserContextId"]
        self.contexts.append(context)
        target = await self.command(
            "Target.createTarget", url="about:blank", browserContextId=context
        )
        attached = await self.command(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self, target["targetId"], attached["sessionId"])
        await self.command("Runtime.enable", page.session)
        await self.command("Page.enable", page.session)
        await self.command("Page.navigate", page.session, url=url)
        await page.run(
            "if (document.readyState !== 'complete')"
            " await new Promise(resolve => addEventListener('load', resolve))"
        )
        return page

    async def command(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        async with self._sending:
            with trio.CancelScope(shield=True):
                await self._socket.send(json.dumps(message))
        while number not in self._answers:
            if self._over:
                raise BrowserEnded(f"no answer to {method}")
            await self._news.wait()
        answer = self._answers.pop(number)
        assert "error" not in answer, answer
        return answer["result"]

    async def read(self) -> None:
        while True:
            try:
                message = json.loads(await self._socket.receive())
            except WebSocketLost:
                self._over = True
                self._news.set()
                return
            if "id" in message:
                self._answers[message["id"]] = message
                self._news.set()
                self._news = trio.Event()
            elif message["method"] == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                text = str(details.get("exception", details).get("description"))
                self.errors.setdefault(message["sessionId"], []).append(text)


class Page:
    """A page of a browser."""

    def __init__(self, browser: Browser, target: str, session: str):
        self._browser = browser
        self._target = target
        self.session = session

    @property
    def errors(self) -> list[str]:
        """What its scripts threw and nobody caught."""
        return self._browser.errors.get(self.session, [])

    async def run(self, script: str, **values: Any) -> Any:
        """Run the body of an async function, with these names; its result has to be JSON."""
        names = ", ".join(values)
        arguments = ", ".join(json.dumps(value) for value in values.values())
        answer = await self._browser.command(
            "Runtime.evaluate",
            self.session,
            expression=f"(async ({names}) => {{ {script} }})({arguments})",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def reload(self) -> None:
        """Load it again as a user does."""
        await self._browser.command("Page.reload", self.session)

    async def close(self) -> None:
        """Close it as a user does, without a word."""
        await self._browser.command("Target.closeTarget", targetId=self._target)


@asynccontextmanager
async def open_browser(address: str) -> AsyncIterator[Browser]:
    """Use a browser; its pages are closed at the end of the block."""
    async with (
        open_websocket(address, subprotocols=[], timeout=60, max_message_bytes=2**26) as socket,
        trio.open_nursery() as nursery,
    ):
        browser = Browser(socket)
        nursery.start_soon(browser.read)
        try:
            yield browser
        finally:
            with (
                trio.CancelScope(shield=True),
                trio.move_on_after(60),
                suppress(WebSocketLost, BrowserEnded),
            ):
                for context in browser.contexts:
                    await browser.command("Target.disposeBrowserContext", browserContextId=context)
        nursery.cancel_scope.cancel()

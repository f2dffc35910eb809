"""Headless Firefox with pages of its own, over WebDriver BiDi."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

#: Why no test with Firefox can run; empty if they can. In continuous integration they have to.
MISSING = ""
if FIREFOX is None and "CI" not in os.environ:
    MISSING = "Firefox is not installed (Debian: apt-get install firefox-esr)"

FLAGS = ("--headless", "--no-remote", "--remote-debugging-port=0")

#: Media without a camera and without a question, and addresses instead of .local names.
PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


@contextmanager
def running_firefox() -> Iterator[str]:
    """A browser; gives the address of its BiDi sessions."""
    assert FIREFOX is not None, "Firefox is not installed"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
        Path(profile, "user.js").write_text("\n".join(lines))
        process = subprocess.Popen(
            [FIREFOX, *FLAGS, "--profile", profile, "about:blank"],
            env={**os.environ, "HOME": profile},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if b"WebDriver BiDi listening on " in line:
                    yield line.split()[-1].decode() + "/session"
                    break
            else:
                raise AssertionError("Firefox did not start")
        finally:
            process.kill()
            process.communicate()


class FirefoxPage:
    """A page, in which scripts run."""

    def __init__(self, socket: WebSocketConnection):
        self._socket = socket
        self._last = 0
        self._context = ""

    async def command(self, method: str, **parameters: Any) -> Any:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        await self._socket.send_message(json.dumps(message))
        while True:
            answer = json.loads(await self._socket.get_message())
            if answer.get("id") == self._last:
                assert answer["type"] == "success", answer
                return answer["result"]

    async def open(self, url: str) -> None:
        await self.command("session.new", capabilities={})
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]
        await self.command(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    async def run(self, script: str, **values: Any) -> Any:
        """Run the body of an async function, with these names; its result has to be JSON."""
        names = ", ".join(values)
        arguments = ", ".join(json.dumps(value) for value in values.values())
        answer = await self.command(
            "script.evaluate",
            expression=f"(async ({names}) => {{ {script} }})({arguments})"
            ".then((value) => JSON.stringify(value ?? null))",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])


@asynccontextmanager
async def open_firefox_page(address: str, url: str) -> AsyncIterator[FirefoxPage]:
    """A page of the browser, for the length of the block."""
    async with open_websocket_url(address, max_message_size=2**26) as socket:
        page = FirefoxPage(socket)
        try:
            await page.open(url)
            yield page
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(5), suppress(ConnectionClosed):
                await page.command("session.end")

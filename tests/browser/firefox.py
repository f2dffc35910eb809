"""Headless Firefox with pages of its own, over WebDriver BiDi."""

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
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _address(process, Path(profile, "WebDriverBiDiServer.json"))
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    """Where its sessions are, which it writes to a file when it takes them."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(FileNotFoundError, json.JSONDecodeError):
            server = json.loads(file.read_text())
            return f"ws://{server['ws_host']}:{server['ws_port']}/session"
        time.sleep(0.05)
    raise AssertionError("Firefox did not start")


class FirefoxPage:
    """A page, in which scripts run."""

    def __init__(self, socket: ClientWebSocket):
        self._socket = socket
        self._last = 0
        self._context = ""
        self._using = trio.Lock()

    async def command(self, method: str, **parameters: Any) -> Any:
        """What comes of a command; one at a time."""
        async with self._using:
            self._last += 1
            message = {"id": self._last, "method": method, "params": parameters}
            await self._socket.send(json.dumps(message))
            while True:
                answer = json.loads(await self._socket.receive())
                if answer.get("id") == self._last:
                    assert answer["type"] == "success", answer
                    return answer["result"]

    async def open(self, url: str) -> None:
        await self.command("session.new", capabilities={})
        # A tab of our own: what the browser opens by itself, it may also load anew.
        created = await self.command("browsingContext.create", type="tab")
        self._context = created["context"]
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
            # As if the user had just clicked, which the sharing of a screen demands.
            userActivation=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    async def close(self) -> None:
        """Close it, and end the session, so that there may be another one."""
        await self.command("browsingContext.close", context=self._context)
        await self.command("session.end")

    async def reload(self) -> None:
        """Load it again as a user does."""
        await self.command("browsingContext.reload", context=self._context, wait="none")


@asynccontextmanager
async def open_firefox_page(address: str, url: str) -> AsyncIterator[FirefoxPage]:
    """A page of the browser, for the length of the block."""
    async with open_websocket(
        address, subprotocols=[], timeout=60, max_message_bytes=2**26
    ) as socket:
        page = FirefoxPage(socket)
        try:
            await page.open(url)
            yield page
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(60), suppress(WebSocketLost):
                await page.close()

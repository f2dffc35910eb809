"""A page of a browser as a peer: its RTCPeerConnection, and nothing of ours."""

from __future__ import annotations

import json
from pathlib import Path

import trio

from ..browser.firefox import FirefoxPage
from ..peerjs.chromium import Page
from ..processes import Event

SOURCE = Path(__file__).with_name("w3c_peer.mjs")

POLL_SECONDS = 0.005


class PagePeer:
    """It says and takes what the processes do.

    Attributes:
        events: what it has said so far.
    """

    def __init__(self, page: Page | FirefoxPage):
        self._page = page
        self.events: list[Event] = []
        self._news = trio.Event()

    async def start(self) -> None:
        """Begin, with a connection."""
        source = SOURCE.read_text().replace(
            "export function startPeer", "window.startPeer = function"
        )
        await self._page.run(
            f"""
            {source}
            window.said = [];
            const say = (event, fields) => window.said.push({{event, ...fields}});
            window.take = window.startPeer(RTCPeerConnection, say);
            """
        )

    async def type(self, text: str) -> None:
        """Have it take a line."""
        await self._page.run("window.take(line)", line=json.loads(text))

    async def read(self) -> None:
        """The task that hears what it says."""
        while True:
            if said := await self._page.run("return window.said.splice(0)"):
                self.events += said
                self._news.set()
                self._news = trio.Event()
            await trio.sleep(POLL_SECONDS)

    async def news(self) -> None:
        """Wait until it says more."""
        await self._news.wait()

    async def event(self, name: str, /, **fields: object) -> Event:
        """Wait for an event with these fields."""
        wanted = {"event": name, **fields}
        while True:
            for event in self.events:
                if wanted.items() <= event.items():
                    return event
            await self._news.wait()

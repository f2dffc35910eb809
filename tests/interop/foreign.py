"""A peer on another WebRTC stack: a process of its own, signed in to a hub of the test's."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_rtc import Call, MessageReceived, Signaling, serve_calls
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.messages import BYE

from ..browser.firefox import FirefoxPage
from ..node import NODE, PACKAGES
from ..peerjs.chromium import Page
from ..processes import Command, ProcessEnded, program
from ..system_python import SYSTEM_PYTHON, lacks
from .page_peer import PagePeer

HERE = Path(__file__).parent

SECONDS = 200
"""How long a peer is there at most."""

STACKS = {
    "libwebrtc": (sys.executable, str(HERE / "wrtc_peer.py"), "webrtc"),
    "libdatachannel": ("node", str(HERE / "libdatachannel_peer.mjs"), "node-datachannel"),
    "werift": ("node", str(HERE / "node_peer.mjs"), "werift"),
    "webrtcbin": (SYSTEM_PYTHON, str(HERE / "webrtcbin_peer.py"), "MAX_BUNDLE"),
    # It is made to have a transport for each section.
    "webrtcbin, not bundled": (SYSTEM_PYTHON, str(HERE / "webrtcbin_peer.py"), "NONE"),
}

#: What makes GStreamer a peer, in the words of the system's Python.
NEEDS = (
    "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import Gst; "
    "Gst.init(None); assert Gst.ElementFactory.find('nicesrc')"
)


def _missing(stack: str) -> str:
    """Why a stack cannot be played with; empty if it can."""
    if stack.startswith("webrtcbin"):
        return (
            "GStreamer's webrtcbin is not installed (Debian: apt-get install python3-gi "
            "gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-bad gstreamer1.0-nice)"
            if lacks(NEEDS)
            else ""
        )
    if stack == "libwebrtc":
        found = importlib.util.find_spec("webrtc")
        return "" if found else "libwebrtc (the package wrtc) is not installed"
    package = STACKS[stack][-1]
    if NODE is None or not (PACKAGES / package).is_dir():
        return f"npm's {package} is not installed (npm install --prefix tests)"
    return ""


#: There is a wheel of it for this kind of machine only, where continuous integration has it.
needs_libwebrtc = pytest.mark.skipif(
    bool(_missing("libwebrtc")) and ("CI" not in os.environ or platform.machine() != "x86_64"),
    reason=_missing("libwebrtc"),
)


class Foreign:
    """The peer. Its name is that of its stack.

    Attributes:
        may_complain: whether what it cannot do is no failure.
        only: the transport of the candidates that get through, such as ``tcp``; empty: any.
    """

    def __init__(self, command: Command | PagePeer, signaling: Signaling):
        self.may_complain = False
        self.only = ""
        self.event = command.event
        self.news = command.news
        self._command = command
        self._signaling = signaling
        self._telling = trio.Lock()

    async def do(self, what: str, **fields: Any) -> None:
        """Tell it what to do."""
        await self._tell({"do": what, **fields})

    async def _tell(self, line: object) -> None:
        async with self._telling:
            await self._command.type(json.dumps(line) + "\n")

    def said(self, name: str, /, **fields: object) -> int:
        """How many events with these fields there were."""
        wanted = {"event": name, **fields}
        return sum(wanted.items() <= event.items() for event in self._command.events)

    async def hear(self) -> None:
        """Bring it what it is told."""
        async for event in self._signaling:
            if isinstance(event, MessageReceived) and event.data != BYE:
                message = json.loads(event.data)
                if self._lets(message):
                    await self._tell(message)
            elif isinstance(event, MessageReceived):
                # Whoever has gone does not miss it. If it should not have, `speak` finds that out.
                with suppress(ProcessEnded):
                    await self._tell({"type": "bye"})

    def _lets(self, message: dict[str, Any]) -> bool:
        """Whether a message gets through, be it to the peer or from it."""
        if self.only and "sdp" in message:
            lines = message["sdp"].splitlines(keepends=True)
            kept = [li for li in lines if "a=candidate" not in li or f" {self.only} " in li]
            message["sdp"] = "".join(kept)
        candidate = message.get("candidate")
        return not candidate or not self.only or f" {self.only} " in candidate

    async def speak(self, to: str) -> None:
        """Bring the other side what it says. It must not complain, and not end."""
        seen = 0
        while True:
            while seen < len(self._command.events):
                event = self._command.events[seen]
                seen += 1
                assert event["event"] != "error" or self.may_complain, event
                if event["event"] == "signal" and self._lets(event["message"]):
                    await self._signaling.send(to, json.dumps(event["message"]))
            await self._command.news()


@asynccontextmanager
async def open_foreign(hub: MemoryHub, stack: str, other: str) -> AsyncIterator[Foreign]:
    """Run it, to call the peer of the name ``other`` and to be called by it."""
    missing = _missing(stack)
    if missing and "CI" not in os.environ:
        pytest.skip(missing)
    with trio.fail_after(SECONDS):
        async with program(*STACKS[stack], stdin=subprocess.PIPE, seconds=SECONDS) as command:
            await command.event("ready")
            async with relaying(hub, stack, other, command) as foreign:
                yield foreign


@asynccontextmanager
async def open_page_peer(
    hub: MemoryHub, name: str, other: str, page: Page | FirefoxPage
) -> AsyncIterator[Foreign]:
    """Have a page of a browser be such a peer, with nothing of ours in it."""
    with trio.fail_after(SECONDS):
        peer = PagePeer(page)
        await peer.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.read)
            async with relaying(hub, name, other, peer) as foreign:
                yield foreign
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def relaying(
    hub: MemoryHub, name: str, other: str, peer: Command | PagePeer
) -> AsyncIterator[Foreign]:
    async with trio.open_nursery() as nursery:
        foreign = Foreign(peer, hub.sign_in(name))
        nursery.start_soon(foreign.hear)
        nursery.start_soon(foreign.speak, other)
        yield foreign
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def called_by(
    foreign: Foreign,
    alice: Signaling,
    *,
    media: Sequence[str] = (),
    channel: bool = True,
    **options: Any,
) -> AsyncIterator[Call]:
    """A call that it makes, with these media, and mostly a channel."""
    give, take = trio.open_memory_channel[Call](1)

    async def handle(call: Call) -> None:
        await give.send(call)
        await call.wait_ended()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await serve_calls(handle, alice, task_status=task_status, **options)

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        await foreign.do("call", media=media, channel=channel)
        yield await take.receive()
        nursery.cancel_scope.cancel()

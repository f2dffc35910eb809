"""What ``send`` and ``receive`` say: lines and bars for people, or JSON for programs."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ...files import FileOffer, FileProgress
from ...text import escaped, one_line
from ..terminal.wrapping import print_wrapped

EVERY_SECONDS = 0.5
"""How often progress is told to programs."""

WIDE = 72
"""Columns that a bar with everything beside it needs."""


def amount(count: int | None) -> str:
    """A number of bytes for people."""
    if count is None:
        return "an unknown number of bytes"
    size = float(count)
    for unit in ["bytes", "kB", "MB", "GB"]:
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


class Narrator:
    """For people: what matters on standard output, the rest on standard error."""

    def __init__(self, command: str):
        self._command = command
        self._console = Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._task: Any = None
        self.failed = ""

    def say(self, text: str = "") -> None:
        """A line about what happens."""
        print_wrapped(text, sys.stderr)

    def offer_code(self, code: str, command: str, link: str) -> None:
        """Say what to do at the other end."""
        print(f"code: {code}", flush=True)
        self.say("at the other end, run:")
        # What is to be copied stays in one line.
        print(f"  {escaped(command)}", file=sys.stderr, flush=True)
        if link:
            self.say("or open this link:")
            print(f"  {escaped(link)}", file=sys.stderr, flush=True)
            if picture := self._qr(link):
                print(picture, file=sys.stderr, flush=True)
        self.say("waiting for the other end; Ctrl-C ends it")

    def _qr(self, link: str) -> str:
        """The link as a QR code, if the terminal shows it."""
        encoding = (sys.stderr.encoding or "").lower().replace("-", "")
        if not self._console.is_terminal or encoding != "utf8":
            return ""
        import segno

        out = io.StringIO()
        code = segno.make(link, error="l", micro=False)
        code.terminal(out, border=2, compact=True)
        return out.getvalue() if code.symbol_size(border=2)[0] < self._console.width else ""

    def offered(self, offer: FileOffer, sender: str) -> str:
        """What is offered, in a sentence."""
        count = len(offer.paths)
        first = one_line(offer.paths[0], 60) if offer.paths else "folders only"
        names = first if count < 2 else f"{first} and {count - 1} more"
        kept = f", of which {amount(offer.kept)} are here already" if offer.kept else ""
        return f"{sender} offers {names}: {amount(offer.size)}{kept}"

    def connected(self, who: str) -> None:
        self.say(f"connected to {who}, and nobody is in between")

    def forwarding(self, at: str, to: str, where: str) -> None:
        self.say(f"connections to {at} ({where}) go to {to}")

    def progress(self, done: FileProgress) -> None:
        """How far it is."""
        if not self._console.is_terminal:
            return
        if self._progress is None:
            self._progress = Progress(*self._columns(), console=self._console, transient=True)
            self._progress.start()
            self._task = self._progress.add_task("", total=done.size, completed=done.bytes)
        name = one_line(done.path.rsplit("/", 1)[-1], 24)
        self._progress.update(self._task, completed=done.bytes, total=done.size, description=name)

    def _columns(self) -> Sequence[ProgressColumn]:
        if self._console.width < WIDE:
            return [TaskProgressColumn()]
        return [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        ]

    def finish(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def sent(self, size: int | None, count: int) -> None:
        self.finish()
        self.say(f"sent {count} {'file' if count == 1 else 'files'}, {amount(size)}")

    def received(self, paths: Sequence[Path]) -> None:
        self.finish()
        for path in paths:
            print(escaped(str(path)), flush=True)

    def error(self, code: str, message: str) -> None:
        self.finish()
        self.failed = self.failed or code
        print_wrapped(f"trio-rtc {self._command}: {message}", sys.stderr)


class JsonNarrator(Narrator):
    """For programs: an object per line on standard output; errors also go to standard error."""

    def __init__(self, command: str):
        super().__init__(command)
        self._told = 0.0

    def _event(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, "time": time.time(), **fields}), flush=True)

    def say(self, text: str = "") -> None:
        pass

    def offer_code(self, code: str, command: str, link: str) -> None:
        self._event("code", code=code, command=command, link=link)

    def offered(self, offer: FileOffer, sender: str) -> str:
        self._event("offered", paths=list(offer.paths), size=offer.size, kept=offer.kept)
        return super().offered(offer, sender)

    def connected(self, who: str) -> None:
        self._event("connected")

    def forwarding(self, at: str, to: str, where: str) -> None:
        self._event("forwarding", listen=at, target=to, where=where)

    def progress(self, done: FileProgress) -> None:
        now = time.monotonic()
        if now - self._told >= EVERY_SECONDS or done.files == done.count:
            self._told = now
            self._event(
                "progress",
                path=done.path,
                bytes=done.bytes,
                size=done.size,
                files=done.files,
                count=done.count,
            )

    def sent(self, size: int | None, count: int) -> None:
        self._event("sent", size=size, count=count)

    def received(self, paths: Sequence[Path]) -> None:
        self._event("received", paths=[str(path) for path in paths])

    def error(self, code: str, message: str) -> None:
        super().error(code, message)
        self._event("error", code=code, message=message)

"""What the client prints: lines for people, or one JSON object per event for programs."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..calls.call import Call
from ..calls.lifecycle import CallEnd
from ..calls.options import CallStep
from ..signaling import Peer, Signaling, State
from ..signaling.address import shown
from ..text import escaped
from .terminal.prompt import Prompt
from .terminal.wrapping import wrapped


class Reporter:
    """Tells people what happens, on standard output; errors on standard error.

    Names and messages come from others: none is to steer the terminal, or to make a line of its
    own.

    Attributes:
        prompt: where somebody types below what is printed; None if nobody does.
    """

    def __init__(self) -> None:
        self.prompt: Prompt | None = None
        #: With whom a call stands; of these, to whom the connection is lost for now.
        self._standing: set[Peer] = set()
        self._lost: set[Peer] = set()

    def _say(self, text: str) -> None:
        self._print(wrapped(escaped(text), sys.stdout))

    def _print(self, text: str) -> None:
        if self.prompt is not None:
            self.prompt.print_above(text)
        else:
            print(text, flush=True)

    def signed_in(self, signaling: Signaling) -> None:
        who = f"{signaling.name} ({signaling.peer_id})"
        # It has less than the other one, and whoever pastes a page's address may not know.
        classic = ", over the classic protocol" if signaling.server.startswith("http") else ""
        self._say(f"signed in to {shown(signaling.server)} as {who}{classic}")
        if not signaling.peers:
            self._say("nobody else is there yet")

    def server_state(self, state: State) -> None:
        if state == "connected":
            self._say("the server answers again")
        elif state == "reconnecting":
            self._say("the server is out of reach, trying again ...")
        else:
            self._say("the session with the server is lost, signing in again ...")

    def ringing(self, peer: Peer) -> None:
        self._say(f"{peer} is calling: /answer or /decline")

    def told(self, text: str) -> None:
        """The answer to a command that was typed."""
        self._say(text)

    def peer_joined(self, peer: Peer) -> None:
        self._say(f"{peer} is there")

    def peer_left(self, peer: Peer) -> None:
        self._say(f"{peer} has left")

    def step(self, step: CallStep) -> None:
        peer = step.peer
        if step.name == "connected" and peer in self._lost:
            self._lost.remove(peer)
            self._reconnected(peer)
        elif step.name == "disconnected" and peer in self._standing:
            self._lost.add(peer)
        self._show_step(step)

    def _show_step(self, step: CallStep) -> None:
        # In a call that stands, an offer is about something new in it, or about another way.
        stands = step.peer in self._standing
        if step.name == "offer_sent" and not stands:
            self._say(f"calling {step.peer} ...")
        elif step.name == "offer_received" and not stands:
            self._say(f"{step.peer} is calling ...")
        elif step.name == "disconnected" and stands:
            self._say(f"the connection to {step.peer} is lost, looking for another way ...")

    def _reconnected(self, peer: Peer) -> None:
        self._say(f"connected to {peer} again")

    def call_connected(self, call: Call) -> None:
        self._standing.add(call.peer)
        self._show_connected(call)

    def _show_connected(self, call: Call) -> None:
        self._say(f"connected to {call.peer} in {call.setup_seconds * 1000:.0f} ms")

    def message(self, peer: Peer, channel: str, data: str | bytes) -> None:
        text = data if isinstance(data, str) else f"({len(data)} bytes)"
        # What others write stays as it is, with all its blanks.
        self._print(escaped(f"{peer.name}: {text}"))

    def files(self, peer: Peer, paths: Sequence[Path]) -> None:
        for path in paths:
            self._say(f"{peer.name} sent {path}")

    def frames(self, peer: Peer, kind: str, count: int, *, final: bool) -> None:
        if final:
            self._say(f"{peer.name} sent {count} frames of {kind}")
        elif count == 1:
            self._say(f"{peer.name} sends {kind}")

    def hung_up(self, peer: Peer, end: CallEnd) -> None:
        self._standing.discard(peer)
        self._lost.discard(peer)
        self._show_end(peer, end)

    def _show_end(self, peer: Peer, end: CallEnd) -> None:
        self._say(f"the call with {peer} is over: {str(end).replace('_', ' ')}")

    def error(self, code: str, message: str) -> None:
        text = wrapped(escaped(f"trio-rtc client: {message}"), sys.stderr)
        if self.prompt is not None and os.isatty(2):
            self.prompt.print_above(text)
        else:
            print(text, file=sys.stderr, flush=True)


class JsonReporter(Reporter):
    """Prints ``{"event": ..., "time": ..., ...}`` per line; errors also go to standard error."""

    def _event(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, "time": time.time(), **fields}), flush=True)

    def signed_in(self, signaling: Signaling) -> None:
        self._event(
            "signed_in",
            peer_id=signaling.peer_id,
            name=signaling.name,
            server=shown(signaling.server),
        )

    def server_state(self, state: State) -> None:
        self._event("server", state=state)

    def ringing(self, peer: Peer) -> None:
        self._event("ringing", peer_id=peer.id)

    def peer_joined(self, peer: Peer) -> None:
        self._event("peer_joined", peer_id=peer.id, name=peer.name)

    def peer_left(self, peer: Peer) -> None:
        self._event("peer_left", peer_id=peer.id, name=peer.name)

    def _reconnected(self, peer: Peer) -> None:
        self._event("reconnected", peer_id=peer.id)

    def _show_step(self, step: CallStep) -> None:
        if step.name not in ("connected", "ended"):
            extra = {"candidate": step.candidate} if step.name.startswith("candidate") else {}
            self._event(step.name, peer_id=step.peer.id, **extra)

    def _show_connected(self, call: Call) -> None:
        setup_ms = round(call.setup_seconds * 1000, 1)
        self._event("call_connected", peer_id=call.peer.id, setup_ms=setup_ms)

    def message(self, peer: Peer, channel: str, data: str | bytes) -> None:
        if isinstance(data, str):
            self._event("message", peer_id=peer.id, channel=channel, data=data)
        else:
            encoded = base64.b64encode(data).decode()
            self._event("message", peer_id=peer.id, channel=channel, data=encoded, base64=True)

    def files(self, peer: Peer, paths: Sequence[Path]) -> None:
        self._event("files", peer_id=peer.id, paths=[str(path) for path in paths])

    def frames(self, peer: Peer, kind: str, count: int, *, final: bool) -> None:
        self._event("frames", peer_id=peer.id, kind=kind, count=count)

    def _show_end(self, peer: Peer, end: CallEnd) -> None:
        self._event("hung_up", peer_id=peer.id, reason=end.reason, detail=end.detail)

    def error(self, code: str, message: str) -> None:
        super().error(code, message)
        self._event("error", code=code, message=message)


class ReportHandler(logging.Handler):
    """Reports what the library warns about, with the code that the record carries."""

    def __init__(self, reporter: Reporter):
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.error(getattr(record, "code", "warning"), record.getMessage())
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            print("\n".join(map(escaped, trace.splitlines())), file=sys.stderr, flush=True)

"""A transcript of what parties say to each other in signaling, and of what comes of it."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from ..world import World, set_world, world
from .record import Entry, Record

KINDS: Final = ("signaling", "state")

_LEFT_OUT: Final = (": candidate", ": end")


class TranscriptDiffers(AssertionError):
    """What happened is not what was expected; the message shows where."""


class Transcript:
    """What the parties of a record said and went through, each for itself.

    As text it has a paragraph for each party, in the order of their names. It has no times and no
    candidates, whose number and order are those of a network; the order of what one party sends,
    receives and becomes is that in which it happened. So the same program has the same transcript
    on any network that works. What is the order *between* parties, `Record.text` tells.

    Args:
        entries: of a record.
        candidates: whether candidates, and the ends of them, are in it.
        connections: whether the states of each connection are in it: signaling, ICE, and its own.
    """

    def __init__(
        self, entries: Iterable[Entry], *, candidates: bool = False, connections: bool = False
    ):
        kinds = (*KINDS, "connection") if connections else KINDS
        self._lines: dict[str, list[str]] = {}
        for entry in entries:
            if entry.kind in kinds and (candidates or not entry.text.endswith(_LEFT_OUT)):
                self._lines.setdefault(entry.host, []).append(entry.text)

    @property
    def parties(self) -> list[str]:
        """Who is in it."""
        return sorted(self._lines)

    def of(self, party: str) -> Sequence[str]:
        """What happened to a party, in order."""
        return tuple(self._lines.get(party, ()))

    def __str__(self) -> str:
        paragraphs = []
        for party in self.parties:
            paragraphs.append("\n".join([party, *(f"  {line}" for line in self._lines[party])]))
        return "\n".join(paragraphs) + "\n" if paragraphs else ""

    def check(self, expected: str) -> None:
        """Compare it with what is expected, as text; how far lines are set in does not matter.

        Raises:
            TranscriptDiffers: it is another; the message marks what is missing with ``-``, and
                what is there instead with ``+``.
        """
        wanted = [line.strip() for line in expected.strip().splitlines()]
        there = [line.strip() for line in str(self).strip().splitlines()]
        if wanted != there:
            diff = (line.rstrip() for line in difflib.ndiff(wanted, there) if line[0] != "?")
            raise TranscriptDiffers("\n".join(["the transcript is not as expected:", *diff]))


@asynccontextmanager
async def record_transcript() -> AsyncIterator[Record]:
    """Record a block in this run of Trio, whatever network it is on: `Transcript` shows it.

    On a simulated network that is recorded anyway: `Network.record`.
    """
    before = world()
    if before.network is not None:
        raise RuntimeError("a simulated network is recorded already: its `record` has it all")
    record = Record()
    set_world(_NotedWorld(record))
    await trio.lowlevel.checkpoint()
    try:
        yield record
    finally:
        set_world(before)


class _NotedWorld(World):
    """The world of this machine, with somebody who takes notes."""

    def __init__(self, record: Record):
        self._record = record
        self._began = trio.current_time()

    def note(self, kind: str, who: str, text: str, data: bytes | None = None) -> None:
        self._record.note(trio.current_time() - self._began, kind, who, text, data)

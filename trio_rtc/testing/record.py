"""The record of a simulation: what happened, when and where, as text that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from .memory_hub import describe

MOST: Final = 1_000_000
"""Entries that are kept; the oldest are dropped."""


class Entry(NamedTuple):
    """Something that happened.

    Attributes:
        time: seconds since the beginning.
        host: the host, or the name of the party; empty if it is of neither.
        kind: ``signaling``, ``state``, ``connection``, ``packet`` or ``network``.
        text: what.
    """

    time: float
    host: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.time:12.6f} {self.host:<10} {self.kind:<10} {self.text}".rstrip()


class Record:
    """What happened in a simulation."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.counts: Counter[str] = Counter()

    def add(self, time: float, host: str, kind: str, text: str) -> None:
        """Note something."""
        self.counts[kind] += 1
        self.entries.append(Entry(time, host, kind, text))
        if len(self.entries) > MOST:
            del self.entries[: MOST // 10]

    def note(self, time: float, kind: str, who: str, text: str, data: bytes | None) -> None:
        """Note what a party tells (`trio_rtc.world.World.note`)."""
        self.add(time, who, kind, text if data is None else f"{text}: {describe(data)}")

    def select(self, *kinds: str, hosts: Collection[str] = ()) -> Iterator[Entry]:
        """The entries of some kinds, and of some hosts; of all, where none is named."""
        for entry in self.entries:
            if (not kinds or entry.kind in kinds) and (not hosts or entry.host in hosts):
                yield entry

    def text(self, *kinds: str, hosts: Collection[str] = (), last: int | None = None) -> str:
        """Those as lines; only the last ones, if a number is given."""
        lines = [str(entry) for entry in self.select(*kinds, hosts=hosts)]
        if last is not None and len(lines) > last:
            lines = [f"… {len(lines) - last} before", *lines[-last:]]
        return "\n".join(lines)

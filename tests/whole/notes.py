"""Notes that parties send over signaling alone, each with its number."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import trio

import trio_rtc

from .plans import NotesPlan

_MARK = b"note "


@dataclass
class Notes:
    """What one party has sent to another.

    Attributes:
        sent: by the number of signaling, that of the note.
        failed: those that signaling has said to have failed, by their own numbers.
        received: in the order in which they came.
        is_cut: whether the sender came to no end: its session, or the reader's, was over.
    """

    sent: dict[int, int] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    is_cut: bool = False

    def problem(self) -> str:
        """What is wrong; nothing, if all are accounted for."""
        numbers = list(self.sent.values())
        if len(set(self.received)) != len(self.received):
            return "notes came twice"
        if self.received != sorted(self.received):
            return "notes came in another order"
        if self.is_cut:
            return ""
        if set(self.received) & set(self.failed):
            return "notes came that were told to have failed"
        if set(self.received) | set(self.failed) != set(numbers):
            return "notes were lost without a word"
        return ""


AllNotes: TypeAlias = MutableMapping[tuple[str, str], Notes]


async def write_notes(
    signaling: trio_rtc.Signaling, reader: str, plan: NotesPlan, notes: AllNotes
) -> None:
    """Send those of a plan."""
    await trio.sleep(plan.at)
    written = notes.setdefault((signaling.name, reader), Notes())
    try:
        with trio.fail_after(60):
            await signaling.wait_for_peer(reader)
        for number in range(plan.count):
            sent = await signaling.send(reader, _MARK + str(number).encode())
            assert isinstance(sent, int)
            written.sent[sent] = number
            await trio.sleep(plan.pause)
    except (trio_rtc.SignalingError, trio.TooSlowError):
        written.is_cut = True


async def read_notes(signaling: trio_rtc.Signaling, notes: AllNotes) -> None:
    """Take those that come, and hear of those that did not arrive."""
    with suppress(trio_rtc.SignalingLost):
        async for event in signaling:
            _read_note(signaling.name, event, notes)


def _read_note(me: str, event: trio_rtc.SignalingEvent, notes: AllNotes) -> None:
    match event:
        case trio_rtc.MessageReceived() if event.data.startswith(_MARK):
            received = notes.setdefault((event.peer.name, me), Notes()).received
            received.append(int(event.data.removeprefix(_MARK)))
        case trio_rtc.MessageFailed():
            mine = notes.get((me, event.peer.name))
            if mine is not None and event.number in mine.sent:
                mine.failed.append(mine.sent[event.number])

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
        readers: by the number of signaling, the id of the peer whom it was for.
        gone: the ids of the reader's sessions that have ended, as the sender was told.
        failed: those that signaling has said to have failed, by their own numbers.
        received: in the order in which they came.
        is_cut: whether the sender came to no end: its session, or the reader's, was over.
    """

    sent: dict[int, int] = field(default_factory=dict)
    readers: dict[int, int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    failed: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    is_cut: bool = False

    def untold(self) -> set[int]:
        """Those of which nobody has heard what became.

        What is on its way to a session that ends is not told to have failed: that the peer has
        left is the word for all of it. So is it where a reader moves before it is welcomed, and
        signs in anew: the session of which it does not know waits until the server gives it up.
        """
        left = {note for sent, note in self.sent.items() if self.readers[sent] in self.gone}
        return set(self.sent.values()) - set(self.received) - set(self.failed) - left

    def problem(self) -> str:
        """What is wrong; nothing, if all are accounted for."""
        if len(set(self.received)) != len(self.received):
            return "notes came twice"
        if self.received != sorted(self.received):
            return "notes came in another order"
        if self.is_cut:
            return ""
        if set(self.received) & set(self.failed):
            return "notes came that were told to have failed"
        if not set(self.received) | set(self.failed) <= set(self.sent.values()):
            return "notes came that nobody has sent"
        if self.untold():
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
            peer = signaling.find_peer(reader)
            sent = await signaling.send(peer, _MARK + str(number).encode())
            assert isinstance(sent, int)
            written.sent[sent], written.readers[sent] = number, peer.id
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
        case trio_rtc.PeerLeft():
            if (mine := notes.get((me, event.peer.name))) is not None:
                mine.gone.add(event.peer.id)

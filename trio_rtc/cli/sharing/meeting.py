"""Where the two ends meet: a room for each number, or a name where there are no rooms."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from ...errors import CallError, SignalingError
from ...signaling import Peer, Signaling, open_signaling
from ..commands.declare import DEFAULT_SERVER
from ..tls import client_context
from .phrases import Phrase, make_phrase

TRIES = 8
"""Numbers that are tried until one is free."""

SENDER_SECONDS = 3.0
"""How long the one who sends may take to be there: who was given the code was there before it."""


@dataclass(frozen=True, kw_only=True)
class MeetingPlace:
    """The server at which to meet, as typed.

    Attributes:
        servers: URLs of it, at least one.
        room: for those who know each other by name; None is the common room.
    """

    servers: Sequence[str]
    room: str | None = None
    token: str | None = None
    ca: Path | None = None

    @property
    def has_rooms(self) -> bool:
        """Whether its protocol has rooms."""
        return self.servers[0].startswith("ws")

    def link(self, code: str) -> str:
        """What opens the server's page with this code, which no server gets to see."""
        server = self.servers[0]
        page = server.replace("ws", "http", 1) if self.has_rooms else server
        return f"{page.rstrip('/')}/#{code}"

    @property
    def words(self) -> list[str]:
        """What says to another command where it is; nothing if that goes without saying."""
        servers = list(self.servers)
        return [] if servers == [DEFAULT_SERVER] else ["--server", shlex.quote(",".join(servers))]

    def open(self, name: str, room: str | None) -> AbstractAsyncContextManager[Signaling]:
        """Sign in.

        Raises:
            CallError: ``bad_ca``: there is no certificate in that file.
        """
        return open_signaling(
            self.servers,
            name=name,
            room=room if self.has_rooms else None,
            token=self.token,
            ssl_context=client_context(self.ca),
        )


@asynccontextmanager
async def waiting_at(place: MeetingPlace) -> AsyncIterator[tuple[Signaling, Phrase]]:
    """Be where nobody else is, with a new phrase that says where."""
    for _ in range(TRIES):
        phrase = make_phrase(secrets.randbelow)
        async with place.open(phrase.room, phrase.room) as signaling:
            others = signaling.peers.values()
            if not any(place.has_rooms or peer.name == phrase.room for peer in others):
                yield signaling, phrase
                return
    raise SignalingError("all numbers that were tried are taken", code="no_place")


@asynccontextmanager
async def coming_to(place: MeetingPlace, phrase: Phrase) -> AsyncIterator[tuple[Signaling, Peer]]:
    """Go where a phrase says that somebody waits.

    Raises:
        CallError: ``unknown_code``: nobody does.
    """
    async with place.open("receiver", phrase.room) as signaling:
        sender: Peer | None = None
        with trio.move_on_after(SENDER_SECONDS):
            sender = await signaling.wait_for_peer(phrase.room)
        if sender is None:
            raise CallError(
                f"nobody waits with the code {phrase.text}: it was used, or is for another server",
                code="unknown_code",
            )
        yield signaling, sender

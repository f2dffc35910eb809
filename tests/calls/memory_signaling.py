"""Signaling without a server: what one side sends, the other receives, and a test may watch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from trio_rtc.errors import NegotiationError, UnknownPeer
from trio_rtc.messages import Bye, IceCandidate, Message, SessionDescription, decode
from trio_rtc.signaling import Peer, Signaling

Delay = Callable[[Peer, bytes], Awaitable[None]]


@dataclass
class MemoryHub:
    """Peers who see each other.

    Attributes:
        log: who sent what, in order: ``alice offer``, ``bob candidate``, ``bob end``, ...
        delay: awaited before a message is delivered.
    """

    log: list[str] = field(default_factory=list)
    delay: Delay | None = None
    _members: dict[int, Signaling] = field(default_factory=dict)
    _logged: trio.Event = field(default_factory=trio.Event)

    async def wait_for(self, entry: str) -> None:
        """Wait until it is in the log."""
        while entry not in self.log:
            await self._logged.wait()

    def sign_in(self, name: str) -> Signaling:
        own = Peer(len(self._members) + 1, name)

        async def send(to: int, data: bytes) -> None:
            await trio.lowlevel.checkpoint()
            self.log.append(f"{name} {describe(data)}")
            self._logged.set()
            self._logged = trio.Event()
            if self.delay is not None:
                await self.delay(own, data)
            if to not in self._members:
                raise UnknownPeer(f"no peer {to}")
            self._members[to].received(own.id, data)

        signaling = Signaling(own.id, name, send)
        for id_, other in self._members.items():
            other.joined(own)
            signaling.joined(Peer(id_, other.name))
        self._members[own.id] = signaling
        return signaling

    def sign_out(self, signaling: Signaling) -> None:
        del self._members[signaling.peer_id]
        for other in self._members.values():
            other.left(signaling.peer_id)


def describe(data: bytes) -> str:
    try:
        message: Message = decode(data)
    except NegotiationError:
        return "something else"
    match message:
        case SessionDescription(type=kind):
            return kind
        case IceCandidate(is_end=is_end):
            return "end" if is_end else "candidate"
        case Bye():
            return "bye"

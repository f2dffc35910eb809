"""What to test programs with: signaling without a server, of which a test sees every message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

import trio

from ..errors import NegotiationError, SignalingError, UnknownPeer
from ..signaling import Peer, Signaling
from ..wire.messages import Authenticate, Bye, IceCandidate, Message, SessionDescription, decode

Delay: TypeAlias = Callable[[Peer, bytes], Awaitable[object]]


@dataclass
class MemoryHub:
    """Peers who see each other, in one program and without a network between them.

    Calls between them are real: only what the peers say to each other in order to connect goes
    through the hub.

    Attributes:
        log: who said what, in order: ``alice offer``, ``bob answer``, ``bob candidate``,
            ``bob end`` (of candidates), ``bob authenticate``, ``alice bye``,
            ``alice something else``.
        delay: called with the sender and each message, and awaited before it is delivered: to
            have it come late, or never.
    """

    log: list[str] = field(default_factory=list)
    delay: Delay | None = None
    _members: dict[int, Signaling] = field(default_factory=dict)
    _logged: trio.Event = field(default_factory=trio.Event)
    _last_id: int = 0

    async def wait_for(self, entry: str) -> None:
        """Wait until this is in the log."""
        while entry not in self.log:
            await self._logged.wait()
        await trio.lowlevel.checkpoint()

    def sign_in(self, name: str) -> Signaling:
        """Sign somebody in; the others hear of it."""
        self._last_id += 1
        own = Peer(self._last_id, name)

        numbers = count(1)

        async def send(to: int, data: bytes) -> int:
            await trio.lowlevel.checkpoint()
            self.log.append(f"{name} {describe(data)}")
            self._logged.set()
            self._logged = trio.Event()
            if self.delay is not None:
                await self.delay(own, data)
            if to not in self._members:
                raise UnknownPeer(f"no peer {to} is signed in")
            if (delivery := self._members[to].received(own.id, data)) is not None:
                delivery.refuse()
                raise SignalingError(f"too much waits for peer {to}", code="mailbox_full")
            return next(numbers)

        signaling = Signaling(own.id, name, send)
        for id_, other in self._members.items():
            other.joined(own)
            signaling.joined(Peer(id_, other.name))
        self._members[own.id] = signaling
        return signaling

    def sign_out(self, signaling: Signaling) -> None:
        """Have somebody leave; the others hear of it."""
        del self._members[signaling.peer_id]
        for other in self._members.values():
            other.left(signaling.peer_id)


def describe(data: bytes) -> str:
    """What kind of message this is, in the words of `MemoryHub.log`."""
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
        case Authenticate():
            return "authenticate"

"""In-memory signaling for tests: no server, and a test sees every message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Literal, TypeAlias

import trio

from ..errors import NegotiationError, SignalingError, SignalingLost, UnknownPeer
from ..signaling import Peer, Signaling
from ..wire.messages import Authenticate, Bye, IceCandidate, Message, SessionDescription, decode

Delay: TypeAlias = Callable[[Peer, bytes], Awaitable[object]]
"""Is awaited with the sender and the bytes of each message, which arrives when it returns."""

KINDS: Final = ("offer", "answer", "candidate", "end", "bye", "something else")


class HeldMessages:
    """Messages that wait in a hub.

    Attributes:
        waiting: how many do.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._released = trio.Event()

    def release(self) -> None:
        """Let them go on, and those that come."""
        self._released.set()

    async def _pass(self) -> None:
        self.waiting += 1
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1


@dataclass
class _Rule:
    entry: str
    left: float
    what: Literal["drop", "hold", "repeat", "cut"]
    times: int = 0
    held: HeldMessages = field(default_factory=HeldMessages)


@dataclass
class MemoryHub:
    """Peers who see each other, in one program and without a network between them.

    Calls between them are real: only what the peers say to each other in order to connect goes
    through the hub. Messages can be lost, held, repeated, or be the last of a session, by what the
    log calls them: `drop`, `hold`, `repeat`, `cut`.

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
    _rules: list[_Rule] = field(default_factory=list)

    async def wait_for(self, entry: str) -> None:
        """Wait until this is in the log."""
        while entry not in self.log:
            await self._logged.wait()
        await trio.lowlevel.checkpoint()

    def drop(self, entry: str, *, times: float = 1) -> None:
        """Have the next messages of this kind not arrive, without their sender being told.

        Args:
            entry: as the log has it, such as ``alice offer``.
            times: how many of them; `math.inf` for all.

        Raises:
            ValueError: the log has no such entries.
        """
        self._add(_Rule(entry, times, "drop"))

    def hold(self, entry: str, *, times: float = 1) -> HeldMessages:
        """Have the next messages of this kind wait until they are released.

        Their senders wait with them; what others say overtakes them. Arguments and errors are
        those of `drop`.
        """
        rule = _Rule(entry, times, "hold")
        self._add(rule)
        return rule.held

    def repeat(self, entry: str, *, copies: int = 1, times: float = 1) -> None:
        """Have the next messages of this kind arrive more than once.

        Args:
            entry: as for `drop`.
            copies: how often they arrive beside the first time.
            times: as for `drop`.

        Raises:
            ValueError: as `drop`.
        """
        self._add(_Rule(entry, times, "repeat", copies))

    def cut(self, entry: str) -> None:
        """Have the sender of the next message of this kind lose the hub with it.

        The message does not arrive, its sender's session ends with `SignalingLost`, and the others
        see it leave.

        Raises:
            ValueError: as `drop`.
        """
        self._add(_Rule(entry, 1, "cut"))

    def _add(self, rule: _Rule) -> None:
        if not any(rule.entry.endswith(f" {kind}") for kind in KINDS):
            raise ValueError(
                f"{rule.entry!r} is in no log: entries are a name and one of {', '.join(KINDS)}"
            )
        if not rule.left > 0:
            raise ValueError(f"{rule.left} messages are none")
        self._rules.append(rule)

    def sign_in(self, name: str) -> Signaling:
        """Sign somebody in; the others hear of it."""
        self._last_id += 1
        own = Peer(self._last_id, name)

        numbers = count(1)

        async def send(to: int, data: bytes) -> int:
            await trio.lowlevel.checkpoint()
            entry = f"{name} {describe(data)}"
            self.log.append(entry)
            self._logged.set()
            self._logged = trio.Event()
            if self.delay is not None:
                await self.delay(own, data)
            arrives = 1
            for rule in [rule for rule in self._rules if rule.entry == entry]:
                arrives = await self._apply(rule, own, arrives)
            for _ in range(arrives):
                self._deliver(own, to, data)
            return next(numbers)

        signaling = Signaling(own.id, name, send)
        for id_, other in self._members.items():
            other.joined(own)
            signaling.joined(Peer(id_, other.name))
        self._members[own.id] = signaling
        return signaling

    async def _apply(self, rule: _Rule, sender: Peer, arrives: int) -> int:
        """How often a message arrives that is a rule's."""
        rule.left -= 1
        if rule.left <= 0:
            self._rules.remove(rule)
        match rule.what:
            case "drop":
                return 0
            case "hold":
                await rule.held._pass()
            case "repeat":
                return arrives + rule.times if arrives else 0
            case "cut":
                signaling = self._members[sender.id]
                self.sign_out(signaling)
                lost = SignalingLost("the hub was cut off, as a test wants it")
                signaling.lost(lost)
                raise lost
        return arrives

    def _deliver(self, sender: Peer, to: int, data: bytes) -> None:
        if to not in self._members:
            raise UnknownPeer(f"no peer {to} is signed in")
        if (delivery := self._members[to].received(sender.id, data)) is not None:
            delivery.refuse()
            raise SignalingError(f"too much waits for peer {to}", code="mailbox_full")

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

"""The membership of a dialect's peers: each is admitted once, and what came of it undone once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

import msgspec
import trio

from ...wire.close_codes import CloseCode
from ...wire.names import clean_text
from ...world import world
from ..authorize import Admission, JoinRequest, NotAuthorized
from ..context import Context
from ..hub.engine import HubEngine
from ..hub.hub import HubFull, KeyTaken, Mailbox, Member
from ..hub.portable import Found, Portable
from ..scheduling.deadlines import Deadlines
from ..scheduling.steps import Turn
from ..scheduling.turns import TURN_SECONDS
from .refusal import Refused

logger = logging.getLogger("trio_rtc.server")

TAKEN: Final = "id_taken"
"""The code of a `Refused`: another peer has what only one may have."""

_state: msgspec.msgpack.Decoder[tuple[str, float, bytes]] = msgspec.msgpack.Decoder(
    tuple[str, float, bytes]
)


class DialectPeer(Protocol):
    """What a dialect keeps of a peer.

    Attributes:
        member: how the hub knows it. It is there from `Membership.join` on.
        client_network: where it joined from; see `addresses.client_network`.
        key: by which its dialect finds it again.
    """

    member: Member
    client_network: str

    @property
    def key(self) -> Hashable: ...


PeerT = TypeVar("PeerT", bound=DialectPeer)


class Transfer(Protocol[PeerT]):
    """How peers of a dialect go on with another server.

    Attributes:
        is_keyed: whether they are found by a key; otherwise by their id.
        linger_seconds: how long they stay when their server has gone.
    """

    is_keyed: bool
    linger_seconds: float

    def key(self, key: Hashable) -> bytes | int:
        """The key of a peer, or its id, for all servers."""

    def pack(self, peer: PeerT) -> bytes:
        """What another server needs of a peer, beside its client network and its deadline."""

    def unpack(
        self, found: Found, state: bytes, key: Hashable, client_network: str
    ) -> tuple[PeerT, Mailbox]:
        """A peer out of that. It is no member yet, and may never be one here."""

    def restored(self, peer: PeerT) -> None:
        """It is one now."""


def _nothing(_: object) -> None:
    pass


def _encode_state(transfer: Transfer[PeerT], peer: PeerT, until: float) -> bytes:
    return msgspec.msgpack.encode((peer.client_network, until, transfer.pack(peer)))


def _decode_state(state: bytes) -> tuple[str, float, bytes]:
    return _state.decode(state)


class Membership(Generic[PeerT]):
    """The peers of one dialect that are in the hub.

    Args:
        protocol: what the dialect is called in the statistics.
        on_removed: called with each peer that is no member any more, however that came; for what
            its dialect keeps beside this. It must not call the hub.
        transfer: how peers go on with another server, if they can.
        unique: of those that cannot, what of one no other on any server may have.
    """

    def __init__(
        self,
        protocol: str,
        hub: HubEngine,
        context: Context,
        on_removed: Callable[[PeerT], None],
        transfer: Transfer[PeerT] | None = None,
        unique: Callable[[PeerT], bytes] | None = None,
    ):
        self._protocol = protocol
        self._unique = unique
        self._transfer = transfer
        self._finding: dict[Hashable, trio.Event] = {}
        self._hub = hub
        self._context = context
        self._on_removed = on_removed
        self._by_id: dict[int, PeerT] = {}
        self._by_key: dict[Hashable, PeerT] = {}
        # Until when somebody may stay is a moment on the wall clock, which is looked at anew
        # each time: it may be set.
        self._deadlines: Deadlines[int] = Deadlines()
        for counts in (context.statistics.joined, context.statistics.peers):
            counts.setdefault(protocol, 0)

    def __iter__(self) -> Iterator[PeerT]:
        """All of them, in the order in which they joined."""
        return iter(self._by_id.values())

    def get(self, id: int) -> PeerT | None:  # noqa: A002
        """The peer whose member has this id."""
        return self._by_id.get(id)

    def here(self, key: Hashable) -> PeerT | None:
        """The peer with this key, if this server has it."""
        return self._by_key.get(key)

    async def find(
        self,
        key: Hashable,
        check: Callable[[PeerT], None] = _nothing,
        received: int = 0,
        *,
        claim: bool = False,
    ) -> PeerT | None:
        """The peer with this key, by which somebody shows that it goes on as that one.

        If it is on another server, it goes on with this one.

        Args:
            key: see `DialectPeer`.
            check: called with the peer while it is where it was; what it raises leaves it there,
                and what it changes goes on with it.
            received: how much of its mail it has, as it says.
            claim: whether whoever shows an earlier connection, on any server, is to find what the
                check has changed.
        """
        while True:
            while (peer := self.here(key)) is None and key in self._finding:
                await self._finding[key].wait()
            if peer is None:
                break
            check(peer)
            if not claim or self._transfer is None or await self._claim(self._transfer, peer):
                return peer
        if self._transfer is None:
            return None
        self._finding[key] = trio.Event()
        try:
            return await self._take(key, self._transfer, check, received)
        finally:
            self._finding.pop(key).set()

    async def _claim(self, transfer: Transfer[PeerT], peer: PeerT) -> bool:
        until = self._deadlines.get(peer.member.id)
        return await self._hub.claim(peer.member, partial(_encode_state, transfer, peer, until))

    async def _take(
        self,
        key: Hashable,
        transfer: Transfer[PeerT],
        check: Callable[[PeerT], None],
        received: int,
    ) -> PeerT | None:
        while True:
            found = await self._hub.find(self._protocol, transfer.key(key))
            if found is None:
                return None
            client_network, until, state = _decode_state(found.state)
            peer, mailbox = transfer.unpack(found, state, key, client_network)
            check(peer)
            # With it goes what it is from now on, in one step: nobody finds it as it was before.
            state = _encode_state(transfer, peer, until)
            self._context.peers.add(client_network)
            try:
                member = await self._hub.take(found, state, mailbox, self._removed, received)
            except BaseException:
                self._context.peers.remove(client_network)
                raise
            if member is not None:
                peer.member = member
                self._add(peer, until)
                transfer.restored(peer)
                return peer
            self._context.peers.remove(client_network)

    async def look(self, key: Hashable) -> tuple[Found, str, bytes] | None:
        """A peer of another server, which stays there, with its client network and state."""
        if self._transfer is None:
            return None
        found = await self._hub.find(self._protocol, self._transfer.key(key))
        if found is None:
            return None
        client_network, _, state = _decode_state(found.state)
        return found, client_network, state

    def note(self, peer: PeerT) -> None:
        """What its dialect keeps of a peer has changed."""
        if self._transfer is not None:
            until = self._deadlines.get(peer.member.id)
            self._hub.note(peer.member, partial(_encode_state, self._transfer, peer, until))

    def _portable(self, peer: PeerT, until: float) -> Portable | None:
        if (transfer := self._transfer) is None:
            return None if self._unique is None else Portable(self._unique(peer), b"", 0)
        key = transfer.key(peer.key) if transfer.is_keyed else b""
        assert isinstance(key, bytes)
        return Portable(key, _encode_state(transfer, peer, until), transfer.linger_seconds)

    def _add(self, peer: PeerT, until: float) -> None:
        self._by_id[peer.member.id] = self._by_key[peer.key] = peer
        self._deadlines.set(peer.member.id, until)
        self._context.statistics.peers[self._protocol] += 1

    async def join(self, peer: PeerT, mailbox: Mailbox, admission: Admission) -> None:
        """Make a peer a member, as it was admitted.

        Args:
            peer: it gets its ``member``.
            mailbox: where its mail goes.
            admission: its name, its room, and for how long.

        Raises:
            Refused: there is no place for it.
        """
        context, client_network = self._context, peer.client_network
        try:
            context.check_join(client_network, trio.current_time())
            # Nobody else has the place meanwhile.
            context.peers.add(client_network)
            try:
                peer.member = await self._hub.join(
                    clean_text(admission.name),
                    mailbox,
                    admission.room,
                    self._removed,
                    self._protocol,
                    self._portable(peer, admission.until),
                )
            except BaseException:
                context.peers.remove(client_network)
                raise
        except KeyTaken:
            raise Refused(CloseCode.FORBIDDEN, "ID is taken", TAKEN) from None
        except HubFull as full:
            context.statistics.over_limit[full.limit] += 1
            why = "there is no place for another peer"
            raise Refused(CloseCode.NO_PLACE, why, full.limit) from None
        self._add(peer, admission.until)
        context.statistics.joined[self._protocol] += 1

    def stay(self, peer: PeerT, until: float) -> None:
        """Let a peer stay until then, in seconds since 1970."""
        self._deadlines.set(peer.member.id, until)

    def expired(self, turn: Turn) -> Iterator[PeerT]:
        """Those who may stay no longer, each of them once, as many as this turn has place for."""
        for id_ in turn.some(self._deadlines.due(world().time())):
            yield self._by_id[id_]

    def leave(self, peer: PeerT) -> None:
        """Have a peer be no member any more."""
        self._hub.leave(peer.member)

    def _removed(self, member: Member) -> None:
        peer = self._by_id.pop(member.id)
        del self._by_key[peer.key]
        self._deadlines.end(member.id)
        self._context.peers.remove(peer.client_network)
        self._context.statistics.peers[self._protocol] -= 1
        self._on_removed(peer)
        logger.info("left", extra={"peer": member.id, "room": member.room})


async def admit(asked: JoinRequest, context: Context) -> Admission:
    """Have it decided whether somebody may join, and as whom.

    Raises:
        Refused: it may not, or that is not known in time.
    """
    with trio.move_on_after(context.limits.handshake_seconds):
        try:
            return await context.authorize(asked)
        except NotAuthorized as error:
            context.statistics.refused += 1
            code = CloseCode.FORBIDDEN if error.forbidden else CloseCode.NOT_AUTHORIZED
            raise Refused(code, str(error)) from None
    context.statistics.over_limit["handshake_seconds"] += 1
    raise Refused(CloseCode.TIMEOUT, "it could not be decided in time")


@asynccontextmanager
async def entering(context: Context, client_network: str) -> AsyncIterator[None]:
    """A block in which somebody is let in: of many who come at once, each has a turn of its own.

    Raises:
        Refused: the server ends.
    """
    await context.turns.wait(client_network, TURN_SECONDS)
    try:
        context.entrance.acquire_nowait()
    except trio.WouldBlock:
        await context.entrance.acquire()
    try:
        if context.closing.is_set():
            raise Refused(CloseCode.GOING_AWAY, "the server ends")
        yield
    finally:
        context.entrance.release()

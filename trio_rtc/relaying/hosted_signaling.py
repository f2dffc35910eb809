"""A signaling session without a connection: that of a peer in the server's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import trio

from ..errors import SignalingError, SignalingLost, UnknownPeer
from ..server.dialects.hosted.hosted_peer import HostedPeer, Undelivered
from ..server.hub.hub import MailboxFull, NoSuchMember, Relayed
from ..server.hub.mail import FULL, UNKNOWN, SendFailure
from ..signaling import Peer, Signaling
from ..tasks import open_background_nursery


@asynccontextmanager
async def open_hosted_signaling(hosted: HostedPeer) -> AsyncIterator[Signaling]:
    """The session of a hosted peer, for a block."""
    async with open_background_nursery() as nursery:
        session = _HostedSession(hosted)
        nursery.start_soon(session.run)
        try:
            yield session.signaling
        finally:
            session.signaling.block_has_ended()


class _HostedSession:
    def __init__(self, hosted: HostedPeer):
        self._hosted = hosted
        self._numbers = count(1)
        member = hosted.member
        self.signaling = Signaling(member.id, member.name, self._send, member.room)
        for other in hosted.others():
            self.signaling.joined(Peer(other.id, other.name, other.protocol))

    async def _send(self, to: int, body: bytes) -> int:
        await trio.lowlevel.checkpoint()
        number = next(self._numbers)
        try:
            pending = self._hosted.send(to, body, number)
        except (NoSuchMember, MailboxFull) as failure:
            raise _error(to, failure) from None
        if pending is not None:
            pending.then(partial(self._settled, to, number))
        return number

    def _settled(self, to: int, number: int, failure: SendFailure | None) -> None:
        if failure is not None:
            self.signaling.failed(to, _error(to, failure), number)

    async def run(self) -> None:
        """Take in what comes."""
        while (mail := await self._hosted.receive()) is not None:
            if isinstance(mail, Relayed):
                delivery = self.signaling.received(mail.sender, mail.body)
                if delivery is not None:
                    # There is no sender who could wait: what is said of calls is read at once.
                    delivery.refuse()
            elif isinstance(mail, Undelivered):
                self.signaling.failed(mail.to, _failed(mail.to, mail.code), mail.number)
            elif mail.connected:
                self.signaling.joined(Peer(mail.id, mail.name, mail.protocol))
            else:
                self.signaling.left(mail.id)
        self.signaling.lost(SignalingLost("the peer has left the server", code="signed_out"))


def _error(to: int, failure: SendFailure) -> SignalingError:
    return _failed(to, UNKNOWN if isinstance(failure, NoSuchMember) else FULL)


def _failed(to: int, code: str) -> SignalingError:
    if code == UNKNOWN:
        return UnknownPeer(f"no peer {to} is signed in", fault="remote")
    return SignalingError(f"too much waits for peer {to}", code=code)

"""The connections of PeerJS as programs see them."""

from __future__ import annotations

from typing import Any

import trio

from ..errors import MessageTooLarge
from ..rtc import MediaTrack
from ..world import world
from .link import PeerJSLink
from .serialization import PeerCloses, Serialization


class _LinkConnection(trio.abc.AsyncResource):
    def __init__(self, link: PeerJSLink):
        self._link = link

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r} with {self.peer!r}>"

    @property
    def peer(self) -> str:
        """The id of the other one."""
        return self._link.peer

    @property
    def id(self) -> str:
        """The connection's own id (PeerJS's ``connectionId``)."""
        return self._link.offer.connection_id

    @property
    def metadata(self) -> Any:
        """What the one who opened it says about it: any JSON value."""
        return self._link.offer.metadata


class DataConnection(_LinkConnection, trio.abc.Channel[Any]):
    """Values to and from another peer (PeerJS's DataConnection), from `PeerJSPeer.connect`.

    What can be sent depends on the serialization: ``raw`` takes str and bytes, ``json`` what JSON
    has, ``binary`` what `trio_rtc.wire.binarypack.pack` takes.
    """

    def __init__(self, link: PeerJSLink, serialization: Serialization):
        super().__init__(link)
        assert link.channel is not None
        self._channel = link.channel
        self._serialization = serialization
        self._sending = trio.Lock()
        self._peer_closes = False

    @property
    def label(self) -> str:
        """The name that the one who opened it gave it, or its id."""
        return self._link.offer.label or self.id

    @property
    def serialization(self) -> str:
        """``raw``, ``json`` or ``binary``."""
        return self._link.offer.serialization or "binary"

    @property
    def reliable(self) -> bool:
        """Whether values arrive in order, as PeerJS understands it. None is ever lost."""
        return self._link.offer.reliable

    async def send(self, value: Any) -> None:
        """Send a value; wait while much is buffered.

        Cancelled, a large value may be sent in part, which the other side never gets to see.

        Raises:
            SerializationError: ``bad_value``: the value has no form here.
            MessageTooLarge: it is over what the other side takes as one message; large values
                go over ``binary`` connections.
            trio.BrokenResourceError: the other side has closed the connection, or is lost.
            trio.ClosedResourceError: we have closed it.
        """
        messages = self._serialization.write(value)
        async with self._sending:
            for message in messages:
                await self._channel.send(message)

    async def receive(self) -> Any:
        """Receive the next value.

        Raises:
            SerializationError: ``bad_message``: what came is no value; the next one may be.
            MessageTooLarge: a value is over our limit. The connection is closed.
            trio.EndOfChannel: the other side has closed the connection, and nothing is left.
            trio.BrokenResourceError: the other side was lost, and nothing is left.
            trio.ClosedResourceError: we have closed it.
        """
        while not self._peer_closes:
            try:
                message = await self._channel.receive()
            except trio.BrokenResourceError:
                # PeerJS closes a connection all at once, and its channel no other way.
                if await self._link.wait_verdict() == "lost":
                    raise
                raise trio.EndOfChannel from None
            try:
                values = await self._read(message)
            except PeerCloses:
                self._peer_closes = True
                await self._channel.aclose()
            except MessageTooLarge:
                await self._link.close()
                raise
            else:
                if values:
                    return values[0]
        await trio.lowlevel.checkpoint()
        raise trio.EndOfChannel

    async def _read(self, message: str | bytes) -> list[Any]:
        if not self._serialization.is_long(message):
            return self._serialization.read(message)
        # The message is no longer in the channel: it must not be lost now.
        values: list[Any] = []
        with trio.CancelScope(shield=True):
            values = await world().run_in_thread(self._serialization.read, message)
        return values  # noqa: RET504  # A scope may end a block, as far as anybody can tell.

    async def aclose(self) -> None:
        """Close the connection once the other side has all that was sent."""
        await self._channel.aclose()


class MediaConnection(_LinkConnection):
    """Media to and from another peer (PeerJS's MediaConnection), from `PeerJSPeer.call`.

    Attributes:
        tracks: what the other side sends, as an async iterator. It ends with the connection.
    """

    def __init__(self, link: PeerJSLink):
        super().__init__(link)
        self.tracks: trio.MemoryReceiveChannel[MediaTrack] = link.tracks

    async def wait_closed(self) -> None:
        """Wait until the connection is over, whoever ended it."""
        await self._link.wait_ended()

    async def aclose(self) -> None:
        """Close the connection."""
        if self._link.channel is not None:
            await self._link.channel.aclose()
        await self._link.close()

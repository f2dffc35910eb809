"""A WHIP or WHEP endpoint as the peer of a signaling session.

A call says what it says to any peer: an offer, candidates, a hang-up. Here these become the
requests POST, PATCH and DELETE, and their answers what the peer says.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Final

import trio

from ..errors import SignalingError
from ..signaling import Peer, Signaling
from ..signaling.address import shown
from ..signaling.http import open_http_client
from ..tasks import last_words, open_background_nursery
from ..wire.messages import Bye, IceCandidate, SessionDescription, decode, encode
from ..wire.whip import Fragment
from ..wire.whip_sdp import credentials_of, with_candidates, with_credentials
from .endpoint import WhipEndpoint, whip_address

GATHER_SECONDS: Final = 1.0
"""How long an offer waits for its candidates. Not every endpoint takes others later."""

GOODBYE_SECONDS: Final = 3.0

_ENDPOINT_ID, _OUR_ID = 1, 2


@asynccontextmanager
async def open_whip_signaling(
    url: str, token: str | None, ssl_context: ssl.SSLContext | None
) -> AsyncIterator[tuple[Signaling, Peer]]:
    """A session with an endpoint for one call, which is ended with the block.

    Raises:
        SignalingError: ``bad_url``; ``server_unreachable``.
    """
    address = whip_address(url)
    client = await open_http_client(address, timeout=10.0, ssl_context=ssl_context)
    async with client as http:
        endpoint = WhipEndpoint(http, address, token)
        await endpoint.look()
        messages = _Messages(endpoint, Peer(_ENDPOINT_ID, shown(address)))
        async with open_background_nursery() as nursery:
            nursery.start_soon(messages.run)
            try:
                yield messages.signaling, messages.peer
            finally:
                async with last_words(GOODBYE_SECONDS):
                    with suppress(SignalingError):
                        await endpoint.end()


class _Messages:
    """The task that turns messages into requests."""

    def __init__(self, endpoint: WhipEndpoint, peer: Peer):
        self.peer = peer
        self._endpoint = endpoint
        self._put, self._to_send = trio.open_memory_channel[
            tuple[int, SessionDescription | IceCandidate]
        ](math.inf)
        self._numbers = count(1)
        self._offer = self._answer = ""
        self.signaling = Signaling(_OUR_ID, "this program", self._send)
        self.signaling.joined(peer)
        self.signaling.ice_servers = endpoint.ice_servers

    async def _send(self, to: int, data: bytes) -> int:
        message = decode(data)
        number = next(self._numbers)
        if isinstance(message, Bye):
            await self._endpoint.end()
        elif isinstance(message, SessionDescription) and self._is_change(message.sdp):
            # RFC 9725, section 4.3.3: nothing but ICE is negotiated again.
            raise SignalingError(
                f"what is sent to, or comes from, {self.peer.name} is settled at the start",
                code="not_supported",
            )
        elif isinstance(message, SessionDescription | IceCandidate):
            self._put.send_nowait((number, message))
            await trio.lowlevel.checkpoint()
        return number

    def _is_change(self, sdp: str) -> bool:
        return bool(self._answer) and credentials_of(sdp) == credentials_of(self._offer)

    async def run(self) -> None:
        """Make the offer, and then say what else there is."""
        async for number, message in self._to_send:
            try:
                if isinstance(message, IceCandidate):
                    await self._trickle(message)
                elif not self._answer:
                    await self._make_offer(message.sdp)
                else:
                    await self._restart(message.sdp)
            except SignalingError as error:
                self.signaling.failed(self.peer.id, error, number)

    async def _make_offer(self, sdp: str) -> None:
        self._offer = sdp
        answer = await self._endpoint.offer(with_candidates(sdp, await self._gather()))
        self.signaling.ice_servers = self._endpoint.ice_servers
        self._receive_answer(answer)

    def _receive_answer(self, sdp: str) -> None:
        self._answer = sdp
        answer = SessionDescription(type="answer", sdp=sdp)
        self.signaling.received(self.peer.id, encode(answer))

    async def _gather(self) -> list[IceCandidate]:
        """The candidates that come soon."""
        found: list[IceCandidate] = []
        with trio.move_on_after(GATHER_SECONDS):
            async for _, message in self._to_send:
                assert isinstance(message, IceCandidate)
                found.append(message)
                if message.is_end:
                    break
        return found

    async def _trickle(self, candidate: IceCandidate) -> None:
        if self._endpoint.trickles:
            ufrag, password = credentials_of(self._offer)
            await self._endpoint.trickle(Fragment(ufrag, password, [candidate]))

    async def _restart(self, sdp: str) -> None:
        ufrag, password = credentials_of(sdp)
        theirs = await self._endpoint.restart(Fragment(ufrag, password, await self._gather()))
        self._offer = sdp
        answer = with_credentials(self._answer, theirs.ufrag, theirs.password)
        self._receive_answer(with_candidates(answer, theirs.candidates))

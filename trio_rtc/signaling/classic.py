"""The protocol of libwebrtc's peerconnection example, as a client speaks it: over HTTP.

One task keeps a hanging GET open, on which the server tells what happens; what we send goes
out as one POST after the other.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
import trio

from ..errors import MessageTooLarge, SignalingError, SignalingLost, UnknownPeer
from ..tasks import last_words, open_background_nursery
from .events import Peer
from .reason import reason
from .signaling import Signaling

logger = logging.getLogger("trio_rtc.signaling")

ANSWER_SECONDS = 10.0
"""How long a server may take to answer anything but a hanging GET."""

RETRY_SECONDS = 10.0
"""How long a server that does not answer is tried again. It keeps us for 30 s."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

#: A hanging GET has nothing to send, so only these notice within half a minute that the path
#: to the server has gone.
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]


@asynccontextmanager
async def open_classic_signaling(
    url: str, *, name: str, ssl_context: ssl.SSLContext | None
) -> AsyncIterator[Signaling]:
    """Sign in, keep the hanging GET open during the block, sign out."""
    async with httpx.AsyncClient(
        transport=_Transport(verify=ssl_context or True, socket_options=KEEPALIVE),
        timeout=httpx.Timeout(ANSWER_SECONDS, pool=None),
        headers={"User-Agent": "trio-rtc"},
    ) as http:
        client = _ClassicClient(http, url)
        signaling = await client.sign_in(name)
        try:
            async with open_background_nursery() as nursery:
                nursery.start_soon(client.poll, signaling)
                yield signaling
        finally:
            async with last_words(ANSWER_SECONDS):
                await client.sign_out()


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport, for bodies that a cancelled request may leave unread."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # httpx iterates over a body with an async generator; one that is left in the middle is
        # a warning when it is collected.
        request.stream = _Body(request.content)
        return await super().handle_async_request(request)


class _Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes):
        self._content = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._content:
            raise StopAsyncIteration
        return self._content.pop()


class _ClassicClient:
    def __init__(self, http: httpx.AsyncClient, url: str):
        self._http = http
        self._url = url
        self._peer_id = 0
        # Messages leave one at a time, in the order in which they were made.
        self._sending = trio.Lock()

    async def sign_in(self, name: str) -> Signaling:
        try:
            response = await self._http.get(f"{self._url}/sign_in?{quote(name, safe='')}")
        except httpx.RemoteProtocolError as error:
            raise self._not_signaling_server(f"its answer is not HTTP: {error}") from error
        except httpx.InvalidURL as error:
            raise SignalingError(f"{self._url}: {error}", code="bad_url", fault="local") from error
        except httpx.RequestError as error:
            raise SignalingError(
                f"no signaling server answers at {self._url}: {reason(error)}",
                code="server_unreachable",
                fault="network",
            ) from error
        if response.status_code != 200:
            raise self._not_signaling_server(
                f"it answers a sign-in with {response.status_code} {response.reason_phrase}"
            )
        lines = list(_peer_lines(response.text))
        pragma = _pragma(response)
        if pragma is None or not any(peer.id == pragma for peer, _ in lines):
            raise self._not_signaling_server("its answer to a sign-in names no peer")
        self._peer_id = pragma
        own = next(peer for peer, _ in lines if peer.id == pragma)
        signaling = Signaling(own.id, own.name, self.send)
        for peer, connected in lines:
            if connected:
                signaling.joined(peer)
        return signaling

    def _not_signaling_server(self, why: str) -> SignalingError:
        return SignalingError(
            f"{self._url} is not a signaling server: {why}", code="not_signaling_server"
        )

    async def send(self, to: int, data: bytes) -> None:
        async with self._sending:
            try:
                response = await self._http.post(
                    f"{self._url}/message?peer_id={self._peer_id}&to={to}",
                    content=data,
                    headers={"Content-Type": "text/plain"},
                )
            except httpx.RequestError as error:
                raise SignalingError(
                    f"a message could not be sent: {reason(error)}",
                    code="send_failed",
                    fault="network",
                ) from error
        if response.status_code == 200:
            return
        why = response.text.strip()[:200] or response.reason_phrase
        if response.status_code == 413:
            raise MessageTooLarge(f"the server takes no message of {len(data)} bytes: {why}")
        if response.status_code in (404, 500):
            raise UnknownPeer(f"peer {to} cannot be reached: {why}", fault="remote")
        raise SignalingError(
            f"the server did not take a message: {response.status_code} {why}", code="send_failed"
        )

    async def poll(self, signaling: Signaling) -> None:
        """Hear what the server has to say, until the session ends."""
        pause = FIRST_PAUSE
        deadline: float | None = None
        while True:
            asked = trio.current_time()
            try:
                # No end to the reading: an empty answer is nothing that a server may send.
                response = await self._http.get(
                    f"{self._url}/wait?peer_id={self._peer_id}",
                    timeout=httpx.Timeout(ANSWER_SECONDS, read=None, pool=None),
                )
            except httpx.RequestError as error:
                # A hanging GET that is closed without an answer is an invitation to ask again.
                hung = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if hung and trio.current_time() - asked > LONGEST_PAUSE:
                    pause, deadline = FIRST_PAUSE, None
                if deadline is None:
                    deadline = trio.current_time() + RETRY_SECONDS
                if trio.current_time() >= deadline:
                    signaling.lost(SignalingLost(f"the signaling server has gone: {reason(error)}"))
                    return
                logger.debug("asking again in %.1f s: %s", pause, reason(error))
                await trio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause, deadline = FIRST_PAUSE, None
            error_or_none = self._hear(signaling, response)
            if error_or_none is not None:
                signaling.lost(error_or_none)
                return

    def _hear(self, signaling: Signaling, response: httpx.Response) -> SignalingLost | None:
        if response.status_code != 200:
            return SignalingLost(
                "the signaling server does not know us any more: "
                f"{response.status_code} {response.reason_phrase}",
                code="signed_out",
                fault="remote",
            )
        sender = _pragma(response)
        if sender is None:
            return SignalingLost(
                f"the signaling server ends: {response.text[:80]}",
                code="server_shutdown",
                fault="remote",
            )
        if sender != self._peer_id:
            signaling.received(sender, response.content)
            return None
        for peer, connected in _peer_lines(response.text):
            if connected:
                signaling.joined(peer)
            else:
                signaling.left(peer.id)
        return None

    async def sign_out(self) -> None:
        try:
            await self._http.get(f"{self._url}/sign_out?peer_id={self._peer_id}")
        except httpx.RequestError as error:
            # The server finds out by itself, half a minute after our last GET.
            logger.debug("could not sign out: %s", reason(error))


def _pragma(response: httpx.Response) -> int | None:
    """The number in the first ``Pragma``, by which a server tells who it speaks of."""
    value = next(iter(response.headers.get_list("Pragma")), "").strip()
    return int(value) if value.isdecimal() else None


def _peer_lines(text: str) -> Iterator[tuple[Peer, bool]]:
    """``NAME,ID,CONNECTED`` per line; what does not look so is passed over."""
    for line in text.split("\n"):
        name, comma, rest = line.strip("\r").rpartition(",")[0].rpartition(",")
        connected = line.strip("\r ")[-1:]
        if comma and rest.strip().isdecimal() and connected in ("0", "1"):
            yield Peer(int(rest), name), connected == "1"

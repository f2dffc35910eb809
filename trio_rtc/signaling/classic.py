"""The protocol of libwebrtc's peerconnection example, as a client speaks it: over HTTP.

One task keeps a hanging GET open, on which the server tells what happens; what we send goes
out as one POST after the other. Between us and the server there may be gateways, which answer in
its place, and let nothing hang for long.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
import trio

from ..errors import MessageTooLarge, SignalingError, SignalingLost, UnknownPeer
from ..tasks import last_words, open_background_nursery
from ..wire.native import SESSION_HEADER
from .address import shown
from .event_queue import Delivery
from .events import Peer
from .http import ask, open_http_client, reason
from .http_response import GATEWAY_STATUSES, HttpResponse, number
from .signaling import Signaling

logger = logging.getLogger("trio_rtc.signaling")

ANSWER_SECONDS = 10.0
"""How long a server may take to answer anything but a hanging GET."""

WHOLE_SECONDS = 30.0
"""How long all of a request and its answer may take, however steadily both go on."""

HANG_SECONDS = 10.0
"""How long a GET is to hang at a server that can end it when there is nothing to tell."""

NOTICES_AT_ONCE = 256

QUICK_SECONDS = 1.0
LATE_SECONDS = 5.0
"""How long it is to hang otherwise, and how much later an answer may come than that: then the path
counts as dead."""

RETRY_SECONDS = 25.0
"""How long a server that does not answer is tried again. It keeps us for 30 s."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

PATIENCE_SECONDS = 15.0
"""How long a message may wait for a place. Without a GET the server gives us up after 30 s."""

#: Statuses with which a gateway says that a message has not reached the server.
NOT_DELIVERED = {502, 503}

#: Statuses with which a server says that it does not know a peer, or not from here.
SIGNED_OUT = {401, 403, 404}

#: A GET that hangs at the server of libwebrtc's example has nothing to send, and no end: only
#: these notice that the path to that one has gone.
KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 8),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]


@asynccontextmanager
async def open_classic_signaling(
    url: httpx.URL, *, name: str, ssl_context: ssl.SSLContext | None, patience: float | None = None
) -> AsyncIterator[Signaling]:
    """Sign in, with this patience, keep the hanging GET open during the block, sign out."""
    async with await open_http_client(
        url, timeout=ANSWER_SECONDS, ssl_context=ssl_context, socket_options=KEEPALIVE
    ) as http:
        client = _ClassicClient(http, str(url).removesuffix("/"))
        try:
            async with last_words(WHOLE_SECONDS):
                # Who is cancelled by now may be signed in, and has to know its id to sign out.
                signaling = await client.sign_in(name, patience or 2 * ANSWER_SECONDS)
            async with open_background_nursery() as nursery:
                nursery.start_soon(client.poll, signaling)
                yield signaling
        finally:
            if client.is_signed_in:
                async with last_words(ANSWER_SECONDS):
                    await client.sign_out()


class _ClassicClient:
    """A session.

    Attributes:
        is_ours: whether its server is one of this project: that one says so in every answer, and
            ends a hanging GET when it is asked to.
    """

    def __init__(self, http: httpx.AsyncClient, url: str):
        self._http = http
        self._url = url
        self._peer_id = 0
        self._session = ""
        self.is_ours = False
        # Messages leave one at a time, in the order in which they were made.
        self._sending = trio.Lock()
        self._number = 0

    @property
    def is_signed_in(self) -> bool:
        """Whether the server has given us an id."""
        return self._peer_id != 0

    async def sign_in(self, name: str, seconds: float) -> Signaling:
        try:
            url = f"{self._url}/sign_in?{quote(name, safe='')}"
            response = await ask(self._http, "GET", url, seconds)
        except httpx.RemoteProtocolError as error:
            raise self._not_signaling_server(reason(error)) from error
        except httpx.RequestError as error:
            raise self._unreachable(reason(error)) from error
        answer = HttpResponse.of(response)
        if response.status_code != 200:
            raise self._refused(answer)
        lines = list(_peer_lines(answer.text))
        pragma = answer.speaks_of
        if pragma is None or not any(peer.id == pragma for peer, _ in lines):
            raise self._not_signaling_server("its answer to a sign-in names no peer")
        self._peer_id = pragma
        self._session = answer.headers.get(SESSION_HEADER.lower(), "")
        self.is_ours = answer.is_ours
        own = next(peer for peer, _ in lines if peer.id == pragma)
        signaling = Signaling(own.id, own.name, self.send)
        signaling.server = self._url
        for peer, connected in lines:
            if connected:
                signaling.joined(peer)
        return signaling

    def _own(self, path: str) -> str:
        """The URL for a request of this session, which it shows where it has been told one."""
        url = f"{self._url}/{path}?peer_id={self._peer_id}"
        return f"{url}&session={quote(self._session, safe='')}" if self._session else url

    def _unreachable(self, why: str) -> SignalingError:
        return SignalingError(
            f"no signaling server answers at {shown(self._url)}: {why}",
            code="server_unreachable",
            fault="network",
        )

    def _not_signaling_server(self, why: str) -> SignalingError:
        return SignalingError(
            f"{shown(self._url)} is not a signaling server: {why}", code="not_signaling_server"
        )

    def _refused(self, answer: HttpResponse) -> SignalingError:
        code = answer.refusal
        if code is None:
            return self._not_signaling_server(str(answer))
        if code == "server_unreachable":
            return self._unreachable(str(answer))
        return SignalingError(answer.words if answer.is_ours else str(answer), code=code)

    def _is_final(self, answer: HttpResponse) -> bool:
        """Whether it is the server itself that says so."""
        return answer.is_ours or (not self.is_ours and answer.is_the_originals)

    def _is_news(self, answer: HttpResponse) -> bool:
        """Whether a hanging GET has been answered by the server, and with something to hear."""
        is_servers = answer.is_ours or not self.is_ours
        return answer.status == 200 and answer.speaks_of is not None and is_servers

    async def send(self, to: int, data: bytes) -> int:
        async with self._sending:
            self._number += 1
            number = self._number
            answer = await self._post(f"{self._own('message')}&to={to}", data)
        if answer.status == 200 and (answer.is_ours or not self.is_ours):
            return number
        if answer.status == 413:
            raise MessageTooLarge(f"a message of {len(data)} bytes is too large: {answer}")
        if answer.status in (404, 500) and self._is_final(answer):
            why = answer.words or answer.phrase
            raise UnknownPeer(f"peer {to} cannot be reached: {why}", fault="remote")
        full = answer.is_ours and answer.status == 503
        raise SignalingError(
            f"the server did not take a message: {answer}",
            code="mailbox_full" if full else "send_failed",
            fault="remote" if self._is_final(answer) else "network",
        )

    async def _post(self, url: str, data: bytes) -> HttpResponse:
        """Send a message, again if it cannot have arrived.

        Raises:
            SignalingError: ``send_failed``.
        """
        deadline = trio.current_time() + RETRY_SECONDS
        pause = FIRST_PAUSE
        while True:
            try:
                response = await ask(self._http, "POST", url, WHOLE_SECONDS, content=data)
            except httpx.RequestError as error:
                unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if not unsent or trio.current_time() + pause >= deadline:
                    raise SignalingError(
                        f"a message could not be sent: {reason(error)}",
                        code="send_failed",
                        fault="network",
                    ) from error
            else:
                answer = HttpResponse.of(response)
                unsent = answer.status in NOT_DELIVERED and not self._is_final(answer)
                if not unsent or trio.current_time() + pause >= deadline:
                    return answer
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def poll(self, signaling: Signaling) -> None:
        """Hear what the server has to say, until the session ends."""
        pause = FIRST_PAUSE
        longest = HANG_SECONDS
        deadline: float | None = None
        while True:
            asked = trio.current_time()
            try:
                # Who fails asks for a quick answer: it tells that the server is there again.
                async with open_background_nursery() as nursery:
                    if not self.is_ours:
                        nursery.start_soon(_presume_connected, signaling)
                    response = await self._wait(longest if deadline is None else QUICK_SECONDS)
            except httpx.RequestError as error:
                why = reason(error)
                cut = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
            else:
                answer = HttpResponse.of(response)
                if self._is_news(answer):
                    delivery = _receive(signaling, self._peer_id, answer)
                    if deadline is not None:
                        logger.info("the signaling server answers again")
                    pause, deadline = FIRST_PAUSE, None
                    signaling.connected()
                    if delivery is not None:
                        # What is not asked for waits at the server, which tells senders when it
                        # is enough.
                        await delivery.wait_for_place(PATIENCE_SECONDS)
                    continue
                if self._is_final(answer) and (lost := _end(answer)) is not None:
                    signaling.lost(lost)
                    return
                why = str(answer)
                cut = answer.status == 504
            now = trio.current_time()
            if cut and now - asked > LONGEST_PAUSE:
                if self.is_ours:
                    # What is in between lets nothing hang for so long.
                    longest = max(QUICK_SECONDS, longest / 2)
                elif await self._is_there():
                    # It is how the other server has a client ask again.
                    pause, deadline = FIRST_PAUSE, None
            if deadline is not None or not cut:
                # What has been cut off may just have hung for too long.
                signaling.reconnecting()
            if deadline is None:
                deadline = now + RETRY_SECONDS
                logger.info("asking the signaling server again: %s", why)
            if now >= deadline:
                signaling.lost(SignalingLost(f"the signaling server has gone: {why}"))
                return
            await trio.sleep(min(pause, deadline - now))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _wait(self, hang: float) -> httpx.Response:
        """One hanging GET."""
        url = self._own("wait")
        # The other server has no end to it: an empty answer is nothing that it may send.
        read, whole = None, math.inf
        if self.is_ours:
            url = f"{url}&notices={NOTICES_AT_ONCE}&seconds={hang:g}"
            read = hang + LATE_SECONDS
            whole = read + WHOLE_SECONDS
        timeout = httpx.Timeout(ANSWER_SECONDS, read=read, pool=None)
        return await ask(self._http, "GET", url, whole, timeout=timeout)

    async def _is_there(self) -> bool:
        """Whether the other server answers: that a GET is cut off does not tell."""
        try:
            response = await ask(self._http, "OPTIONS", f"{self._url}/wait", WHOLE_SECONDS)
        except httpx.RequestError:
            return False
        return response.status_code not in GATEWAY_STATUSES

    async def sign_out(self) -> None:
        try:
            await self._http.get(self._own("sign_out"))
        except httpx.RequestError as error:
            # The server finds out by itself, half a minute after our last GET.
            logger.debug("could not sign out: %s", reason(error))


async def _presume_connected(signaling: Signaling) -> None:
    """What libwebrtc's server does not answer it has taken: there is nothing to tell."""
    await trio.sleep(LONGEST_PAUSE)
    signaling.connected()


def _receive(signaling: Signaling, peer_id: int, answer: HttpResponse) -> Delivery | None:
    """Take in what a hanging GET has been answered; it may be that it has no place yet."""
    sender = answer.speaks_of
    assert sender is not None
    if sender != peer_id:
        return signaling.received(sender, answer.body)
    for peer, connected in _peer_lines(answer.text):
        if connected:
            signaling.joined(peer)
        else:
            signaling.left(peer.id)
    return None


def _end(answer: HttpResponse) -> SignalingLost | None:
    """The end of a session, if this word of the server is that."""
    if answer.status == 200:
        return SignalingLost(
            f"the signaling server ends: {answer.words}", code="server_shutdown", fault="remote"
        )
    if answer.status in SIGNED_OUT or answer.is_the_originals:
        return SignalingLost(
            f"the signaling server does not know us any more: {answer}",
            code="signed_out",
            fault="remote",
        )
    return None


def _peer_lines(text: str) -> Iterator[tuple[Peer, bool]]:
    """``NAME,ID,CONNECTED`` per line; what does not look so is passed over."""
    for line in text.split("\n"):
        name, comma, rest = line.strip("\r").rpartition(",")[0].rpartition(",")
        connected = line.strip("\r ")[-1:]
        if comma and (id_ := number(rest)) is not None and connected in ("0", "1"):
            yield Peer(id_, name), connected == "1"

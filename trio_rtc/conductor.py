"""The tasks of a call, in one nursery, from the first offer to the last goodbye.

``negotiate`` hears what the other peer says and makes offers and answers, ``trickle_local``
sends our candidates, ``trickle_remote`` applies theirs, ``watch`` follows the connection.
"""

from __future__ import annotations

import logging
import math
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import msgspec
import trio

from . import negotiation as todo
from .call import Call, CallEnd, EndReason
from .call_options import CallOptions, CallStep, StepName
from .errors import CallError, Fault, NegotiationError, TrioRTCError
from .messages import Bye, IceCandidate, Message, SessionDescription, decode, encode
from .rtc import (
    ConnectionStateEvent,
    DataChannelEvent,
    IceCandidateEvent,
    TrackEvent,
    open_peer_connection,
)
from .signaling import MessageReceived, Peer, PeerLeft, Signaling, SignalingEvent, Subscription
from .tasks import last_words, open_background_nursery

logger = logging.getLogger("trio_rtc.call")

LINGER_SECONDS = 1.0
"""After the other side has hung up: how long what it sent before may still be on its way."""


class Conductor:
    """One call, from either side.

    Args:
        first: what the peer has said already, up to and with its offer, when we are the one
            who answers.
    """

    def __init__(
        self,
        signaling: Signaling,
        subscription: Subscription,
        peer: Peer,
        options: CallOptions,
        first: Sequence[Message] = (),
    ):
        self._signaling = signaling
        self._subscription = subscription
        self._peer = peer
        self._options = options
        self._first = list(first)
        self._offering = not first
        # Of two who call each other at once, the one who signed in later gives way.
        self._negotiation = todo.Negotiation(
            polite=signaling.peer_id > peer.id, call=uuid.uuid4().hex if self._offering else None
        )
        self._call = Call(peer, options.connect_timeout, self._hang_up)
        self._started = trio.current_time()
        self._crossing_offer: SessionDescription | None = None
        self._connected = False
        self._bye_owed = not self._offering
        self._reset()

    def _reset(self) -> None:
        """Fresh state for a connection: the first, or the one after a crossing offer."""
        self._settled = trio.Event()
        self._described = trio.Event()
        self._closed = trio.Event()
        self._found, self._to_send = trio.open_memory_channel[IceCandidate](math.inf)
        self._heard, self._to_apply = trio.open_memory_channel[IceCandidate](math.inf)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Call]:
        """Set the call up, keep it during the block, end it."""
        deadline = self._started + self._options.connect_timeout
        try:
            while not self._connected:
                async with self._run_connection(deadline):
                    if self._connected:
                        yield self._call
                        await self._call.hang_up()
                self._reset()
        finally:
            async with last_words(self._options.close_timeout):
                await self._say_bye("")
            self._finish("hung_up")

    @asynccontextmanager
    async def _run_connection(self, deadline: float) -> AsyncIterator[None]:
        """One connection with its tasks, until the call ends or an offer crosses ours."""
        options = self._options
        offering = self._offering and self._crossing_offer is None
        async with (
            open_peer_connection(
                ice_servers=options.ice_servers,
                ice_transport_policy=options.ice_transport_policy,
                # An answer goes by what the offer has bundled.
                bundle_policy="max-bundle" if offering else "balanced",
                close_timeout=options.close_timeout,
            ) as connection,
            open_background_nursery() as nursery,
        ):
            self._connection = self._call._connection = connection
            with trio.move_on_at(deadline):
                if offering:
                    connection.offer_to_receive(options.receive)
                for track in options.tracks:
                    await connection.add_track(track)
                nursery.start_soon(self._watch)
                nursery.start_soon(self._trickle_local)
                nursery.start_soon(self._trickle_remote)
                nursery.start_soon(self._negotiate)
                await self._settled.wait()
            if not self._settled.is_set():
                raise CallError(
                    f"no connection to {self._peer} within {options.connect_timeout:g} s",
                    code="connect_timeout",
                    fault="network",
                )
            nursery.start_soon(self._wind_up)
            yield

    async def _negotiate(self) -> None:
        """Make offers and answers as the other peer's messages ask for them."""
        with self._excusing_errors():
            if self._crossing_offer is not None:
                await self._answer(self._crossing_offer)
            elif self._offering:
                if self._is_called_already():
                    self._settled.set()
                    return
                await self._offer()
            for message in self._first:
                await self._act(self._negotiation.receive(message))
            self._first.clear()
            async for event in self._subscription:
                if not await self._hear(event):
                    return

    def _is_called_already(self) -> bool:
        """Whether the peer's own offer waits here: then ours is not needed."""
        waiting = deque(self._subscription.waiting())
        while waiting and self._crossing_offer is None:
            event = waiting.popleft()
            if not isinstance(event, MessageReceived):
                waiting.appendleft(event)
                break
            try:
                action = self._negotiation.receive(decode(event.data))
            except NegotiationError:
                # Of a call before this one, or of none.
                continue
            if isinstance(action, todo.Answer):
                self._crossing_offer = action.offer
                self._bye_owed = True
        while waiting:
            self._subscription.put_back(waiting.pop())
        return self._crossing_offer is not None

    async def _hear(self, event: SignalingEvent) -> bool:
        """Do what an event asks for; tell whether there may be more for this connection."""
        if isinstance(event, PeerLeft):
            self._bye_owed = False
            self._over("peer_left")
            return False
        assert isinstance(event, MessageReceived)
        try:
            action = self._negotiation.receive(decode(event.data))
        except NegotiationError as error:
            if error.code == "bad_description" and not self._connected:
                raise
            self._complain(error)
            return True
        if isinstance(action, todo.Supersede):
            # The offer is for whoever takes the peer's next call.
            self._subscription.put_back(event)
        return await self._act(action)

    async def _act(self, action: todo.Action) -> bool:
        """Do it; tell whether there may be more for this connection."""
        match action:
            case todo.Answer(offer):
                await self._answer(offer)
            case todo.Accept(answer):
                self._trace("answer_received")
                await self._apply(answer)
                self._negotiation.completed()
            case todo.AddCandidate(candidate):
                self._heard.send_nowait(candidate)
            case todo.Yield(offer):
                self._crossing_offer = offer
                self._settled.set()
                return False
            case todo.End(detail):
                self._bye_owed = False
                self._over("peer_hung_up", detail)
                return False
            case todo.Supersede():
                self._bye_owed = False
                self._over("superseded")
                return False
            case todo.Drop(why):
                logger.debug("dropped a message of %s: %s", self._peer, why)
        return True

    async def _offer(self) -> None:
        self._negotiation.offered()
        offer = await self._connection.set_local_description()
        await self._send(offer)
        self._bye_owed = True
        self._trace("offer_sent")
        self._described.set()

    async def _answer(self, offer: SessionDescription) -> None:
        self._trace("offer_received")
        await self._apply(offer)
        answer = await self._connection.set_local_description()
        await self._send(answer)
        self._trace("answer_sent")
        self._negotiation.completed()
        self._described.set()

    async def _apply(self, description: SessionDescription) -> None:
        await self._connection.set_remote_description(description)
        for candidate in self._negotiation.applied(description):
            self._heard.send_nowait(candidate)

    async def _trickle_local(self) -> None:
        """Send each of our candidates, after the description that it belongs to."""
        with self._excusing_errors():
            await self._described.wait()
            async for candidate in self._to_send:
                await self._send(candidate)
                self._trace("candidate_sent", candidate.candidate)

    async def _trickle_remote(self) -> None:
        """Apply the other side's candidates: all at once, but the end after all of them."""
        while True:
            async with trio.open_nursery() as nursery:
                async for candidate in self._to_apply:
                    self._trace("candidate_received", candidate.candidate)
                    if candidate.is_end:
                        break
                    # A name that has to be resolved must not hold up the others.
                    nursery.start_soon(self._add, candidate)
            await self._add(candidate)

    async def _add(self, candidate: IceCandidate) -> None:
        with self._excusing_errors():
            try:
                await self._connection.add_ice_candidate(candidate)
            except NegotiationError as error:
                self._complain(error)

    async def _watch(self) -> None:
        """Follow the connection: what it finds, what arrives over it, whether it stands."""
        async for event in self._connection:
            match event:
                case IceCandidateEvent(candidate):
                    self._found.send_nowait(candidate)
                case DataChannelEvent(channel):
                    self._call._channel_arrived(channel)
                case TrackEvent(track):
                    self._call._track_arrived(track)
                case ConnectionStateEvent("connected"):
                    self._connected = True
                    self._call.setup_seconds = trio.current_time() - self._started
                    self._trace("connected")
                    self._settled.set()
                case ConnectionStateEvent("failed"):
                    self._over("connection_lost")
        self._closed.set()
        if self._connected:
            # The goodbye takes another way than the closing, and may well be the slower one.
            with trio.move_on_after(LINGER_SECONDS):
                await self._call.wait_ended()
        self._over("connection_closed")

    async def _wind_up(self) -> None:
        """Close the connection as soon as the call is over, even if the block goes on."""
        end = await self._call.wait_ended()
        if end.reason == "peer_hung_up":
            with trio.move_on_after(LINGER_SECONDS):
                await self._closed.wait()
        await self._connection.aclose()

    # Between the tasks.

    async def _send(self, message: SessionDescription | IceCandidate) -> None:
        message = msgspec.structs.replace(message, call=self._negotiation.call)
        await self._signaling.send(self._peer, encode(message))

    async def _hang_up(self, reason: str) -> None:
        await self._call._close_channels()
        await self._say_bye(reason)
        self._finish("hung_up", reason)

    async def _say_bye(self, reason: str) -> None:
        if self._bye_owed:
            bye = Bye(reason=reason, call=self._negotiation.bye_call)
            try:
                with trio.move_on_after(self._options.close_timeout):
                    await self._signaling.send(self._peer, encode(bye))
            except TrioRTCError as error:
                logger.debug("could not tell %s that the call is over: %s", self._peer, error)
            self._bye_owed = False

    def _over(self, reason: EndReason, detail: str = "") -> None:
        if not self._connected:
            what = {
                "peer_hung_up": "declined the call" if self._offering else "has hung up already",
                "peer_left": "has left the server",
                "superseded": "has begun another call",
                "connection_lost": "cannot be reached: no pair of candidates works",
            }.get(reason, "closed the connection before it was complete")
            message = f"{self._peer} {what}" + (f": {detail}" if detail else "")
            fault: Fault = "network" if reason == "connection_lost" else "remote"
            raise CallError(message, code=reason, fault=fault)
        self._finish(reason, detail)

    def _finish(self, reason: EndReason, detail: str = "") -> None:
        if self._call.end is None:
            self._call._finish(CallEnd(reason, detail))
            self._trace("ended")

    @contextmanager
    def _excusing_errors(self) -> Iterator[None]:
        """A connection that stands needs no signaling: what fails there ends no call."""
        try:
            yield
        except TrioRTCError as error:
            if not self._connected:
                raise
            if self._call.end is None:
                self._complain(error)

    def _complain(self, error: TrioRTCError) -> None:
        logger.warning("in the call with %s: %s", self._peer, error, extra={"code": error.code})

    def _trace(self, name: StepName, candidate: str = "") -> None:
        if self._options.trace is not None:
            self._options.trace(CallStep(self._peer, name, trio.current_time(), candidate))

"""The tasks of a call, in one nursery, from the first offer to the last hang-up.

``negotiate`` hears what the other peer says, ``watch`` follows the connection, ``wind_up`` ends
it. The others are those of a `Negotiator` and an `IceRestarter`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import msgspec
import trio

from ..errors import CallError, NegotiationError, SignalingLost, TrioRTCError, UnknownPeer
from ..faults import RareWarnings, not_connected, reason_of
from ..rtc import (
    ConnectionState,
    ConnectionStateEvent,
    DataChannelEvent,
    IceCandidateEvent,
    IceConnectionStateEvent,
    NegotiationNeededEvent,
    TrackEvent,
    open_peer_connection,
)
from ..signaling import (
    EventsDropped,
    MessageFailed,
    MessageReceived,
    Peer,
    PeerLeft,
    Signaling,
    SignalingEvent,
    Subscription,
)
from ..tasks import Changes, last_words, open_background_nursery
from ..wire.cpace import SCALAR_SIZE
from ..wire.messages import (
    Authenticate,
    Bye,
    IceCandidate,
    Message,
    SessionDescription,
    decode,
    encode,
)
from ..world import world
from . import negotiation as todo
from .authentication import Authentication, parse_fingerprint
from .call import Call
from .crossing import take_waiting_offer
from .hang_up import send_hang_up
from .ice_restarter import IceRestarter
from .lifecycle import CallEvent, CallState, Lifecycle
from .negotiator import Negotiator
from .options import CallOptions, CallStep, StepName, choose_ice_servers

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
        self._calling = not first
        # Of two who call each other at once, the one who signed in later gives way.
        self._negotiation = todo.Negotiation(
            polite=signaling.peer_id > peer.id,
            call=world().random_hex(16) if self._calling else None,
        )
        self._life = Lifecycle()
        self._changes = Changes()
        self._call = Call(peer, self, options.connect_timeout)
        self._started = trio.current_time()
        self._warnings = RareWarnings(logger)
        self._offer: SessionDescription | None = None
        for message in first:
            action = self._negotiation.receive(message)
            if isinstance(action, todo.Answer):
                self._take(action.offer)

    def _take(self, offer: SessionDescription) -> None:
        """The next connection answers this, instead of making an offer."""
        self._offer = offer
        self._step(CallEvent.OFFER_TAKEN)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Call]:
        """Set the call up, keep it during the block, end it."""
        deadline = self._started + self._options.connect_timeout
        why = ""
        left_by: Exception | None = None
        try:
            while not self._life.has_come_about:
                async with self._run_connection(deadline):
                    if self._life.has_come_about:
                        try:
                            yield self._call
                        except Exception as error:
                            left_by = error
                            raise
                        await self._call.hang_up()
        except Exception as error:
            excused = self._life.has_come_about and isinstance(error, TrioRTCError)
            if error is not left_by and not excused:
                why = reason_of(error)
            raise
        finally:
            async with last_words(self._options.close_timeout):
                lost = self._life.end is not None and self._life.end.reason == "connection_lost"
                await self._hang_up("connection_lost" if lost else why)
            self._step(CallEvent.HUNG_UP)
            self._finish()

    @asynccontextmanager
    async def _run_connection(self, deadline: float) -> AsyncIterator[None]:
        """One connection with its tasks, until the call ends or an offer crosses ours."""
        options = self._options
        offering = self._offer is None
        answering = {CallState.ANSWERING} if offering else set()

        def is_settled() -> bool:
            return self._life.has_come_about or self._life.state in answering

        self._closed = trio.Event()
        async with (
            open_peer_connection(
                ice_servers=choose_ice_servers(options, self._signaling),
                ice_transport_policy=options.ice_transport_policy,
                # An answer goes by what the offer has bundled.
                bundle_policy=options.bundle_policy if offering else "balanced",
                silence_timeout=options.silence_timeout,
                close_timeout=options.close_timeout,
                max_frame_pixels=options.max_frame_pixels,
                max_unread_bytes=options.max_unread_bytes,
                certificate=options.certificate,
            ) as connection,
            open_background_nursery() as nursery,
        ):
            self._connection = self._call._connection = connection
            self._nursery = nursery
            self._authentication = Authentication(
                self._peer,
                parse_fingerprint(connection.fingerprint),
                options.code,
                options.trusted_keys,
                world().random_bytes(SCALAR_SIZE),
            )
            self._negotiator = Negotiator(
                connection, self._negotiation, self, options.connect_timeout
            )
            self._ice_restarter = IceRestarter(
                connection,
                self._negotiator,
                self._life,
                self._changes,
                options.restart_timeout,
                lambda: self._step(CallEvent.CONNECTION_LOST),
            )
            connection.prefer_codecs(options.codecs)
            with trio.move_on_at(deadline):
                if offering:
                    connection.offer_to_receive(
                        options.receive,
                        data_channels=not options.one_way,
                        exactly=options.one_way,
                    )
                for track in options.tracks:
                    await connection.add_track(track)
                nursery.start_soon(self._watch)
                nursery.start_soon(self._negotiator.trickle_local)
                nursery.start_soon(self._negotiator.trickle_remote)
                nursery.start_soon(self._negotiate)
                await self._changes.wait_until(is_settled)
            if not is_settled():
                raise CallError(
                    f"no connection to {self._peer} within {options.connect_timeout:g} s",
                    code="connect_timeout",
                    fault="network",
                )
            nursery.start_soon(self._wind_up)
            if self._life.has_come_about:
                nursery.start_soon(self._negotiator.offer_again)
                nursery.start_soon(self._ice_restarter.run)
            yield

    async def _negotiate(self) -> None:
        """Begin, and then do what the other peer's messages ask for."""
        with self.excusing_errors():
            if self._offer is None:
                offer = take_waiting_offer(self._subscription, self._negotiation)
                if offer is not None:
                    self._take(offer)
                    return
                await self._negotiator.offer()
                self._step(CallEvent.OFFER_SENT)
            else:
                challenge = self._authentication.begin(self._offer)
                if challenge is None:
                    await self._negotiator.perform(todo.Answer(self._offer))
                else:
                    await self._signaling.send(self._peer, encode(challenge))
        try:
            async for event in self._subscription:
                with self.excusing_errors():
                    if not await self._receive(event):
                        break
        except SignalingLost:
            with self.excusing_errors():
                raise
            self._step(CallEvent.SERVER_LOST)

    async def _give_way(self) -> None:
        """Answer an offer that crosses ours, if the other side does not answer that."""
        await trio.sleep(todo.GRACE_SECONDS)
        if (action := self._negotiation.give_way()) is not None:
            with self.excusing_errors():
                await self._act(action)

    async def _receive(self, event: SignalingEvent) -> bool:
        """Do what an event asks for; tell whether there may be more for this connection."""
        if isinstance(event, PeerLeft):
            await self._handle_leaving()
            return False
        if isinstance(event, MessageFailed):
            raise event.error
        if isinstance(event, EventsDropped):
            logger.warning(
                "%s says more than can be taken: %d are missing", self._peer, event.count
            )
            return True
        assert isinstance(event, MessageReceived)
        try:
            message = decode(event.data)
            if isinstance(message, Authenticate):
                await self._authenticate(message)
                return True
            action = self._negotiation.receive(message)
        except NegotiationError as error:
            if error.code == "bad_description" and not self._life.has_come_about:
                raise
            self.complain(error)
            return True
        if isinstance(action, todo.Supersede):
            # The offer is for whoever takes the peer's next call.
            self._subscription.put_back(event)
        return await self._act(action)

    async def _authenticate(self, message: Authenticate) -> None:
        """Hear of the code, and answer the offer once the other side has shown that it knows it."""
        if message.call != self._negotiation.call or self._authentication.done:
            return
        reply = self._authentication.receive(message)
        if reply is not None:
            await self._signaling.send(self._peer, encode(reply))
        elif self._offer is not None:
            await self._negotiator.perform(todo.Answer(self._offer))

    async def _handle_leaving(self) -> None:
        heard = False
        try:
            if self._life.has_come_about:
                # It may have lost its server only, as we may lose ours.
                heard = await self._connection.check_consent()
        finally:
            self._step(CallEvent.PEER_LEFT)
        if heard and self._connection.connection_state == "connected":
            logger.info("%s has left the server; the call goes on", self._peer)
        else:
            self._step(CallEvent.CONNECTION_LOST)

    async def _act(self, action: todo.Action) -> bool:
        """Do it; tell whether there may be more for this connection."""
        match action:
            case todo.Answer() | todo.Accept() | todo.TakeBack():
                await self._negotiator.perform(action)
            case todo.AddCandidate(candidate):
                self._negotiator.receive(candidate)
            case todo.Yield(offer):
                self._take(offer)
                return False
            case todo.End(detail):
                self._step(CallEvent.PEER_HUNG_UP, detail)
                return False
            case todo.Supersede():
                self._step(CallEvent.SUPERSEDED)
                return False
            case todo.Wait():
                self._nursery.start_soon(self._give_way)
            case todo.Drop(why):
                logger.debug("dropped a message of %s: %s", self._peer, why)
        return True

    async def _watch(self) -> None:
        """Follow the connection: what it finds, what arrives over it, whether it stands."""
        has_address = False
        async for event in self._connection:
            match event:
                case IceCandidateEvent(candidate):
                    has_address = has_address or not candidate.is_end
                    if not has_address and not self._life.has_come_about:
                        self._step(CallEvent.CONNECTION_LOST, "we have no address, and no relay")
                    self._negotiator.found(candidate)
                case DataChannelEvent(channel):
                    self._call._channel_arrived(channel)
                case TrackEvent(track):
                    self._call._track_arrived(track)
                case NegotiationNeededEvent():
                    self._negotiator.negotiation_needed()
                case ConnectionStateEvent(state):
                    self._follow(state)
                case IceConnectionStateEvent(state=ice_state):
                    if ice_state == "completed":
                        self.trace("ice_connected")
                    self._changes.notify()
        self._closed.set()
        if self._life.has_come_about:
            # The hang-up takes another way than the closing, and may well be the slower one.
            with trio.move_on_after(LINGER_SECONDS):
                await self._call.wait_ended()
        self._step(CallEvent.CONNECTION_CLOSED)

    def _follow(self, state: ConnectionState) -> None:
        match state:
            case "connected":
                self._step(CallEvent.CONNECTED)
            case "failed" if not self._life.has_come_about:
                self._step(CallEvent.CONNECTION_LOST, self._connection.failure)
            case "disconnected" | "failed":
                self._step(CallEvent.DISCONNECTED)
        if state in ("connected", "disconnected") and self._life.has_come_about:
            self.trace(state)

    async def _wind_up(self) -> None:
        """Close the connection as soon as the call is over, even if the block goes on."""
        end = await self._call.wait_ended()
        if end.reason == "peer_hung_up":
            with trio.move_on_after(LINGER_SECONDS):
                await self._closed.wait()
        await self._connection.aclose()

    # Between the tasks.

    def authenticated(self, description: SessionDescription) -> SessionDescription:
        """What the other side describes, if it is the one that we know."""
        return self._authentication.described(description)

    def _with_share(
        self, message: SessionDescription | IceCandidate, call: str
    ) -> SessionDescription | IceCandidate:
        if isinstance(message, IceCandidate) or message.type != "offer":
            return message
        return msgspec.structs.replace(message, share=self._authentication.share(call))

    async def send(self, message: SessionDescription | IceCandidate) -> None:
        """Send it to the other peer, as part of this call."""
        call = self._negotiation.call
        message = msgspec.structs.replace(message, call=call)
        if not self._life.has_come_about and call is not None:
            message = self._with_share(message, call)
        try:
            await self._signaling.send(self._peer, encode(message))
        except UnknownPeer:
            if self._life.has_come_about or isinstance(message, SessionDescription):
                raise
            # It was there for the offer.
            self._step(CallEvent.PEER_LEFT)

    async def renegotiate(self) -> bool:
        """Offer what is new; tell whether the other side took part."""
        return await self._until_the_end(self._negotiator.renegotiate)

    async def restart(self) -> bool:
        """Look for another way; tell whether there is one."""
        return await self._until_the_end(self._ice_restarter.restart)

    async def _until_the_end(self, work: Callable[[], Awaitable[bool]]) -> bool:
        done = False
        async with open_background_nursery() as nursery:

            async def cancel_at_the_end() -> None:
                await self._call.wait_ended()
                nursery.cancel_scope.cancel()

            nursery.start_soon(cancel_at_the_end)
            done = await work()
        return done  # noqa: RET504  # It stays false when the call ends first.

    async def hang_up(self, reason: str) -> None:
        """End the call from our side."""
        await self._call._close_channels()
        await self._hang_up(reason, reason)

    async def _hang_up(self, reason: str, detail: str = "") -> None:
        if self._life.owes_hang_up:
            bye = Bye(reason=reason, call=self._negotiation.bye_call)
            await send_hang_up(self._signaling, self._peer, bye, self._options.close_timeout)
        self._step(CallEvent.HUNG_UP, detail)

    def _step(self, event: CallEvent, detail: str = "") -> None:
        """Something has happened to the call. One that is over before it stood raises why."""
        is_over = self._life.step(event, detail)
        self._changes.notify()
        if is_over and not self._life.has_come_about and event is not CallEvent.HUNG_UP:
            assert self._life.end is not None
            raise not_connected(self._peer, self._life.end.reason, detail, calling=self._calling)
        if is_over:
            self._finish()

    def _finish(self) -> None:
        assert self._life.end is not None
        if self._call.end is None:
            self._call._finish(self._life.end)
            self.trace("ended")

    @contextmanager
    def excusing_errors(self) -> Iterator[None]:
        """A connection that stands needs no signaling: what fails there ends no call."""
        try:
            yield
        except TrioRTCError as error:
            if not self._life.has_come_about:
                raise
            self.complain(error)

    def complain(self, error: TrioRTCError) -> None:
        """Log what does not end the call. What comes after its end does not matter."""
        over = self._life.end is not None or self._closed.is_set()
        if not over and error.code != "connection_closed":
            self._warnings.warn("in the call with %s: %s", self._peer, error, code=error.code)

    def trace(self, name: StepName, candidate: str = "") -> None:
        """Tell of a step."""
        self._call._steps.setdefault(name, trio.current_time() - self._started)
        if name in ("connected", "disconnected", "ended"):
            how = f", {self._call.end}" if name == "ended" else ""
            text = f"the call with {self._peer.name} is {name}{how}"
            world().note("state", self._signaling.name, text)
        if self._options.trace is not None:
            self._options.trace(CallStep(self._peer, name, trio.current_time(), candidate))

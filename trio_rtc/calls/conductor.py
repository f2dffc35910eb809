"""The tasks of a call, in one nursery, from the first offer to the last hang-up.

``negotiate`` takes the messages of the other peer, ``wind_up`` ends the connection with the call.
The others are those of a `CallSession`, a `Negotiator` and an `IceRestarter`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import trio

from ..errors import NegotiationError, SignalingLost, TrioRTCError, UnknownPeer
from ..faults import reason_of
from ..rtc import ConnectionState, DataChannel, MediaTrack, PeerConnection
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
from ..tasks import last_words, open_background_nursery
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
from .call_session import CallSession
from .hang_up import LINGER_SECONDS, seconds_to_hear_one, send_hang_up
from .ice_restarter import IceRestarter
from .incoming_offer import take_waiting_offer
from .lifecycle import CallEnd, CallEvent, CallState
from .options import CallOptions, CallStep, StepName, choose_ice_servers, open_tracks

logger = logging.getLogger("trio_rtc.call")

TAKING_SECONDS = 30.0
"""How long a program may take until it first asks for the channels of a protocol of ours."""


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
        calling = not first
        # Of two who call each other at once, the one who signed in later gives way.
        self._negotiation = todo.Negotiation(
            polite=signaling.peer_id > peer.id, call=world().random_hex(16) if calling else None
        )
        self._session = CallSession(
            self,
            f"the call with {peer}",
            peer,
            self._negotiation,
            options,
            logger,
            calling=calling,
        )
        self._life = self._session.life
        self._call = Call(peer, self, options.connect_timeout)
        self._started = trio.current_time()
        self._offer: SessionDescription | None = None
        self._tracks: Sequence[MediaTrack] = ()
        for message in first:
            action = self._negotiation.receive(message)
            if isinstance(action, todo.Answer):
                self._take(action.offer)

    def _take(self, offer: SessionDescription) -> None:
        """The next connection answers this, instead of making an offer."""
        self._offer = offer
        self._session.step(CallEvent.OFFER_TAKEN)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Call]:
        """Set the call up, keep it during the block, end it."""
        deadline = self._started + self._options.connect_timeout
        why = ""
        left_by: Exception | None = None
        try:
            async with open_tracks(self._options, self._call) as self._tracks:
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
            self._session.step(CallEvent.HUNG_UP)
            if self._life.end is not None:
                self.ended(self._life.end)

    @asynccontextmanager
    async def _run_connection(self, deadline: float) -> AsyncIterator[None]:
        """One connection with its tasks, until the call ends or an offer crosses ours."""
        offering = self._offer is None
        answering = {CallState.ANSWERING} if offering else set()
        session = self._session
        async with session.connect(
            choose_ice_servers(self._options, self._signaling),
            # An answer goes by what the offer has bundled.
            self._options.bundle_policy if offering else "balanced",
            deadline,
            lambda: self._life.has_come_about or self._life.state in answering,
        ):
            session.nursery.start_soon(self._wind_up)
            if self._life.has_come_about:
                session.nursery.start_soon(session.negotiator.offer_again)
                session.nursery.start_soon(self._ice_restarter.run)
            yield

    # What a session needs.

    async def prepare(self, connection: PeerConnection) -> None:
        """Add what is to be sent, and ask for what is to be received."""
        options = self._options
        self._call._connection = connection
        self._ice_restarter = IceRestarter(self._session, options.restart_timeout)
        self._authentication = Authentication(
            self._peer,
            parse_fingerprint(connection.fingerprint),
            options.code,
            options.trusted_keys,
            world().random_bytes(SCALAR_SIZE),
        )
        connection.prefer_codecs(options.codecs)
        if self._offer is None:
            connection.offer_to_receive(
                options.receive, data_channels=not options.one_way, exactly=options.one_way
            )
        for track in self._tracks:
            await connection.add_track(track)

    async def negotiate(self) -> None:
        """Begin, and then do what the other peer's messages ask for."""
        with self._session.excusing_errors():
            if self._offer is None:
                offer = take_waiting_offer(self._subscription, self._negotiation)
                if offer is not None:
                    self._take(offer)
                    return
                await self._session.negotiator.offer()
                self._session.step(CallEvent.OFFER_SENT)
            else:
                challenge = self._authentication.begin(self._offer)
                if challenge is None:
                    await self._session.negotiator.perform(todo.Answer(self._offer))
                else:
                    await self._signaling.send(self._peer, encode(challenge))
        try:
            async for event in self._subscription:
                with self._session.excusing_errors():
                    if not await self._receive(event):
                        break
        except SignalingLost:
            with self._session.excusing_errors():
                raise
            self._session.step(CallEvent.SERVER_LOST)

    async def _give_way(self, crossing: int) -> None:
        """Answer an offer that crosses ours, if the other side does not answer that."""
        await trio.sleep(todo.GRACE_SECONDS)
        if (action := self._negotiation.give_way(crossing)) is not None:
            with self._session.excusing_errors():
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
            self._session.complain(error)
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
            await self._session.negotiator.perform(todo.Answer(self._offer))

    async def _handle_leaving(self) -> None:
        heard = False
        try:
            if self._life.has_come_about:
                # It may have lost its server only, as we may lose ours.
                heard = await self._session.connection.check_consent()
        finally:
            self._session.step(CallEvent.PEER_LEFT)
        if heard and self._session.connection.connection_state == "connected":
            logger.info("%s has left the server; the call goes on", self._peer)
        else:
            self._session.step(CallEvent.CONNECTION_LOST)

    async def _act(self, action: todo.Action) -> bool:
        """Do it; tell whether there may be more for this connection."""
        match action:
            case todo.Yield(offer):
                self._take(offer)
                return False
            case todo.End(detail):
                self._session.step(CallEvent.PEER_HUNG_UP, detail)
                return False
            case todo.Supersede():
                self._session.step(CallEvent.SUPERSEDED)
                return False
            case todo.Wait(crossing):
                self._session.nursery.start_soon(self._give_way, crossing)
            case _:
                await self._session.perform(action)
        return True

    def follow(self, state: ConnectionState) -> None:
        """The connection stands, is not heard any more, or has failed."""
        match state:
            case "connected":
                self._session.step(CallEvent.CONNECTED)
            case "disconnected" | "failed":
                self._session.step(CallEvent.DISCONNECTED)
        if state in ("connected", "disconnected") and self._life.has_come_about:
            self.trace(state)

    def channel_arrived(self, channel: DataChannel) -> None:
        """The other side has opened a data channel."""
        if self._call._channel_arrived(channel):
            self._session.nursery.start_soon(self._refuse_untaken, channel)

    async def _refuse_untaken(self, channel: DataChannel) -> None:
        await trio.sleep(TAKING_SECONDS)
        self._call._refuse_untaken(channel)

    def track_arrived(self, track: MediaTrack) -> None:
        """The other side sends a track."""
        self._call._track_arrived(track)

    async def connection_closed(self) -> None:
        """The other side has closed the connection, or we have."""
        if self._life.has_come_about:
            # The hang-up takes another way than the closing, and may well be the slower one.
            with trio.move_on_after(seconds_to_hear_one(self._negotiation)):
                await self._session.changes.wait_until(lambda: not self._life.may_hear_a_hang_up)
        self._session.step(CallEvent.CONNECTION_CLOSED)

    def ended(self, end: CallEnd) -> None:
        """The call is over."""
        if self._call.end is None:
            self._call._finish(end)
            self.trace("ended")

    async def _wind_up(self) -> None:
        """Close the connection as soon as the call is over, even if the block goes on."""
        end = await self._call.wait_ended()
        if end.reason == "peer_hung_up":
            with trio.move_on_after(LINGER_SECONDS):
                await self._session.closed.wait()
        await self._session.connection.aclose()

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
            self._session.step(CallEvent.PEER_LEFT)

    async def renegotiate(self) -> bool:
        """Offer what is new; tell whether the other side took part."""
        return await self._until_the_end(self._session.negotiator.renegotiate)

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
        self._session.step(CallEvent.HUNG_UP, detail)

    def trace(self, name: StepName, candidate: str = "") -> None:
        """Tell of a step."""
        self._call._steps.setdefault(name, trio.current_time() - self._started)
        if name in ("connected", "disconnected", "ended"):
            how = f", {self._call.end}" if name == "ended" else ""
            text = f"the call with {self._peer.name} is {name}{how}"
            world().note("state", self._signaling.name, text)
        if self._options.trace is not None:
            self._options.trace(CallStep(self._peer, name, trio.current_time(), candidate))

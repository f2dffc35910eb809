"""A call session: the life of a call, and the peer connection that it has, with its tasks.

It is under the calls of `Conductor` and under the connections of PeerJS, which say how messages
travel and what is done with what arrives.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

import trio

from ..errors import CallError, TrioRTCError
from ..faults import RareWarnings, not_connected
from ..rtc import (
    BundlePolicy,
    ConnectionState,
    ConnectionStateEvent,
    DataChannel,
    DataChannelEvent,
    IceCandidateEvent,
    IceConnectionStateEvent,
    IceServer,
    MediaTrack,
    NegotiationNeededEvent,
    NetworkChangedEvent,
    PeerConnection,
    TrackEvent,
    open_peer_connection,
)
from ..rtc.ice_server import as_ice_servers
from ..rtc.ice_url import parse_ice_url
from ..tasks import Changes, open_background_nursery
from ..wire.attempts import candidate_lines, describe_attempt
from ..wire.messages import IceCandidate, SessionDescription
from . import negotiation as todo
from .lifecycle import CallEnd, CallEvent, Lifecycle
from .negotiator import Negotiator
from .options import ConnectionOptions, StepName


class SessionOwner(Protocol):
    """What a session needs of the call that it is under."""

    async def prepare(self, connection: PeerConnection) -> None:
        """Add what the first description tells of."""

    async def negotiate(self) -> None:
        """The task that begins, and then does what the other side's messages ask for."""

    async def send(self, message: SessionDescription | IceCandidate) -> None:
        """Send it to the other side, as part of this call."""

    def authenticated(self, description: SessionDescription) -> SessionDescription:
        """A description of the one that we know."""

    def trace(self, name: StepName, candidate: str = "") -> None:
        """Tell of a step."""

    def follow(self, state: ConnectionState) -> None:
        """The connection is in another state."""

    def channel_arrived(self, channel: DataChannel) -> None:
        """The other side has opened a data channel."""

    def track_arrived(self, track: MediaTrack) -> None:
        """The other side sends a track."""

    async def connection_closed(self) -> None:
        """The connection is closed, by whichever side."""

    def ended(self, end: CallEnd) -> None:
        """The call is over, and has not failed with an error."""


class CallSession:
    """Steps a call through its life, and runs its connection.

    Args:
        name: what messages call it, such as ``the call with bob``.
        peer: the other side.
        calling: whether it is we who call.

    Attributes:
        life: where the call stands.
        changes: tells when that, or the state of ICE, is another one.
        connection: the present connection.
        negotiator: makes its offers and answers.
        nursery: has its tasks.
        closed: whether it is closed.
        network_changes: how often this machine got an address by which a restart of ICE may help.
    """

    connection: PeerConnection
    negotiator: Negotiator
    nursery: trio.Nursery

    def __init__(
        self,
        owner: SessionOwner,
        name: str,
        peer: object,
        negotiation: todo.Negotiation,
        options: ConnectionOptions,
        logger: logging.Logger,
        *,
        calling: bool,
    ):
        self.life = Lifecycle()
        self.changes = Changes()
        self.closed = trio.Event()
        self.network_changes = 0
        self._local_candidates: list[str] = []
        self._has_turn = False
        self._owner = owner
        self._name = name
        self._peer = peer
        self._negotiation = negotiation
        self._options = options
        self._logger = logger
        self._warnings = RareWarnings(logger)
        self._calling = calling

    def step(self, event: CallEvent, detail: str = "") -> None:
        """Something has happened to the call. If it fails by that, this raises why."""
        is_over = self.life.step(event, detail)
        self.changes.notify()
        if is_over and self.life.end is not None:
            if not self.life.has_come_about and event is not CallEvent.HUNG_UP:
                raise not_connected(self._peer, self.life.end.reason, detail, calling=self._calling)
            self._owner.ended(self.life.end)

    @asynccontextmanager
    async def connect(
        self,
        servers: Sequence[str | IceServer],
        bundle_policy: BundlePolicy,
        deadline: float,
        until: Callable[[], bool],
    ) -> AsyncIterator[None]:
        """A connection with its tasks; the block begins when ``until`` holds.

        Args:
            servers: STUN and TURN servers.
            bundle_policy: as for `open_peer_connection`.
            deadline: when it has to be ready, in seconds of Trio's clock.
            until: tells whether it is; asked whenever something changes.

        Raises:
            CallError: ``connect_timeout``, and why the call has failed.
        """
        options = self._options
        self.closed = trio.Event()
        self._local_candidates = []
        urls = [url for server in as_ice_servers(servers) for url in server.url_list]
        self._has_turn = any(parse_ice_url(url).is_turn for url in urls)
        async with (
            open_peer_connection(
                ice_servers=servers,
                ice_transport_policy=options.ice_transport_policy,
                bundle_policy=bundle_policy,
                silence_timeout=options.silence_timeout,
                close_timeout=options.close_timeout,
                max_frame_pixels=options.max_frame_pixels,
                max_unread_bytes=options.max_unread_bytes,
                simulcast=options.simulcast,
                certificate=options.certificate,
                ice_gathering=options.ice_gathering,
            ) as self.connection,
            open_background_nursery() as self.nursery,
        ):
            self.negotiator = Negotiator(
                self.connection, self._negotiation, self, options.connect_timeout
            )
            with trio.move_on_at(deadline):
                await self._owner.prepare(self.connection)
                self.nursery.start_soon(self._watch)
                self.nursery.start_soon(self.negotiator.trickle_local)
                self.nursery.start_soon(self.negotiator.trickle_remote)
                self.nursery.start_soon(self._owner.negotiate)
                await self.changes.wait_until(until)
            if not until():
                raise CallError(
                    f"no connection to {self._peer} within {options.connect_timeout:g} s"
                    f": {self._attempt()}",
                    code="connect_timeout",
                    fault="network",
                )
            yield

    async def _watch(self) -> None:
        """Follow the connection: what it finds, what arrives over it, whether it stands."""
        has_address = False
        async for event in self.connection:
            match event:
                case IceCandidateEvent(candidate):
                    has_address = has_address or not candidate.is_end
                    if not has_address and not self.life.has_come_about:
                        self.step(CallEvent.CONNECTION_LOST, "we have no address, and no relay")
                    if not self.life.has_come_about:
                        self._local_candidates.append(candidate.candidate)
                    self.negotiator.found(candidate)
                case DataChannelEvent(channel):
                    self._owner.channel_arrived(channel)
                case TrackEvent(track):
                    self._owner.track_arrived(track)
                case NetworkChangedEvent():
                    self.network_changes += 1
                    self.changes.notify()
                case NegotiationNeededEvent():
                    self.negotiator.negotiation_needed()
                case ConnectionStateEvent("failed") if not self.life.has_come_about:
                    self.step(
                        CallEvent.CONNECTION_LOST, f"{self.connection.failure}: {self._attempt()}"
                    )
                case ConnectionStateEvent(state):
                    self._owner.follow(state)
                case IceConnectionStateEvent(state=ice_state):
                    if ice_state == "completed":
                        self.trace("ice_connected")
                    self.changes.notify()
        self.closed.set()
        await self._owner.connection_closed()

    def _attempt(self) -> str:
        """What has been tried by now, in words."""
        remote = self.connection.remote_description
        trickled = self.negotiator.remote_candidates
        theirs = None if remote is None else [*candidate_lines(remote.sdp), *trickled]
        return describe_attempt(self._local_candidates, theirs, turn=self._has_turn)

    async def perform(self, action: todo.Action) -> None:
        """Do what a message asks for, as far as the connection can."""
        match action:
            case todo.Answer() | todo.Accept() | todo.TakeBack():
                await self.negotiator.perform(action)
            case todo.AddCandidate(candidate):
                self.negotiator.receive(candidate)
            case todo.Drop(why):
                self._logger.debug("dropped a message in %s: %s", self._name, why)

    # What a `Negotiator` needs.

    async def send(self, message: SessionDescription | IceCandidate) -> None:
        """Send it to the other side, as part of this call."""
        await self._owner.send(message)

    def authenticated(self, description: SessionDescription) -> SessionDescription:
        """A description of the one that we know."""
        return self._owner.authenticated(description)

    def trace(self, name: StepName, candidate: str = "") -> None:
        """Tell of a step."""
        self._owner.trace(name, candidate)

    @contextmanager
    def excusing_errors(self) -> Iterator[None]:
        """A connection that stands needs no signaling: what fails there ends no call."""
        try:
            yield
        except TrioRTCError as error:
            if not self.life.has_come_about:
                raise
            self.complain(error)

    def complain(self, error: TrioRTCError) -> None:
        """Log what does not end the call. What comes after its end does not matter."""
        over = self.life.end is not None or self.closed.is_set()
        # Who asks for what their protocol has no words for is told by what comes back.
        if not over and error.code not in ("connection_closed", "not_supported"):
            self._warnings.warn("in %s: %s", self._name, error, code=error.code)

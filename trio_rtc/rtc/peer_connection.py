"""A WebRTC connection with a Trio face, for calls and for those with a signaling of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar, TypeVarTuple

import trio

from ..wire.messages import IceCandidate, SessionDescription
from .backend.aiortc_connection import LoopConnection, connection_closed
from .backend.jsep.codecs import check_names
from .backend.media.outgoing_media import OutgoingTrack
from .backend.sctp.channel import ChannelParameters, LoopChannel
from .bridge.bridge import Bridge
from .channels.budget import ChannelBudget
from .channels.data_channel import DataChannel
from .configuration import ConnectionConfiguration
from .connection_events import ConnectionState, IceConnectionState, PeerConnectionEvent
from .connection_view import ConnectionView, SignalingState
from .media.sender import TrackSender
from .media.track import Kind, MediaTrack, track_of
from .network_watch import watch_network
from .statistics import ConnectionStats

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class PeerConnection(trio.abc.AsyncResource):
    """A connection to another peer (W3C RTCPeerConnection), from `open_peer_connection`.

    As an async iterator, for one task, it gives `IceCandidateEvent`, `ConnectionStateEvent`,
    `IceConnectionStateEvent`, `DataChannelEvent`, `TrackEvent`, `NegotiationNeededEvent` and
    `NetworkChangedEvent` in the order in which they happened, up to the end of the connection.

    A `set_local_description` that is cancelled leaves a connection that can only be closed.
    """

    def __init__(self, bridge: Bridge, close_timeout: float, budget: ChannelBudget):
        self._bridge = bridge
        self._close_timeout = close_timeout
        self._budget = budget
        self._loop_connection: LoopConnection
        self._view = ConnectionView(self._channel, partial(track_of, bridge), self._sender_ended)
        self._channels: list[DataChannel] = []
        self.senders: tuple[TrackSender, ...] = ()

    async def _open(self, configuration: ConnectionConfiguration, nursery: trio.Nursery) -> None:
        async def create() -> LoopConnection:
            return LoopConnection(self._view, self._bridge.post, configuration)

        # It holds nothing until it has a description: there is nothing to undo.
        self._loop_connection = loop = await self._bridge.run(create)
        nursery.start_soon(watch_network, configuration.ice_gathering, self._run, loop, self._view)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of our certificate, as our descriptions have it."""
        return self._loop_connection.fingerprint

    @property
    def connection_state(self) -> ConnectionState:
        """``new``, ``connecting``, ``connected``, ``disconnected``, ``failed`` or ``closed``.

        A connection that is disconnected is heard again, or has to be restored with
        `restart_ice`; so has one that failed after it was connected.
        """
        return self._view.connection_state

    @property
    def ice_connection_state(self) -> IceConnectionState:
        """The state of ICE alone: ``new``, ``checking``, ``completed``, ``failed``, ``closed``."""
        return self._view.ice_connection_state

    @property
    def failure(self) -> str:
        """What a connection that has failed before it was connected has failed at, in words."""
        if self._view.ice_connection_state == "failed":
            return "no pair of candidates works"
        return "the DTLS handshake failed"

    @property
    def signaling_state(self) -> SignalingState:
        """Where the offer/answer exchange stands."""
        return self._view.signaling_state

    @property
    def local_description(self) -> SessionDescription | None:
        """Our description, with the candidates gathered so far."""
        return self._view.local

    @property
    def remote_description(self) -> SessionDescription | None:
        """The other side's description, as it was applied."""
        return self._view.remote

    @property
    def negotiation_needed(self) -> bool:
        """Whether something waits that only an offer of ours brings to the other side.

        It is up to date when a description has been applied.
        """
        return self._view.negotiation_needed

    async def create_offer(self) -> SessionDescription:
        """An offer of what the connection has.

        Raises:
            NegotiationError: ``nothing_to_offer``: no data channel and no track.
            CallError: ``connection_closed``, as every method here.
        """
        return await self._run(self._loop_connection.exchange.create_offer)

    async def create_answer(self) -> SessionDescription:
        """An answer to the offer that was applied.

        Raises:
            NegotiationError: ``wrong_state``: there is none.
        """
        return await self._run(self._loop_connection.exchange.create_answer)

    async def set_local_description(
        self, description: SessionDescription | None = None
    ) -> SessionDescription:
        """Apply a description of ours, and gather candidates.

        Args:
            description: of `create_offer` or `create_answer`; by default the one that is due.

        Returns:
            What is to be sent to the other side: the description without candidates, which
            follow as `IceCandidateEvent`, none of them before this returns. That of a restart has
            those that are known at once as well. `local_description` has them, and all of them
            after `gathered`.

        Raises:
            NegotiationError: ``wrong_state``, ``nothing_to_offer``.
        """
        with self._view.holding_candidates():
            exchange = self._loop_connection.exchange
            return await self._run(exchange.set_local_description, description)

    async def gathered(self) -> SessionDescription:
        """Wait until all candidates have been found; for signaling that sends none on their own.

        That takes as long as the slowest server of ``ice_servers``, and up to 5 s for one that
        does not answer.

        Returns:
            `local_description`, which has all of them.

        Raises:
            CallError: ``connection_closed``.
        """
        await self._view.until_gathered()
        if self._view.closed.is_set() or self._view.local is None:
            raise connection_closed()
        return self._view.local

    async def roll_back(self) -> None:
        """Take back our offer, so that one of the other side can be answered.

        What it was to bring is in the next one.

        Raises:
            NegotiationError: ``wrong_state``: there is no offer of ours without an answer.
        """
        await self._run(self._loop_connection.exchange.roll_back)

    def restart_ice(self) -> None:
        """Have the next offer look for a new way between the two sides (W3C restartIce).

        Channels and tracks go on over the old one until the new one stands, and then over that.
        """
        self._bridge.call_soon(self._loop_connection.exchange.restart_ice)

    async def set_remote_description(self, description: SessionDescription) -> None:
        """Apply a description of the other side.

        Raises:
            NegotiationError: ``bad_description``: it cannot be used; ``wrong_state``: not now;
                ``no_common_codec``.
        """
        await self._run(self._loop_connection.exchange.set_remote_description, description)

    async def add_ice_candidate(self, candidate: IceCandidate) -> None:
        """Apply a candidate of the other side, or the end of them.

        May take a second for one that hides its address behind a ``.local`` name. One of an ICE
        generation before that of the description is dropped.

        Raises:
            NegotiationError: ``bad_candidate``; ``wrong_state``: before the description.
        """
        await self._run(self._loop_connection.exchange.add_ice_candidate, candidate)

    async def create_data_channel(
        self,
        label: str,
        *,
        ordered: bool = True,
        max_packet_life_time: int | None = None,
        max_retransmits: int | None = None,
        protocol: str = "",
        negotiated: bool = False,
        id: int | None = None,  # noqa: A002
    ) -> DataChannel:
        """Create a data channel. It opens later: see `DataChannel.wait_open`.

        Args:
            label: a name for it, which need not be unique.
            ordered: whether messages arrive in the order in which they were sent.
            max_packet_life_time: milliseconds after which a message is given up, or
            max_retransmits: the times that it is sent again. Without either none is lost.
            protocol: the name of what is spoken in it, as the application likes.
            negotiated: whether the other side creates the same channel, with the same id.
            id: its SCTP stream, 0 to 65534.

        Raises:
            ValueError: arguments that do not go together or are out of range (the texts have at
                most 65535 bytes), or an id that is in use.
            TypeError: arguments of other types.
        """
        parameters = ChannelParameters(
            label=label,
            ordered=ordered,
            max_packet_life_time=max_packet_life_time,
            max_retransmits=max_retransmits,
            protocol=protocol,
            negotiated=negotiated,
            id=id,
        )
        parameters.check()
        loop_channel = LoopChannel(self._bridge.post)
        channel = self._channel(loop_channel, parameters)
        await self._run(self._loop_connection.create_channel, loop_channel, parameters)
        return channel

    def offer_to_receive(
        self,
        kinds: Iterable[Kind] = ("audio", "video"),
        *,
        data_channels: bool = True,
        exactly: bool = False,
    ) -> None:
        """Make room in the first offer for what the other side may have, though we have none.

        Args:
            kinds: media that the other side may send.
            data_channels: whether there may be data channels.
            exactly: whether media of other kinds may not be sent back where we send some.
        """
        self._bridge.call_soon(
            self._loop_connection.sections.offer_to_receive, tuple(kinds), data_channels, exactly
        )

    def prefer_codecs(self, names: Iterable[str]) -> None:
        """Use only these codecs, the first one rather than the second, and so on.

        A kind of media of which none is among them may use all there are. From the next offer
        or answer on.

        Args:
            names: ``"opus"``, ``"VP8"``, ``"H264"``, … as in RTP, in any case.

        Raises:
            MediaError: ``unknown_codec``: there is no such codec here.
        """
        chosen = tuple(names)
        check_names(chosen)
        self._bridge.call_soon(self._loop_connection.sections.prefer_codecs, chosen)

    async def add_track(self, track: MediaTrack) -> TrackSender:
        """Send a track to the other side, from the next offer on.

        The next answer has it already, if the offer has a section of its kind that is free.
        """
        outgoing = OutgoingTrack(track._source)
        sender = TrackSender(self._bridge, outgoing, track)
        await self._run(self._loop_connection.sections.add_track, outgoing)
        self.senders = (*self.senders, sender)
        return sender

    async def get_stats(self) -> ConnectionStats:
        """What can be known of the connection now. Takes a round trip to the other side."""
        transport = await self._run(self._loop_connection.get_stats)
        return ConnectionStats(
            state=self._view.connection_state,
            local_candidate=transport.local_candidate,
            remote_candidate=transport.remote_candidate,
            round_trip_time=transport.round_trip_time,
            packets_sent=transport.packets_sent,
            bytes_sent=transport.bytes_sent,
            packets_received=transport.packets_received,
            bytes_received=transport.bytes_received,
            mtu=transport.mtu,
            channels=[channel.statistics() for channel in self._channels if not channel.closed],
            tracks=transport.tracks,
        )

    async def check_consent(self) -> bool:
        """Ask the other side for a sign of life, and wait for it for up to 1.5 s."""
        return await self._run(self._loop_connection.exchange.paths.check_consent)

    def __aiter__(self) -> PeerConnection:
        return self

    async def __anext__(self) -> PeerConnectionEvent:
        return await self._view.events.__anext__()

    async def aclose(self) -> None:
        """Close the connection and all that belongs to it. Does nothing the second time."""
        if self._view.closed.is_set():
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        await self._bridge.run_to_the_end(self._loop_connection.close, self._close_timeout)

    async def _run(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        if self._view.closed.is_set():
            raise connection_closed()
        return await self._bridge.run(self._loop_connection.while_open, async_fn, *args)

    def _sender_ended(self, outgoing: OutgoingTrack) -> None:
        self.senders = tuple(sender for sender in self.senders if not sender.is_of(outgoing))

    def _channel(self, loop_channel: LoopChannel, parameters: ChannelParameters) -> DataChannel:
        channel = DataChannel(
            self._bridge,
            loop_channel,
            parameters,
            limits=lambda: self._view.channel_limits,
            budget=self._budget,
            close_timeout=self._close_timeout,
        )
        self._channels = [*(c for c in self._channels if not c.closed), channel]
        return channel

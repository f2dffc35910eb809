"""A connection of aiortc, on the loop's side: one `RTCPeerConnection` and its callbacks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar, TypeVarTuple

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCIceServer,
    RTCPeerConnection,
)
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from ...errors import CallError
from ...wire.messages import IceCandidate, SessionDescription
from ..bridge.ownership import Owner
from ..channels.extension import ChannelLimits
from ..configuration import ConnectionConfiguration
from ..ice_server import IceServer
from .dtls import transport as dtls
from .dtls.certificate import fingerprint, take_rsa, use_certificate
from .ice import host_addresses
from .ice.checks import round_trip
from .ice.consent import ConsentFreshness
from .jsep import transport_cc
from .jsep.candidates import LocalCandidates
from .jsep.exchange import OfferAnswer
from .jsep.sections import Sections, has_media
from .jsep.simulcast import Simulcast
from .media.congestion.media_path import MediaPath
from .media.outgoing_media import OutgoingTrack
from .media.receiving import receiver as media_receiver
from .media.receiving.pictures.picture_limit import PictureLimit
from .media.receiving.remote_packets import RemotePackets
from .media.receiving.timeline import PeerTimeline
from .media.simulcast.simulcast_packets import SimulcastPackets
from .media.tracks import Source
from .patches import can
from .reports import ConnectionStatistics, TransportStats
from .sctp import association as sctp
from .sctp.channel import ChannelParameters, LoopChannel
from .sctp.streams import guard

logger = logging.getLogger("trio_rtc.rtc")

MAX_CHANNELS: Final = 1024
"""Data channels that may be open when the other side opens another: all that libwebrtc has."""

MAX_NAME_BYTES: Final = 4096
"""Of the label and the protocol of a channel that the other side opens."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ConnectionSink(Protocol):
    """The Trio side, which hears of what happens."""

    def _on_candidate(self, candidate: IceCandidate) -> None: ...
    def _on_limits(self, limits: ChannelLimits) -> None: ...
    def _on_descriptions(
        self,
        local: SessionDescription | None,
        remote: SessionDescription | None,
        negotiation_needed: bool,
        gathered: bool,
    ) -> None: ...
    def _on_states(self, connection: str, ice: str, signaling: str) -> None: ...
    def _on_channel(self, channel: LoopChannel, parameters: ChannelParameters) -> None: ...
    def _on_track(self, source: Source) -> None: ...
    def _on_sender_ended(self, outgoing: OutgoingTrack) -> None: ...
    def _on_failure(self) -> None: ...
    def _on_closed(self) -> None: ...


class LoopConnection:
    """What runs on the loop for one `PeerConnection`."""

    def __init__(
        self,
        sink: ConnectionSink,
        post: Callable[..., None],
        wanted: ConnectionConfiguration,
    ):
        self._sink = sink
        self._post = post
        relay_only = wanted.ice_transport_policy == "relay"
        configuration = RTCConfiguration(
            iceServers=[] if can("trickle") else _for_aiortc(wanted.ice_servers),
            iceTransportPolicy=RTCIceTransportPolicy(wanted.ice_transport_policy),
            bundlePolicy=RTCBundlePolicy(wanted.bundle_policy),
        )
        self._owner = Owner(self._on_task_error)
        self._pc = RTCPeerConnection(configuration)
        if wanted.certificate is not None:
            use_certificate(self._pc, wanted.certificate)
        take_rsa(self._pc)
        self.fingerprint = fingerprint(self._pc)
        dtls.install(
            self._pc,
            partial(has_media, self._pc),
            round_trip,
            wanted.verify_certificate,
            MediaPath if transport_cc.is_possible() else _no_path,
        )
        host_addresses.install(self._pc, wanted.ice_gathering, wanted.ice_credentials)
        self._simulcast = Simulcast(is_wanted=wanted.simulcast)
        sctp.install(self._pc, on_left=self._notify_states)
        self.sections = Sections(
            self._pc,
            self._owner,
            self._simulcast,
            max_bundle=wanted.bundle_policy == "max-bundle",
            on_need=self._notify_descriptions,
            on_ended=lambda track: post(sink._on_sender_ended, track),
        )
        self._channels: list[LoopChannel] = []
        self._sources: list[Source] = []
        self._candidates = LocalCandidates(
            self._pc,
            wanted.ice_servers,
            relay_only=relay_only,
            on_candidate=self._notify_candidate,
            on_late=self._notify_descriptions,
        )
        self.exchange = OfferAnswer(
            self._pc,
            configuration,
            self._owner,
            self.sections,
            self._candidates,
            self._simulcast,
            relay_only=relay_only,
            on_limits=self._notify_limits,
            on_descriptions=self._notify_descriptions,
            on_states=self._notify_states,
        )
        self._timeline = PeerTimeline()
        self._picture_limit = PictureLimit(wanted.max_frame_pixels)
        self._statistics = ConnectionStatistics(self._pc, self._picture_limit)
        self._consent = ConsentFreshness(
            self.exchange.paths.all, wanted.silence_timeout, self._notify_states
        )
        self._listening = False
        self._refusing_channels = self._has_failed = False
        self._closing: asyncio.Task[None] | None = None
        for event in (
            "connectionstatechange",
            "iceconnectionstatechange",
            "signalingstatechange",
        ):
            self._pc.on(event, self._notify_states)
        self._pc.on("datachannel", self._take_channel)
        self._pc.on("track", self._take_track)

    # aiortc's callbacks: synchronous, so that nothing which follows them is missed.

    def _notify_states(self) -> None:
        pc = self._pc
        if pc.sctp is not None:
            guard(pc.sctp)
        state = pc.connectionState
        if state == "connected" and not self._listening:
            self._listening = True
            self._owner.start(self._consent.run())
        if state == "connected" and not self._consent.is_fresh:
            state = "disconnected"
        if self._is_left():
            state = "closed"
        ice_state = "checking" if self.exchange.paths.is_restarting else pc.iceConnectionState
        self._post(self._sink._on_states, state, ice_state, pc.signalingState)
        if state == "closed" and self._closing is None:
            # The other side has closed it.
            self._closing = asyncio.get_running_loop().create_task(self._close())

    def _is_left(self) -> bool:
        """Whether the other side has ended the association, and no media come either.

        It may leave without a word of DTLS, as libdatachannel and werift do.
        """
        return sctp.is_left(self._pc) and not (has_media(self._pc) and self._consent.is_fresh)

    def _notify_candidate(self, candidate: IceCandidate) -> None:
        self._post(self._sink._on_candidate, candidate)

    def _notify_limits(self, limits: ChannelLimits) -> None:
        self._post(self._sink._on_limits, limits)

    def _notify_descriptions(self) -> None:
        """Tell the local one, with all candidates found so far, and the remote one."""
        self._post(
            self._sink._on_descriptions,
            self.exchange.local_description(),
            self.exchange.remote_description(),
            self.exchange.needs_offer,
            self._candidates.is_complete,
        )

    def _take_channel(self, channel: RTCDataChannel) -> None:
        self._channels = [known for known in self._channels if not known.ended]
        names = len(channel.label.encode()) + len(channel.protocol.encode())
        if len(self._channels) >= MAX_CHANNELS or names > MAX_NAME_BYTES:
            if not self._refusing_channels:
                self._refusing_channels = True
                logger.warning(
                    "a channel of the other side is closed: there are %d, and it has a name of "
                    "%d bytes",
                    len(self._channels),
                    names,
                )
            with self._owner.owning():
                channel.close()
            return
        self._refusing_channels = False
        parameters = ChannelParameters(
            label=channel.label,
            ordered=channel.ordered,
            max_packet_life_time=channel.maxPacketLifeTime,
            max_retransmits=channel.maxRetransmits,
            protocol=channel.protocol,
            negotiated=channel.negotiated,
            id=channel.id,
        )
        loop_channel = LoopChannel(self._post)
        self._post(self._sink._on_channel, loop_channel, parameters)
        self._keep(loop_channel)
        loop_channel.attach(channel, self._owner)

    def _take_track(self, track: MediaStreamTrack) -> None:
        source = Source(track, keeps_beginning=True)
        for receiver in self._pc.getReceivers():
            if receiver.track is track and can("receiving"):
                gate = self._picture_limit.gate(receiver)
                source.timeline = self._timeline
                source.packets = packets = self._packets_of(track, source)
                media_receiver.install(receiver, self._timeline, gate, self._is_other_ours, packets)
            elif receiver.track is track and track.kind == "video":
                self._picture_limit.watch(receiver)
        self._statistics.count_bytes()
        source.start()
        self._sources = [*(old for old in self._sources if not old.is_over), source]
        self._post(self._sink._on_track, source)

    def _packets_of(self, track: MediaStreamTrack, frames: Source) -> RemotePackets:
        for section in self._pc.getTransceivers():
            rids = self._simulcast.rids(section.mid)
            if section.receiver.track is track and rids:
                return SimulcastPackets(track, frames, rids)
        return RemotePackets(track, frames)

    def _is_other_ours(self) -> bool:
        return self.exchange.is_other_ours

    def _on_task_error(self, error: BaseException) -> None:
        setting_up = self._closing is None and self._pc.connectionState in ("new", "connecting")
        if setting_up and not isinstance(error, ConnectionError) and not self._has_failed:
            # aiortc would stay "connecting" for ever.
            self._has_failed = True
            logger.warning("a connection cannot be set up: %r", error)
            self._post(self._sink._on_failure)
        else:
            logger.debug("a task of a connection failed: %r", error)

    # What the Trio side asks for.

    async def while_open(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Do what makes no sense with a connection that is closed, before or meanwhile.

        Raises:
            CallError: ``connection_closed``.
        """
        if self._closing is not None:
            raise connection_closed()
        try:
            return await async_fn(*args)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closing is None or (task is not None and task.cancelling()):
                raise
            raise connection_closed() from error
        except Exception as error:
            # aiortc may have closed it already, and not told of that yet.
            if self._closing is None and self._pc.signalingState != "closed":
                raise
            raise connection_closed() from error

    async def create_channel(self, channel: LoopChannel, parameters: ChannelParameters) -> None:
        with self._owner.owning():
            channel.create(self._pc, parameters, self._owner)
        self._keep(channel)
        if self.exchange.needs_offer:
            self._notify_descriptions()

    def _keep(self, channel: LoopChannel) -> None:
        self._channels = [*(old for old in self._channels if not old.ended), channel]

    async def routes(self) -> list[tuple[str, str]]:
        """The ways in use: an address of ours, and that of the next who takes the packets."""
        found = [path.route() for path in self.exchange.paths.all()]
        return [route for route in found if route is not None]

    async def gathered_addresses(self) -> frozenset[str]:
        """The addresses of this machine when host candidates were gathered."""
        return frozenset(
            address for path in self.exchange.paths.all() for address in path.gathered_addresses()
        )

    async def lose(self) -> None:
        """The address that packets of the other side come to is gone."""
        self._consent.lose()

    async def get_stats(self) -> TransportStats:
        return await self._statistics.collect(self.exchange.paths.all())

    async def close(self, timeout: float) -> None:
        """Close it, once: a cancelled close of aiortc's would make every later one hang."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        done, _ = await asyncio.wait([self._closing], timeout=timeout)
        if not done:
            logger.warning("a connection did not close within %g s", timeout)
            self._closing.cancel()
            await self._owner.cancel_tasks()
            await asyncio.wait([self._closing])
        elif not self._closing.cancelled():
            self._closing.result()

    async def _close(self) -> None:
        try:
            self.sections.stop()
            await self.exchange.close()
            await self._pc.close()
        finally:
            await self._owner.cancel_tasks()
            for source in self._sources:
                await source.stop()
            for channel in self._channels:
                # Those that were never open hear of nothing else.
                channel.end(in_order=False)
            self._post(self._sink._on_closed)


def _for_aiortc(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    # Never None, which would stand for a public server of aiortc's choice.
    return [
        RTCIceServer(
            urls=[url for url in server.url_list if "[" not in url],  # It cannot read these.
            username=server.username,
            credential=server.credential,
        )
        for server in servers
    ]


def _no_path(transport: RTCDtlsTransport) -> None:
    return None


def connection_closed() -> CallError:
    return CallError("the connection is closed", code="connection_closed", fault="local")

"""A connection of aiortc, on the loop's side: one `RTCPeerConnection` and its callbacks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar, TypeVarTuple, cast

from aiortc import (
    InvalidStateError,
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from ...errors import CallError, NegotiationError
from ...messages import DescriptionType, IceCandidate, SessionDescription
from ..ice_server import IceServer
from . import descriptions
from .candidates import LocalCandidates, can_trickle, transports
from .channel import ChannelParameters, LoopChannel
from .media import Source
from .ownership import Owner
from .sections import Sections
from .trickle import check_now

logger = logging.getLogger("trio_rtc.rtc")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ConnectionSink(Protocol):
    """The Trio side, which hears of what happens."""

    def _on_candidate(self, candidate: IceCandidate) -> None: ...
    def _on_descriptions(
        self, local: SessionDescription | None, remote: SessionDescription | None
    ) -> None: ...
    def _on_states(self, connection: str, ice: str, signaling: str) -> None: ...
    def _on_channel(self, channel: LoopChannel, parameters: ChannelParameters) -> None: ...
    def _on_track(self, source: Source) -> None: ...
    def _on_failure(self) -> None: ...
    def _on_closed(self) -> None: ...


class LoopConnection:
    """What runs on the loop for one `PeerConnection`."""

    def __init__(
        self,
        sink: ConnectionSink,
        post: Callable[..., None],
        ice_servers: Sequence[IceServer],
        ice_transport_policy: str,
        bundle_policy: str,
    ):
        self._sink = sink
        self._post = post
        self._relay_only = ice_transport_policy == "relay"
        configuration = RTCConfiguration(
            iceServers=[] if can_trickle() else _for_aiortc(ice_servers),
            iceTransportPolicy=RTCIceTransportPolicy(ice_transport_policy),
            bundlePolicy=RTCBundlePolicy(bundle_policy),
        )
        self._owner = Owner(self._on_task_error)
        self._pc = RTCPeerConnection(configuration)
        self._gathering: set[asyncio.Task[None]] = set()
        self.sections = Sections(self._pc, max_bundle=bundle_policy == "max-bundle")
        self._channels: list[LoopChannel] = []
        self._sources: list[Source] = []
        self._candidates = LocalCandidates(
            self._pc,
            ice_servers,
            relay_only=self._relay_only,
            on_candidate=self._tell_candidate,
            on_late=self._tell_descriptions,
        )
        self._closing: asyncio.Task[None] | None = None
        for event in (
            "connectionstatechange",
            "iceconnectionstatechange",
            "signalingstatechange",
        ):
            self._pc.on(event, self._tell_states)
        self._pc.on("datachannel", self._take_channel)
        self._pc.on("track", self._take_track)

    # aiortc's callbacks: synchronous, so that nothing which follows them is missed.

    def _tell_states(self) -> None:
        pc = self._pc
        self._post(
            self._sink._on_states, pc.connectionState, pc.iceConnectionState, pc.signalingState
        )
        if pc.connectionState == "closed" and self._closing is None:
            # The other side has closed it.
            self._closing = asyncio.get_running_loop().create_task(self._close())

    def _tell_candidate(self, candidate: IceCandidate) -> None:
        self._post(self._sink._on_candidate, candidate)

    def _tell_descriptions(self) -> None:
        """Tell the local one, with all candidates found so far, and the remote one."""
        local, remote = self._pc.localDescription, self._pc.remoteDescription
        self._post(
            self._sink._on_descriptions,
            _description(local, self._candidates.description()) if local else None,
            _description(remote, remote.sdp) if remote else None,
        )

    def _take_channel(self, channel: RTCDataChannel) -> None:
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
        self._channels.append(loop_channel)
        loop_channel.attach(channel, self._owner)

    def _take_track(self, track: MediaStreamTrack) -> None:
        source = Source(track)
        source.start()
        self._sources.append(source)
        self._post(self._sink._on_track, source)

    def _on_task_error(self, error: BaseException) -> None:
        setting_up = self._closing is None and self._pc.connectionState in ("new", "connecting")
        if setting_up and not isinstance(error, ConnectionError):
            # aiortc would stay "connecting" for ever.
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
            if self._closing is None:
                raise
            raise connection_closed() from error

    async def create_offer(self) -> SessionDescription:
        self.sections.prepare_offer()
        if self._pc.sctp is None and not self._pc.getTransceivers():
            raise NegotiationError(
                "there is nothing to offer yet: no data channel and no track",
                code="nothing_to_offer",
                fault="local",
            )
        offer = await self._pc.createOffer()
        return _description(offer, offer.sdp)

    async def create_answer(self) -> SessionDescription:
        with _state_errors():
            self.sections.prepare_answer()
            answer = await self._pc.createAnswer()
        return _description(answer, answer.sdp)

    async def set_local_description(
        self, description: SessionDescription | None
    ) -> SessionDescription:
        """Apply it, gather, tell the candidates; return what is to be sent."""
        if description is None:
            if self._pc.signalingState == "have-remote-offer":
                description = await self.create_answer()
            else:
                description = await self.create_offer()
        with self._owner.owning(), _state_errors():
            gathering = asyncio.create_task(
                self._pc.setLocalDescription(
                    RTCSessionDescription(sdp=description.sdp, type=description.type)
                )
            )
            self._gathering.add(gathering)
            gathering.add_done_callback(self._gathering.discard)
            try:
                await asyncio.shield(gathering)
            except asyncio.CancelledError:
                await self._stop_gathering()
                raise
        with self._owner.owning():
            self._candidates.tell()
        self._tell_descriptions()
        sdp = descriptions.to_be_trickled(description.type, self._pc.localDescription.sdp)
        return SessionDescription(type=description.type, sdp=sdp)

    async def _stop_gathering(self) -> None:
        while self._gathering:
            # aioice 0.13 loses the sockets that it has bound when it is cancelled before it has
            # bound them all. That takes no time to speak of, and only then it waits for servers.
            unbound = not self._relay_only and any(
                not transport.iceGatherer._connection._protocols
                for transport in self.sections.ice_transports()
            )
            if not unbound:
                for gathering in self._gathering:
                    gathering.cancel()
            await asyncio.wait(self._gathering, timeout=0.001 if unbound else None)

    async def set_remote_description(self, description: SessionDescription) -> float:
        """Apply it; return the other side's limit for messages, in bytes."""
        parsed = descriptions.parse_remote(description)
        sdp = descriptions.to_be_applied(description, parsed)
        wanted = "stable" if description.type == "offer" else "have-local-offer"
        if self._pc.signalingState != wanted:
            raise NegotiationError(
                f"an {description.type} does not fit the state {self._pc.signalingState!r}",
                code="wrong_state",
            )
        self.sections.bundle(parsed)
        try:
            with self._owner.owning():
                await self._pc.setRemoteDescription(
                    RTCSessionDescription(sdp=sdp, type=description.type)
                )
        except OperationError as error:
            raise NegotiationError(
                "the two sides have no codec in common", code="no_common_codec"
            ) from error
        except InvalidStateError as error:
            raise NegotiationError(str(error), code="wrong_state") from error
        except Exception as error:
            # aiortc's errors for contents that make no sense are of every kind.
            raise NegotiationError(
                f"the {description.type} of the other side cannot be applied: {error}",
                code="bad_description",
            ) from error
        self.sections.bundle(parsed)
        self._tell_descriptions()
        return descriptions.max_message_size(parsed)

    async def add_ice_candidate(self, candidate: IceCandidate) -> None:
        remote = self._pc.remoteDescription
        if remote is None:
            raise NegotiationError(
                "a candidate needs the description that it belongs to", code="wrong_state"
            )
        if not candidate.is_end:
            with self._owner.owning():
                await self._pc.addIceCandidate(descriptions.parse_candidate(candidate))
                if can_trickle():
                    for transport in self.sections.ice_transports():
                        check_now(transport)
            return
        mid, index = candidate.sdp_mid, candidate.sdp_m_line_index
        seen: set[RTCIceTransport] = set()
        for number, (section, transport) in enumerate(transports(self._pc, remote.sdp)):
            # The end for a bundled section says nothing about the transport of the bundle.
            named = section == mid if mid is not None else index is None or number == index
            if named and transport not in seen:
                with self._owner.owning():
                    await transport.addRemoteCandidate(None)
            seen.add(transport)

    async def create_channel(self, channel: LoopChannel, parameters: ChannelParameters) -> None:
        with self._owner.owning():
            channel.create(self._pc, parameters, self._owner)
        self._channels.append(channel)

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
            await self._stop_gathering()
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
            urls=list(server.url_list), username=server.username, credential=server.credential
        )
        for server in servers
    ]


def _description(description: RTCSessionDescription, sdp: str) -> SessionDescription:
    return SessionDescription(type=cast(DescriptionType, description.type), sdp=sdp)


def connection_closed() -> CallError:
    return CallError("the connection is closed", code="connection_closed", fault="local")


@contextmanager
def _state_errors() -> Iterator[None]:
    try:
        yield
    except InvalidStateError as error:
        raise NegotiationError(str(error), code="wrong_state", fault="local") from error

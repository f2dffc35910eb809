"""Offer and answer (RFC 9429) on a connection of aiortc, and the candidates that go with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from aiortc import (
    InvalidStateError,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceTransport,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.sdp import MediaDescription
from aiortc.sdp import SessionDescription as ParsedDescription

from ....errors import NegotiationError
from ....wire.messages import DescriptionType, IceCandidate, SessionDescription
from ...bridge.ownership import Owner
from ...channels.extension import ChannelExtension, ChannelLimits, find_extension, with_extension
from ..dtls import transport as dtls
from ..patches import can
from ..sctp import association as sctp
from . import descriptions
from .bundling import bundles, with_bundle_of
from .candidates import LocalCandidates, transports
from .codecs import without_common
from .descriptions import FoundCandidates
from .encoded_codecs import not_taken
from .ice_transports import RestartableIceTransports
from .numbering import Numbering
from .recycling import make_room
from .rejections import first_lines, rejected, unknown, with_rejections, without_rejections
from .rollback import Rollback
from .section_text import with_ids, without_ids
from .sections import Sections
from .simulcast import Simulcast

logger = logging.getLogger("trio_rtc.rtc")


class OfferAnswer:
    """The descriptions of one connection.

    Attributes:
        paths: the ways of its packets.

    Args:
        relay_only: whether host addresses are not gathered.
        on_limits: is told what the other side takes in a message.
        on_descriptions: is called when a description has been applied.
        on_states: is called when a restart of ICE begins or ends.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        configuration: RTCConfiguration,
        owner: Owner,
        sections: Sections,
        candidates: LocalCandidates,
        simulcast: Simulcast,
        *,
        relay_only: bool,
        on_limits: Callable[[ChannelLimits], None],
        on_descriptions: Callable[[], None],
        on_states: Callable[[], None],
    ):
        self._pc = connection
        self._configuration = configuration
        self._owner = owner
        self._sections = sections
        self._candidates = candidates
        self._simulcast = simulcast
        self._relay_only = relay_only
        self._on_limits = on_limits
        self._on_descriptions = on_descriptions
        self._gathering: dict[asyncio.Task[None], None] = {}
        self._rollback: Rollback | None = None
        self.paths = RestartableIceTransports(connection, owner, sections, candidates, on_states)
        self._remote_extension: ChannelExtension | None = None
        self._numbering = Numbering()
        self._agreed: list[MediaDescription] = []
        self._offered_bundles: list[list[str]] = []
        self._rejected: list[str] = []
        # Those that are never offered again, as they are.
        self._over: list[str] = []
        self._lines: dict[str, str] = {}
        #: Of the sections of the other side's last description that have none.
        self._given_ids: list[str] = []
        self._local_rejections: tuple[tuple[str, ...], dict[str, str]] = (), {}

    @property
    def is_other_ours(self) -> bool:
        """Whether the other side is known to be a peer of ours."""
        return self._remote_extension is not None

    @property
    def needs_offer(self) -> bool:
        """Whether there is something that only an offer of ours brings to the other side."""
        return self.paths.restart_wanted or self._sections.need_offer

    def restart_ice(self) -> None:
        """Have the next offer bring new ICE agents."""
        self.paths.restart_wanted = True

    async def close(self) -> None:
        """Give up what is under way."""
        await self._stop_gathering()
        await self.paths.close()

    # Descriptions.

    async def create_offer(self) -> SessionDescription:
        self._sections.prepare_offer()
        if self._pc.sctp is None and not self._pc.getTransceivers():
            raise NegotiationError(
                "there is nothing to offer yet: no data channel and no track",
                code="nothing_to_offer",
                fault="local",
            )
        sdp = await self._numbering.create_offer(self._pc, self._sections.narrow)
        return SessionDescription(type="offer", sdp=self._with_rejections(sdp))

    async def create_answer(self) -> SessionDescription:
        with _state_errors():
            self._sections.prepare_answer(is_other_ours=self.is_other_ours)
            answer = await self._pc.createAnswer()
        sdp = with_bundle_of(answer.sdp, self._offered_bundles)
        return SessionDescription(type="answer", sdp=self._with_rejections(sdp))

    def _with_rejections(self, sdp: str) -> str:
        return with_rejections(sdp, self._over, self._lines)

    async def set_local_description(
        self, description: SessionDescription | None
    ) -> SessionDescription:
        """Apply it, gather, tell the candidates; return what is to be sent."""
        if description is None:
            if self._pc.signalingState == "have-remote-offer":
                description = await self.create_answer()
            else:
                description = await self.create_offer()
        sdp = without_rejections(description.sdp, self._over, one_transport=True)
        if description.type == "offer":
            self._rollback = Rollback(self._pc) if can("rollback") else None
            await self.paths.begin_restart()
        with self._owner.owning(), _state_errors():
            gathering = asyncio.create_task(
                self._pc.setLocalDescription(RTCSessionDescription(sdp=sdp, type=description.type))
            )
            self._gathering[gathering] = None
            gathering.add_done_callback(self._gathering.pop)
            try:
                await asyncio.shield(gathering)
            except asyncio.CancelledError:
                await self._stop_gathering()
                raise
        if description.type == "answer":
            self._sections.answered()
        self._local_rejections = tuple(self._over), dict(self._lines)
        self._candidates.over = self._over
        with self._owner.owning():
            local = self._pc.localDescription
            self._candidates.notify(local.sdp)
        self._on_descriptions()
        return self._local_description(local, self._known_at_once(local.sdp))

    def _known_at_once(self, sdp: str) -> dict[str, FoundCandidates]:
        """The candidates that a description tells with itself: those there are of a restart.

        A check that overtakes them is from nowhere, and in libwebrtc such a pair counts less than
        that of before the restart, and is given up.
        """
        if not self.paths.is_restarting:
            return {}
        return {
            mid: FoundCandidates(found.candidates, complete=False)
            for mid, found in self._candidates.found(sdp).items()
        }

    def local_description(self) -> SessionDescription | None:
        """That of our side, with the candidates that have been found so far."""
        local = self._pc.localDescription
        if local is None:
            return None
        return self._local_description(local, self._candidates.found(local.sdp))

    def remote_description(self) -> SessionDescription | None:
        """That of the other side, with the candidates that it has told so far."""
        remote = self._pc.remoteDescription
        if remote is None:
            return None
        sdp = with_rejections(remote.sdp, self._rejected, self._lines)
        sdp = without_ids(sdp, self._given_ids)
        return SessionDescription(type=cast(DescriptionType, remote.type), sdp=sdp)

    def _local_description(
        self, local: RTCSessionDescription, candidates: Mapping[str, FoundCandidates]
    ) -> SessionDescription:
        sdp = descriptions.to_be_sent(local.type, local.sdp, candidates)
        sdp = with_rejections(sdp, *self._local_rejections)
        sdp = self._simulcast.described(sdp)
        if local.type == "answer":
            sdp = without_ids(sdp, self._given_ids)
        if local.type == "offer" or self._remote_extension is not None:
            # What only a peer of ours understands.
            sdp = with_extension(sdp, dtls.longest_record())
        return SessionDescription(type=cast(DescriptionType, local.type), sdp=sdp)

    async def roll_back(self) -> None:
        """Take back the offer that was applied."""
        if self._pc.signalingState != "have-local-offer" or self._rollback is None:
            raise NegotiationError(
                f"nothing to take back in the state {self._pc.signalingState!r}",
                code="wrong_state",
                fault="local",
            )
        self._rollback.perform()
        self.paths.restart_wanted |= await self.paths.abandon_restart()
        self._on_descriptions()

    async def _stop_gathering(self) -> None:
        while self._gathering:
            # aioice 0.13 loses the sockets that it has bound when it is cancelled before it has
            # bound them all. That takes no time to speak of, and only then it waits for servers.
            unbound = not self._relay_only and any(
                not transport.iceGatherer._connection._protocols
                for transport in self._sections.ice_transports()
            )
            if not unbound:
                for gathering in self._gathering:
                    gathering.cancel()
            await asyncio.wait(self._gathering, timeout=0.001 if unbound else None)

    async def set_remote_description(self, description: SessionDescription) -> None:
        text, candidates = descriptions.separate_candidates(description)
        is_offer = description.type == "offer"
        before = self._agreed if is_offer else descriptions.sections_of(self._pc.localDescription)
        text, given_ids = with_ids(text, [str(media.rtp.muxId) for media in before])
        rejections = rejected(text)
        if is_offer:
            rejections += [mid for mid in unknown(text) if mid not in rejections]
        description, parsed = self._without(rejections, description.type, text)
        unusable = without_common(parsed) if is_offer else []
        if is_offer and self._agreed:
            # What stands goes on; a first offer is declined as a whole.
            unusable += [mid for mid in self._sections.unwanted(parsed) if mid not in unusable]
        if unusable:
            rejections += unusable
            description, parsed = self._without(rejections, description.type, text)
        sdp = descriptions.to_be_applied(description, parsed, [] if is_offer else before)
        wanted = "stable" if description.type == "offer" else "have-local-offer"
        if self._pc.signalingState != wanted:
            raise NegotiationError(
                f"an {description.type} does not fit the state {self._pc.signalingState!r}",
                code="wrong_state",
            )
        if is_offer:
            descriptions.check_succession(description, parsed, self._agreed, self._rejected)
        elif self._sections.share_transport:
            descriptions.check_bundle(parsed, rejections)
        refused = [] if is_offer else self._sections.refused(rejections)
        if not self._agreed:
            if refused:
                raise not_taken(refused[0].encoded)
            # What runs in a channel stays as it began.
            self._remote_extension = find_extension(description.sdp)
        # Before the first message can come, which may be while the description is applied.
        self._on_limits(
            ChannelLimits(descriptions.max_message_size(parsed), self._remote_extension)
        )
        await self.paths.follow(description.type, parsed)
        self._sections.bundle(parsed)
        if is_offer:
            self._simulcast.take_offer(text)
            make_room(self._pc, parsed, self._owner)
        if not self._sections.ice_transports() and descriptions.bundled(parsed):
            # aiortc would take the first section for the owner of the transport, whatever it says.
            self._configuration.bundlePolicy = RTCBundlePolicy.MAX_COMPAT
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
        if self._remote_extension is not None:
            sctp.speed_up(self._pc, self._remote_extension.max_packet_size)
        self._numbering.learn(parsed)
        self._agreed = parsed.media
        if is_offer:
            self._offered_bundles = bundles(text)
        self._rejected = rejections
        self._lines = first_lines(text)
        self._given_ids = given_ids
        self._over = [mid for mid in rejections if is_offer or mid in self._over]
        self._sections.agreed(description.type, parsed, self._over)
        for track in refused:
            track.refuse()
        self._sections.bundle(parsed)
        if len(self._sections.ice_transports()) == 1 and descriptions.bundled(parsed):
            # What comes later needs no other for the time being.
            self._configuration.bundlePolicy = RTCBundlePolicy.MAX_BUNDLE
            self._sections.settle_on_one_transport()
        self.paths.learn(parsed)
        self._on_descriptions()
        if candidates:
            self._owner.start(self._add_ice_candidates(candidates))

    def _without(
        self, rejections: Sequence[str], kind: DescriptionType, sdp: str
    ) -> tuple[SessionDescription, ParsedDescription]:
        """A description as aiortc can take it, with no section that either side rejects."""
        one_transport = self._sections.has_one_transport
        sdp = without_rejections(sdp, rejections, one_transport=one_transport)
        description = SessionDescription(type=kind, sdp=sdp)
        return description, descriptions.parse_remote(description)

    async def add_ice_candidate(self, candidate: IceCandidate) -> None:
        if not self._agreed:
            raise NegotiationError(
                "a candidate needs the description that it belongs to", code="wrong_state"
            )
        if not self._is_described(candidate.generation):
            return
        if not candidate.is_end:
            await self._add_ice_candidate(candidate)
            for path in self.paths.all():
                path.hurry()
            return
        mid, index = candidate.sdp_mid, candidate.sdp_m_line_index
        seen: set[RTCIceTransport] = set()
        mids = [str(media.rtp.muxId) for media in self._agreed]
        for number, section, transport in transports(self._pc, mids, self._over):
            # The end for a bundled section says nothing about the transport of the bundle.
            named = section == mid if mid is not None else index is None or number == index
            meant = not can("path") or self.paths.of(transport).is_meant(candidate.generation)
            if named and meant and transport not in seen:
                with self._owner.owning():
                    await transport.addRemoteCandidate(None)
            seen.add(transport)

    def _is_described(self, generation: str | None) -> bool:
        """Whether the description that was applied is of this generation (RFC 8838, section 16)."""
        known = {media.ice.usernameFragment for media in self._agreed if media.ice is not None}
        return generation is None or generation in known

    async def _add_ice_candidate(self, candidate: IceCandidate) -> None:
        parsed = descriptions.parse_candidate(candidate)
        paths = self.paths.all()
        meant = (path for path in paths if path.is_meant(candidate.generation))
        if not paths or any(path.takes(parsed) for path in meant):
            with self._owner.owning():
                await self._pc.addIceCandidate(parsed)

    async def _add_ice_candidates(self, candidates: Sequence[IceCandidate]) -> None:
        """Add those that came with a description: all at once, and the end after them."""
        found = (self._add_ice_candidate(c) for c in candidates if not c.is_end)
        for error in await asyncio.gather(*found, return_exceptions=True):
            if isinstance(error, NegotiationError):
                logger.warning("%s", error, extra={"code": error.code})
            elif error is not None:
                raise error
        for path in self.paths.all():
            path.hurry()
        for candidate in candidates:
            if candidate.is_end:
                await self.add_ice_candidate(candidate)
        self._on_descriptions()


@contextmanager
def _state_errors() -> Iterator[None]:
    try:
        yield
    except InvalidStateError as error:
        raise NegotiationError(str(error), code="wrong_state", fault="local") from error

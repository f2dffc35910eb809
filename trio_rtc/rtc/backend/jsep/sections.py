"""The media sections of a connection: what it offers, and what it can answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from aiortc import (
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpCodecParameters,
    RTCRtpTransceiver,
)
from aiortc.sdp import SessionDescription as ParsedDescription

from ...bridge.ownership import Owner
from ..media.congestion.numbered_packets import number
from ..media.encoded.encoded_format import EncodedFormat
from ..media.outgoing_media import OutgoingTrack
from ..media.sender_reports import report_origin
from ..media.sound import encode_here
from ..patches import can
from . import descriptions, recycling, transport_cc
from .codecs import KINDS, adopt, capabilities, common, is_receive_only, named
from .encoded_codecs import check_taken, fitting, narrowed
from .recycling import receives, sends
from .simulcast import Simulcast

PLACEHOLDER_ID = 65534
"""The highest id of a channel, which aiortc assigns to none by itself."""


def has_media(connection: RTCPeerConnection) -> bool:
    """Whether the two sides have agreed that media flow, one way or both."""
    flows = ("sendrecv", "sendonly", "recvonly")
    return any(section.currentDirection in flows for section in connection.getTransceivers())


class Sections:
    """Tracks, and room for those of the other side, in the order that aiortc can take.

    Args:
        on_need: is called when there may be something to offer.
        on_ended: is told of a track that is sent no more.
    """

    def __init__(
        self,
        connection: RTCPeerConnection,
        owner: Owner,
        simulcast: Simulcast,
        *,
        max_bundle: bool,
        on_need: Callable[[], None],
        on_ended: Callable[[OutgoingTrack], None],
    ):
        self._pc = connection
        self._owner = owner
        self._simulcast = simulcast
        self._max_bundle = max_bundle
        self._on_need = on_need
        self._on_ended = on_ended
        self._tracks_to_add: list[OutgoingTrack] = []
        self._tracks: dict[OutgoingTrack, RTCRtpTransceiver] = {}
        self._receives: tuple[str, ...] = ()
        self._receives_others = True
        self._offers_data_channels = False
        self._codecs: tuple[str, ...] = ()
        # Those whose sender has ended.
        self._spent: set[RTCRtpTransceiver] = set()
        # Those in which a track is offered for the first time that they were not made for.
        self._borrowed: set[RTCRtpTransceiver] = set()
        # Those in which the other side takes nothing.
        self._one_way: set[RTCRtpTransceiver] = set()
        # The ids of those that are never offered again.
        self._over: Collection[str] = ()
        # Sections whose direction has changed since it was agreed on, and what was offered then.
        self._changed: dict[RTCRtpTransceiver, str | None] = {}
        # What the other side's last description has of codecs, by the ids of sections.
        self._described: Mapping[str, Sequence[RTCRtpCodecParameters]] = {}

    def prefer_codecs(self, names: Sequence[str]) -> None:
        """Have only these codecs, for the kinds of media of which there is one among them."""
        self._codecs = tuple(names)

    def _apply_codecs(self) -> None:
        encoded = self._encoded()
        for transceiver in self._pc.getTransceivers():
            has = encoded.get(transceiver)
            names = self._codecs if has is None else [has.name]
            if codecs := capabilities(transceiver.kind, names):
                transceiver.setCodecPreferences(codecs)
                # Those of an answer are settled when the offer is applied, before there was
                # anything to set preferences on.
                if transceiver._codecs and can("codecs"):
                    if self._pc.localDescription is None:
                        # A first offer is declined as a whole.
                        transceiver._codecs = common(transceiver._codecs, names)
                    elif chosen := named(transceiver._codecs, names):
                        transceiver._codecs = chosen
                    else:
                        # It is rejected, and what is rejected has any codec.
                        transceiver.setCodecPreferences([])

    def _encoded(self) -> dict[RTCRtpTransceiver, EncodedFormat]:
        """What is sent in sections whose media are not encoded here."""
        return {
            transceiver: track.encoded
            for track, transceiver in self._tracks.items()
            if track.encoded is not None
        }

    def narrow(
        self, transceiver: RTCRtpTransceiver, codecs: Sequence[RTCRtpCodecParameters]
    ) -> Sequence[RTCRtpCodecParameters]:
        """What of aiortc's codecs is offered in a section."""
        encoded = self._encoded().get(transceiver)
        return codecs if encoded is None else narrowed(encoded, codecs)

    def offer_to_receive(
        self, kinds: Sequence[str], data_channels: bool, exactly: bool = False
    ) -> None:
        """Have sections for these in the first offer, even with nothing of ours in them."""
        self._receives = tuple(kinds)
        self._receives_others = not exactly
        self._offers_data_channels = data_channels

    async def add_track(self, track: OutgoingTrack) -> None:
        self._tracks_to_add.append(track)
        track.on_end = partial(self._ended, track)
        self._on_need()

    @property
    def need_offer(self) -> bool:
        """Whether something of ours has no section yet."""
        sections = [*self._pc.getTransceivers(), self._pc.sctp]
        without_place = any(section is not None and section.mid is None for section in sections)
        return bool(self._tracks_to_add or self._changed) or without_place

    def prepare_offer(self) -> None:
        """Add all that waits for an offer."""
        self._add_tracks(answering=False)
        # What a section is narrowed to for what we have is not all that we take.
        own = self._encoded()
        have = {t.kind for t in self._pc.getTransceivers() if t not in own}
        for kind in self._receives:
            if kind not in have:
                self._pc.addTransceiver(kind, direction="recvonly")
        self._apply_codecs()
        # A channel that needs no announcement, and which nobody hears of, brings the section.
        # Not before the tracks: in a bundle the first section has to own the transport, and
        # aiortc puts the data channels last.
        if self._offers_data_channels and self._pc.sctp is None:
            self._pc.createDataChannel("", negotiated=True, id=PLACEHOLDER_ID)
        self._changed = {section: section.direction for section in self._changed}

    def prepare_answer(self, *, is_other_ours: bool) -> None:
        """Add what the other side's offer has a place for.

        Raises:
            NegotiationError: ``no_common_codec``: in a first answer, where what is encoded already
                would go the other side takes other codecs.
        """
        self._add_tracks(answering=True, any_profile=is_other_ours)
        self._apply_codecs()

    def _add_tracks(self, *, answering: bool, any_profile: bool = False) -> None:
        """Add the tracks that there is a place for: in an offer all, in an answer what it has.

        The others wait for an offer of ours: aiortc can make no answer, and no connection,
        with a track that has no section.
        """
        waiting, self._tracks_to_add = self._tracks_to_add, []
        for track in waiting:
            if track.is_over:
                continue
            if any(track.id == other.id for other in self._tracks):
                # Two that are sent have two names (RFC 8830, section 2), also if they are one here.
                track.rename()
            transceiver = self._find_place(
                track.kind, track.encoded, answering=answering, any_profile=any_profile
            )
            if transceiver is not None:
                if track.encoded is not None:
                    codecs = self._described.get(transceiver.mid or "", ())
                    transceiver._codecs = fitting(track.encoded, codecs, any_profile=any_profile)
                transceiver.sender.replaceTrack(track)
                transceiver.direction = (
                    "sendrecv" if receives(transceiver.direction) else "sendonly"
                )
                self._changed[transceiver] = None
                if not answering:
                    self._borrowed.add(transceiver)
            elif answering:
                if track.encoded is not None and self._pc.localDescription is None:
                    check_taken(track.encoded, self._described, any_profile=any_profile)
                self._tracks_to_add.append(track)
                continue
            else:
                both = self._receives_others or track.kind in self._receives
                both = both and track.encoded is None
                direction = "sendrecv" if both else "sendonly"
                transceiver = self._pc.addTransceiver(track, direction=direction)
            self._tracks[track] = transceiver
            track.bitrate.follow(transceiver.sender)
            report_origin(transceiver.sender)
            if track.kind == "audio":
                encode_here(transceiver.sender)
            elif track.encoded is None or track.is_layered:
                # What others have encoded can be made no smaller, and a relay does it for many;
                # but of several layers one is chosen for the path.
                number(transceiver.sender)
            track.begin()

    def _find_place(
        self, kind: str, encoded: EncodedFormat | None, *, answering: bool, any_profile: bool
    ) -> RTCRtpTransceiver | None:
        """A section in which nothing is sent, as both sides know."""
        if encoded is not None and not (answering and can("codecs")):
            return None
        for transceiver in self._pc.getTransceivers():
            if (
                transceiver.kind == kind
                and transceiver not in self._tracks.values()
                and transceiver not in self._one_way
                and transceiver.mid not in self._over
                and not recycling.is_forgotten(transceiver)
                and not sends(transceiver.currentDirection)
                and self._takes(transceiver, encoded, any_profile=any_profile)
                and (not answering or sends(transceiver._offerDirection))
            ):
                if transceiver not in self._spent:
                    return transceiver
                if can("recycling"):
                    self._spent.discard(transceiver)
                    recycling.renew_sender(transceiver)
                    return transceiver
        return None

    def _takes(
        self, transceiver: RTCRtpTransceiver, encoded: EncodedFormat | None, *, any_profile: bool
    ) -> bool:
        if encoded is None:
            return not is_receive_only(transceiver._codecs)
        codecs = self._described.get(transceiver.mid or "", ())
        return bool(fitting(encoded, codecs, any_profile=any_profile))

    def unwanted(self, offer: ParsedDescription) -> list[str]:
        """The ids of the sections of an offer that have no codec of our choice."""
        names = {name.lower() for name in self._codecs}
        return [
            media.rtp.muxId
            for media in offer.media
            if media.kind in KINDS
            and capabilities(media.kind, self._codecs)
            and names.isdisjoint(codec.name.lower() for codec in media.rtp.codecs)
        ]

    def refused(self, rejections: Collection[str]) -> list[OutgoingTrack]:
        """The tracks, encoded already, whose sections an answer rejects."""
        found = []
        for track, transceiver in self._tracks.items():
            if track.encoded is not None and transceiver.mid in rejections:
                # What is rejected has any codec.
                transceiver.setCodecPreferences([])
                found.append(track)
        return found

    def _ended(self, track: OutgoingTrack) -> None:
        self._on_ended(track)
        if (transceiver := self._tracks.pop(track, None)) is None:
            # It still waits for a section, or again, as the other side only sends in its own.
            self._tracks_to_add = [other for other in self._tracks_to_add if other is not track]
            self._on_need()
            return
        transceiver.direction = "recvonly" if receives(transceiver.direction) else "inactive"
        self._spent.add(transceiver)
        if sends(transceiver.currentDirection):
            self._changed[transceiver] = None
        # Whoever looks for a BYE (RFC 3550, section 6.6) learns of it before the next offer.
        self._owner.start(transceiver.sender.stop())
        self._on_need()

    def agreed(self, kind: str, description: ParsedDescription, over: Collection[str]) -> None:
        """A description of the other side has been applied; those in ``over`` are rejected."""
        self._over = over
        described = {media.rtp.muxId: media for media in description.media}
        self._described = {mid: media.rtp.codecs for mid, media in described.items()}
        for transceiver in self._pc.getTransceivers():
            if transceiver.mid in described:
                adopt(transceiver, described[transceiver.mid].rtp.codecs)
                transport_cc.adopt(transceiver, described[transceiver.mid])
                self._simulcast.adopt(transceiver, described[transceiver.mid])
            is_offer = kind == "offer"
            direction = transceiver._offerDirection if is_offer else transceiver.currentDirection
            is_there = transceiver.mid is not None and transceiver.receiver.track is not None
            if is_there and not receives(direction) and can("recycling"):
                recycling.end_receiver(transceiver, self._owner)
        if kind == "answer":
            self._leave_one_way()
            self._changed = {
                transceiver: None
                for transceiver, offered in self._changed.items()
                if offered != transceiver.direction
            }

    def _leave_one_way(self) -> None:
        """Have tracks get sections of their own, where the other side only sends in its own.

        A section keeps the direction that its owner wants (RFC 9429, section 4.2.3): it is not for
        us to use, though nothing is sent in it.
        """
        borrowed, self._borrowed = self._borrowed, set()
        for track, transceiver in list(self._tracks.items()):
            if transceiver in borrowed and not sends(transceiver.currentDirection):
                self._one_way.add(transceiver)
                del self._tracks[track]
                transceiver.sender.replaceTrack(None)
                transceiver.direction = "recvonly"
                self._changed.pop(transceiver, None)
                self._tracks_to_add.append(track)

    def answered(self) -> None:
        """An answer of ours has been applied."""
        self._changed = {
            transceiver: None
            for transceiver in self._changed
            if sends(transceiver.direction) != sends(transceiver.currentDirection)
        }

    def settle_on_one_transport(self) -> None:
        """What comes later shares the one there is, whichever section owns it then."""
        self._max_bundle = True

    @property
    def has_one_transport(self) -> bool:
        """Whether all sections share one, whatever the other side says."""
        return self._max_bundle or len(self.ice_transports()) == 1

    @property
    def share_transport(self) -> bool:
        """Whether there are several, on one."""
        others = self._pc.getTransceivers()
        return self.has_one_transport and len(others) + (self._pc.sctp is not None) > 1

    def bundle(self, remote: ParsedDescription) -> None:
        """Have all sections share the transport that a description of the other side implies."""
        # Under max-bundle all have one transport, of which the first section of the bundle is
        # the owner. aiortc 1.16 takes what was created first for that. If this was a channel,
        # it would drop the candidates, and stop the transport that all of them use.
        if self._max_bundle and can("bundle"):
            owner = descriptions.bundle_owner(remote)
            for section in (*self._pc.getTransceivers(), self._pc.sctp):
                if section is not None:
                    section._bundled = section.mid != owner

    def ice_transports(self) -> list[RTCIceTransport]:
        """The transports of all sections, of which those in a bundle have one."""
        found = [
            transceiver.receiver.transport.transport for transceiver in self._pc.getTransceivers()
        ]
        if self._pc.sctp is not None:
            found.append(self._pc.sctp.transport.transport)
        return list(dict.fromkeys(found))

    def stop(self) -> None:
        """Read no more of the tracks that are sent."""
        for track in (*self._tracks, *self._tracks_to_add):
            track.on_end = _nothing
            track.stop()


def _nothing() -> None:
    pass

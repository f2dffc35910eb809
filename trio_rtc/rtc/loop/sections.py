"""The media sections of a connection: what it offers, and what it can answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aiortc import (
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpTransceiver,
)
from aiortc.sdp import SessionDescription as ParsedDescription

from . import descriptions
from .codecs import capabilities, common
from .outgoing import Outgoing
from .ownership import Owner
from .private import can
from .sound import encode_here

PLACEHOLDER_ID = 65534
"""The highest id of a channel, which aiortc assigns to none by itself."""


def has_media(connection: RTCPeerConnection) -> bool:
    """Whether the two sides have agreed that media flow, one way or both."""
    flows = ("sendrecv", "sendonly", "recvonly")
    return any(section.currentDirection in flows for section in connection.getTransceivers())


class Sections:
    """Tracks, and room for those of the other side, in the order that aiortc can take."""

    def __init__(self, connection: RTCPeerConnection, owner: Owner, *, max_bundle: bool):
        self._pc = connection
        self._owner = owner
        self._max_bundle = max_bundle
        self._tracks_to_add: list[Outgoing] = []
        self._tracks: dict[Outgoing, RTCRtpTransceiver] = {}
        self._receives: tuple[str, ...] = ()
        self._offers_data_channels = False
        self._codecs: tuple[str, ...] = ()

    def prefer_codecs(self, names: Sequence[str]) -> None:
        """Have only these codecs, for the kinds of media of which there is one among them."""
        self._codecs = tuple(names)

    def _apply_codecs(self) -> None:
        for transceiver in self._pc.getTransceivers():
            if codecs := capabilities(transceiver.kind, self._codecs):
                transceiver.setCodecPreferences(codecs)
                # Those of an answer are settled when the offer is applied, before there was
                # anything to set preferences on.
                if transceiver._codecs and can("codecs"):
                    transceiver._codecs = common(transceiver._codecs, self._codecs)

    def offer_to_receive(self, kinds: Sequence[str], data_channels: bool) -> None:
        """Have sections for these in the first offer, even with nothing of ours in them."""
        self._receives = tuple(kinds)
        self._offers_data_channels = data_channels

    async def add_track(self, track: Outgoing) -> None:
        self._tracks_to_add.append(track)

    @property
    def need_offer(self) -> bool:
        """Whether something of ours has no section yet."""
        sections = [*self._pc.getTransceivers(), self._pc.sctp]
        without_place = any(section is not None and section.mid is None for section in sections)
        return bool(self._tracks_to_add) or without_place

    def prepare_offer(self) -> None:
        """Add all that waits for an offer."""
        self._add_tracks(answering=False)
        have = {transceiver.kind for transceiver in self._pc.getTransceivers()}
        for kind in self._receives:
            if kind not in have:
                self._pc.addTransceiver(kind, direction="recvonly")
        self._apply_codecs()
        # A channel that needs no announcement, and which nobody hears of, brings the section.
        # Not before the tracks: in a bundle the first section has to own the transport, and
        # aiortc puts the data channels last.
        if self._offers_data_channels and self._pc.sctp is None:
            self._pc.createDataChannel("", negotiated=True, id=PLACEHOLDER_ID)

    def prepare_answer(self) -> None:
        """Add what the other side's offer has a place for."""
        self._add_tracks(answering=True)
        self._apply_codecs()

    def _add_tracks(self, *, answering: bool) -> None:
        """Add the tracks that there is a place for: in an offer all, in an answer what it has.

        The others wait for an offer of ours: aiortc can make no answer, and no connection,
        with a track that has no section.
        """
        waiting, self._tracks_to_add = self._tracks_to_add, []
        for track in waiting:
            transceiver = self._find_place(track.kind)
            if transceiver is not None:
                transceiver.sender.replaceTrack(track)
                transceiver.direction = "sendrecv" if _receives(transceiver) else "sendonly"
            elif answering:
                self._tracks_to_add.append(track)
                continue
            else:
                transceiver = self._pc.addTransceiver(track)
            self._tracks[track] = transceiver
            track.on_end = partial(self._ended, transceiver)
            track.bitrate.follow(transceiver.sender)
            if track.kind == "audio":
                encode_here(transceiver.sender)
            track.begin()

    def _find_place(self, kind: str) -> RTCRtpTransceiver | None:
        # One whose track has ended sends nothing ever again.
        for transceiver in self._pc.getTransceivers():
            taken = transceiver.sender.track is not None or transceiver in self._tracks.values()
            if transceiver.kind == kind and not taken:
                return transceiver
        return None

    def _ended(self, transceiver: RTCRtpTransceiver) -> None:
        # The other side learns of it by a BYE (RFC 3550, section 6.6).
        transceiver.direction = "recvonly" if _receives(transceiver) else "inactive"
        self._owner.start(transceiver.sender.stop())

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
        if self._max_bundle:
            owner = descriptions.bundle_owner(remote)
            for section in (*self._pc.getTransceivers(), self._pc.sctp):
                if section is not None:
                    section._bundled = section.mid != owner

    def ice_transports(self) -> set[RTCIceTransport]:
        """The transports of all sections, of which those in a bundle have one."""
        found = {
            transceiver.receiver.transport.transport for transceiver in self._pc.getTransceivers()
        }
        if self._pc.sctp is not None:
            found.add(self._pc.sctp.transport.transport)
        return found

    def stop(self) -> None:
        """Read no more of the tracks that are sent."""
        for track in self._tracks:
            track.on_end = _nothing
            track.stop()


def _receives(transceiver: RTCRtpTransceiver) -> bool:
    return transceiver.direction in ("sendrecv", "recvonly")


def _nothing() -> None:
    pass

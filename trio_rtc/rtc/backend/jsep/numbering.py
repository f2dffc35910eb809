"""Payload types and ids of header extensions of a session, which later offers keep.

A payload type stays what it was said to be (RFC 3264, section 8.3.2), and so does the id of a
header extension (RFC 8285, section 5), in all sections of a bundle (RFC 9143, section 9). aiortc
1.16 numbers every offer anew, by its own tables, which peers of other stacks refuse.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from aiortc import RTCPeerConnection, RTCRtpCodecParameters, RTCRtpTransceiver
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters as Extension
from aiortc.sdp import MediaDescription, SessionDescription

from ..patches import can
from . import transport_cc

T = TypeVar("T", bound=Hashable)
Key: TypeAlias = tuple[object, ...]

Narrow: TypeAlias = Callable[
    [RTCRtpTransceiver, Sequence[RTCRtpCodecParameters]], Sequence[RTCRtpCodecParameters]
]
"""Tells what of aiortc's codecs is offered in a section."""

TYPES = (*range(96, 128), *range(35, 64))
"""Payload types that may stand for any codec, in the order of use (RFC 3551, section 3)."""

IDS = range(1, 15)
"""Of header extensions of one byte (RFC 8285, section 4.2)."""


class Numbering:
    """What has been said to stand for what in one connection, by either side."""

    def __init__(self) -> None:
        self._types: dict[Key, int] = {}
        self._meanings: dict[int, Key] = {}
        self._ids: dict[str, int] = {}
        self._uris: dict[int, str] = {}

    def learn(self, description: SessionDescription) -> None:
        """Keep the numbers of a description, of either side."""
        for media in description.media:
            keys = _keys(media.rtp.codecs)
            for codec, key in zip(media.rtp.codecs, keys, strict=True):
                self._types.setdefault(key, _type(codec))
                self._meanings.setdefault(_type(codec), key)
            for extension in media.rtp.headerExtensions:
                self._ids.setdefault(extension.uri, extension.id)
                self._uris.setdefault(extension.id, extension.uri)

    async def create_offer(self, connection: RTCPeerConnection, narrow: Narrow) -> str:
        """The offer of aiortc, in the numbers of the session.

        What was negotiated in a section is offered in it again, unless codecs have been chosen
        since then that were not.

        Args:
            connection: what to offer.
            narrow: leaves out codecs of a section.
        """
        if not can("numbering"):
            return (await connection.createOffer()).sdp
        settled = {
            transceiver: (transceiver._codecs, transceiver._headerExtensions)
            for transceiver in connection.getTransceivers()
            if transceiver.currentDirection is not None
        }
        try:
            offer = await connection.createOffer()
        finally:
            fresh = {t: t._codecs for t in connection.getTransceivers()}
            for transceiver, (codecs, extensions) in settled.items():
                transceiver._codecs, transceiver._headerExtensions = codecs, extensions
        parsed = SessionDescription.parse(offer.sdp)
        parsed.type = offer.type
        by_index = {t._get_mline_index(): t for t in connection.getTransceivers()}
        for index, media in enumerate(parsed.media):
            section = by_index.get(index)
            if section is None:
                # The data channels'.
                continue
            if section in settled:
                self._offer_again(media, section, narrow(section, fresh[section]))
            else:
                self._offer(media, section, narrow(section, section._codecs))
        return str(parsed)

    def _offer_again(
        self,
        media: MediaDescription,
        transceiver: RTCRtpTransceiver,
        fresh: Sequence[RTCRtpCodecParameters],
    ) -> None:
        codecs = transceiver._codecs
        if transceiver._preferred_codecs:
            there_is = dict(zip(_keys(codecs), codecs, strict=True))
            numbered = self._number(fresh)
            codecs = [
                there_is.get(key, codec)
                for key, codec in zip(_keys(numbered), numbered, strict=True)
            ]
        _describe(media, codecs, transceiver._headerExtensions)

    def _offer(
        self,
        media: MediaDescription,
        transceiver: RTCRtpTransceiver,
        codecs: Sequence[RTCRtpCodecParameters],
    ) -> None:
        transceiver._codecs = self._number(codecs)
        extensions = transport_cc.offered(transceiver.kind, transceiver._headerExtensions)
        transceiver._headerExtensions = self._identify(extensions)
        transport_cc.give_feedback(transceiver._codecs, transceiver._headerExtensions)
        _describe(media, transceiver._codecs, transceiver._headerExtensions)

    def _number(self, codecs: Sequence[RTCRtpCodecParameters]) -> list[RTCRtpCodecParameters]:
        """The same codecs under their payload types in this session, where there is one."""
        numbered = []
        renamed: dict[object, int] = {}
        for original, key in zip(codecs, _keys(codecs), strict=True):
            codec = copy.deepcopy(original)
            number = _find(key, self._types, self._meanings, (_type(codec), *TYPES))
            if number is None or (is_rtx(codec) and codec.parameters["apt"] not in renamed):
                continue
            renamed[codec.payloadType] = codec.payloadType = number
            if is_rtx(codec):
                codec.parameters["apt"] = renamed[codec.parameters["apt"]]
            numbered.append(codec)
        return numbered

    def _identify(self, extensions: Sequence[Extension]) -> list[Extension]:
        """The same header extensions under their ids in this session, where there is one."""
        identified = []
        for extension in extensions:
            uri = extension.uri
            number = _find(uri, self._ids, self._uris, (extension.id, *IDS))
            if number is not None:
                identified.append(Extension(id=number, uri=uri))
        return identified


def _find(
    meaning: T, numbers: dict[T, int], meanings: dict[int, T], wanted: Iterable[int]
) -> int | None:
    """The number that stands for this; if there is none, the first wanted one that is free."""
    if meaning not in numbers:
        free = next((number for number in wanted if number not in meanings), None)
        if free is None:
            return None
        numbers[meaning] = free
        meanings[free] = meaning
    return numbers[meaning]


def _type(codec: RTCRtpCodecParameters) -> int:
    assert codec.payloadType is not None
    return codec.payloadType


def _keys(codecs: Sequence[RTCRtpCodecParameters]) -> list[Key]:
    """What each of the codecs of a section is, apart from its payload type."""
    by_type: dict[object, RTCRtpCodecParameters] = {codec.payloadType: codec for codec in codecs}

    def key(codec: RTCRtpCodecParameters) -> Key:
        name = codec.name.lower()
        if is_rtx(codec):
            original = by_type.get(codec.parameters.get("apt"))
            return (name, None if original is None or is_rtx(original) else key(original))
        parameters = codec.parameters if name not in ("opus", "vp8") else {}
        if name == "h264":
            # The level is not what it is, but how much of it (RFC 6184, section 8.2.2).
            profile = str(parameters.get("profile-level-id", "42E01F"))[:4].lower()
            return (name, profile, str(parameters.get("packetization-mode", "0")))
        return (name, codec.clockRate, codec.channels or 1, tuple(sorted(parameters.items())))

    return [key(codec) for codec in codecs]


def _describe(
    media: MediaDescription,
    codecs: Sequence[RTCRtpCodecParameters],
    extensions: Sequence[Extension],
) -> None:
    media.fmt = [codec.payloadType for codec in codecs]
    media.rtp.codecs = list(codecs)
    media.rtp.headerExtensions = list(extensions)
    if not any(is_rtx(codec) for codec in codecs):
        media.ssrc_group = []
        media.ssrc = media.ssrc[:1]

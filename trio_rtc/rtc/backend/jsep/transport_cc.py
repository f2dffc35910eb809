"""Transport-wide congestion control, as it is negotiated for video.

A packet has a transport-wide sequence number in a header extension, and the other side tells when
it came (draft-holmer-rmcat-transport-wide-cc-extensions-01). Both are there for a section, or
neither: a peer whose numbers nobody answers would take its path for one that carries nothing.
aiortc 1.16 knows neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiortc import RTCRtpCodecParameters, RTCRtpTransceiver
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtcpFeedback
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters as Extension
from aiortc.sdp import MediaDescription

from ..media.congestion.numbered_packets import URI
from ..patches import can

FEEDBACK: Final = RTCRtcpFeedback(type="transport-cc")

WANTED_ID: Final = 4
"""Of the header extension, in offers; aiortc has those before it."""


def is_possible() -> bool:
    """Whether the installed releases let us do it."""
    return can("congestion") and can("dtls") and can("receiving")


def offered(kind: str, extensions: Sequence[Extension]) -> list[Extension]:
    """The header extensions of a new section of an offer: these, and that of the numbers."""
    if kind != "video" or not is_possible() or any(e.uri == URI for e in extensions):
        return list(extensions)
    return [*extensions, Extension(id=WANTED_ID, uri=URI)]


def give_feedback(codecs: Sequence[RTCRtpCodecParameters], extensions: Sequence[Extension]) -> None:
    """Have codecs of ours say that there is feedback, where there are numbers."""
    if any(extension.uri == URI for extension in extensions):
        for codec in codecs:
            if not is_rtx(codec) and FEEDBACK not in codec.rtcpFeedback:
                codec.rtcpFeedback = [*codec.rtcpFeedback, FEEDBACK]


def adopt(transceiver: RTCRtpTransceiver, media: MediaDescription) -> None:
    """Have a section use it if the other side's description has both in it."""
    extension = next((e for e in media.rtp.headerExtensions if e.uri == URI), None)
    asks = {codec.payloadType for codec in media.rtp.codecs if FEEDBACK in codec.rtcpFeedback}
    chosen = [codec for codec in transceiver._codecs if codec.payloadType in asks]
    if transceiver.kind != "video" or extension is None or not chosen or not is_possible():
        return
    known = [e for e in transceiver._headerExtensions if e.uri != URI]
    transceiver._headerExtensions = [*known, Extension(id=extension.id, uri=URI)]
    give_feedback(chosen, transceiver._headerExtensions)

"""Media sections that are used again, by either side (RFC 9429, section 5.2.2).

A sender and a receiver of aiortc 1.16 live once. A section in which a track has ended gets others
for the next one, and one that the other side has rejected makes room for what it offers there.
"""

from __future__ import annotations

from typing import Any

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.sdp import SessionDescription as ParsedDescription

from ...bridge.ownership import Owner
from ..patches import can


def sends(direction: str | None) -> bool:
    """Whether a direction lets our media flow."""
    return direction in ("sendrecv", "sendonly")


def receives(direction: str | None) -> bool:
    """Whether a direction lets the other side's media flow."""
    return direction in ("sendrecv", "recvonly")


def renew_sender(transceiver: RTCRtpTransceiver) -> None:
    """Give a section another sender; the one it has is stopped, or never began."""
    private: Any = transceiver
    sender = RTCRtpSender(transceiver.kind, transceiver.sender.transport)
    sender._stream_id = transceiver.sender._stream_id
    private._RTCRtpTransceiver__sender = sender
    transceiver.receiver._set_rtcp_ssrc(sender._ssrc)


def end_receiver(transceiver: RTCRtpTransceiver, owner: Owner) -> None:
    """The other side sends nothing there any more: its track ends, and the next is another one."""
    private: Any = transceiver
    ended = transceiver.receiver
    receiver = RTCRtpReceiver(transceiver.kind, ended.transport)
    receiver._set_rtcp_ssrc(transceiver.sender._ssrc)
    private._RTCRtpTransceiver__receiver = receiver
    owner.start(ended.stop())


def is_forgotten(transceiver: RTCRtpTransceiver) -> bool:
    """Whether another section is in the place that it had."""
    return can("recycling") and (transceiver._get_mline_index() or 0) < 0


def make_room(connection: RTCPeerConnection, description: ParsedDescription, owner: Owner) -> None:
    """Forget the sections whose places are taken by others in an offer."""
    if not can("recycling"):
        return
    private: Any = connection
    transceivers: list[RTCRtpTransceiver] = private._RTCPeerConnection__transceivers
    for index, media in enumerate(description.media):
        for transceiver in connection.getTransceivers():
            there = transceiver._get_mline_index() == index
            if there and transceiver.mid not in (None, media.rtp.muxId):
                # aiortc looks for sections by their index. The first section has the transport for
                # what comes later, so that it stays, at no place.
                transceiver._set_mline_index(-1 - index)
                transceiver._offerDirection = "inactive"
                if transceiver is not transceivers[0]:
                    transceivers.remove(transceiver)
                owner.start(transceiver.stop())

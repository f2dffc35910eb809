"""Taking back an offer of ours (W3C WebRTC, section 4.4.1.5), which aiortc 1.16 does not do."""

from __future__ import annotations

from typing import Any

from aiortc import RTCPeerConnection


class Rollback:
    """Remembers a connection that is about to apply an offer of its own."""

    def __init__(self, connection: RTCPeerConnection):
        pc: Any = connection
        self._pc = pc
        # aiortc keeps an offer "pending" also when it has been answered.
        self._local_description = pc._RTCPeerConnection__pendingLocalDescription
        self._mids = {transceiver.mid for transceiver in connection.getTransceivers()}
        self._had_data_channels = connection.sctp is not None and connection.sctp.mid is not None

    def perform(self) -> None:
        """Have the connection forget the offer. What was added for it is in the next one."""
        for transceiver in self._pc.getTransceivers():
            if transceiver.mid not in self._mids:
                transceiver._set_mid(None)
                transceiver._set_mline_index(None)
                # aiortc answers with all it has, and asks what was offered for each.
                transceiver._offerDirection = "inactive"
        if self._pc.sctp is not None and not self._had_data_channels:
            self._pc.sctp.mid = None
        self._pc._RTCPeerConnection__pendingLocalDescription = self._local_description
        self._pc._RTCPeerConnection__setSignalingState("stable")

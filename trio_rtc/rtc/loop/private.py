"""What the loop's side needs of aiortc 1.16 and aioice 0.13 that is not public, by purpose.

If a release changes one of these, there is a warning, and what needs it is not done.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Final, Literal

import aioice
from aioice.stun import Transaction
from aiortc import (
    RTCDataChannel,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
)

logger = logging.getLogger("trio_rtc.rtc")

Purpose = Literal["trickle", "path", "rollback", "early_open", "statistics"]

CONNECTION: Final = "aioice.Connection"
GATHERER: Final = "RTCIceGatherer"
ICE_TRANSPORT: Final = "RTCIceTransport"
PEER_CONNECTION: Final = "RTCPeerConnection"
TRANSACTION: Final = "aioice.stun.Transaction"
DATA_CHANNEL: Final = "RTCDataChannel"
RTP_RECEIVER: Final = "RTCRtpReceiver"
DTLS_TRANSPORT: Final = "RTCDtlsTransport"

ATTRIBUTES: Final[dict[Purpose, dict[str, Sequence[str]]]] = {
    # Candidates that are found during a call.
    "trickle": {
        CONNECTION: (
            "_closing",
            "_end_remote_candidates",
            "_local_candidates",
            "_pair_remote_candidate",
            "_protocols",
            "_remote_candidates",
            "_remote_candidates_end",
            "_remote_candidates_resolving",
            "sort_check_list",
        ),
        GATHERER: ("_connection",),
        PEER_CONNECTION: ("_RTCPeerConnection__connect",),
    },
    # Another ICE agent under the same DTLS transport, signs of life, and checks in time.
    "path": {
        CONNECTION: (
            "_check_list",
            "_check_list_done",
            "_check_list_state",
            "_check_periodic",
            "_early_checks",
            "_early_checks_done",
            "_local_candidates_end",
            "_nominated",
            "_pair_remote_candidate",
            "_query_consent_task",
            "_queue",
            "_remote_candidates",
            "_remote_candidates_end",
            "_transport_policy",
            "_unfreeze_initial",
            "build_request",
            "check_complete",
            "check_incoming",
            "query_consent",
            "sort_check_list",
        ),
        TRANSACTION: ("_Transaction__addr", "_Transaction__request"),
        GATHERER: ("_connection",),
        ICE_TRANSPORT: (
            "_RTCIceTransport__monitor_task",
            "_RTCIceTransport__setState",
            "_connection",
            "_monitor",
            "_recv",
            "_send",
        ),
    },
    # Taking back an offer.
    "rollback": {
        PEER_CONNECTION: (
            "_RTCPeerConnection__pendingLocalDescription",
            "_RTCPeerConnection__setSignalingState",
        ),
    },
    # A data channel that is open when it is announced.
    "early_open": {DATA_CHANNEL: ("_setId", "_setReadyState")},
    # The bytes of a track that is received, and of a transport.
    "statistics": {
        RTP_RECEIVER: ("_handle_rtp_packet",),
        DTLS_TRANSPORT: ("_get_stats",),
    },
}


WITHOUT: Final[dict[Purpose, str]] = {
    "trickle": "candidates are gathered before a call instead of during it",
    "path": "a connection that is lost is neither noticed soon nor restored",
    "rollback": "an offer of ours that crosses one of the other side is not taken back",
    "early_open": "a data channel takes a round trip to open",
    "statistics": "there are no counts of bytes",
}


@cache
def can(purpose: Purpose) -> bool:
    """Whether the installed releases have what a purpose needs; a warning, once, if not."""
    missing = missing_attributes(purpose)
    if missing:
        logger.warning(
            "%s: the installed aiortc or aioice has no %s", WITHOUT[purpose], ", ".join(missing)
        )
    return not missing


def missing_attributes(purpose: Purpose) -> list[str]:
    """What a purpose needs and the installed releases do not have."""
    gatherer = RTCIceGatherer(iceServers=[])
    owners: dict[str, object] = {
        CONNECTION: aioice.Connection(ice_controlling=True),
        GATHERER: gatherer,
        ICE_TRANSPORT: RTCIceTransport(gatherer),
        PEER_CONNECTION: RTCPeerConnection(),
        # One cannot be made without a request, and a future.
        TRANSACTION: SimpleNamespace(**dict.fromkeys(Transaction.__init__.__code__.co_names)),
        DATA_CHANNEL: RTCDataChannel,
        RTP_RECEIVER: RTCRtpReceiver,
        DTLS_TRANSPORT: RTCDtlsTransport,
    }
    return [
        f"{owner}.{name}"
        for owner, names in ATTRIBUTES[purpose].items()
        for name in names
        if not hasattr(owners[owner], name)
    ]

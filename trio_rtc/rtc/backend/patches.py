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
from aioice.ice import StunProtocol
from aioice.stun import Transaction
from aiortc import (
    RTCCertificate,
    RTCDataChannel,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSctpTransport,
)
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpreceiver import RemoteStreamTrack, StreamStatistics
from aiortc.rtcsctptransport import InboundStream
from OpenSSL import SSL, _util

logger = logging.getLogger("trio_rtc.rtc")

Purpose = Literal[
    "host_addresses",
    "trickle",
    "path",
    "datagrams",
    "rollback",
    "early_open",
    "streams",
    "codecs",
    "numbering",
    "recycling",
    "bitrate",
    "sender_reports",
    "sound",
    "picture_limit",
    "receiving",
    "statistics",
    "sctp",
    "path_mtu",
    "dtls",
    "rsa",
]

CERTIFICATE: Final = "RTCCertificate"
CANDIDATE: Final = "aioice.Candidate"
CONNECTION: Final = "aioice.Connection"
STUN_PROTOCOL: Final = "aioice.ice.StunProtocol"
GATHERER: Final = "RTCIceGatherer"
ICE_TRANSPORT: Final = "RTCIceTransport"
PEER_CONNECTION: Final = "RTCPeerConnection"
TRANSACTION: Final = "aioice.stun.Transaction"
DATA_CHANNEL: Final = "RTCDataChannel"
SCTP_TRANSPORT: Final = "RTCSctpTransport"
RTP_RECEIVER: Final = "RTCRtpReceiver"
RTP_SENDER: Final = "RTCRtpSender"
RTP_TRANSCEIVER: Final = "RTCRtpTransceiver"
RTP_ROUTER: Final = "RtpRouter"
STREAM_STATISTICS: Final = "StreamStatistics"
REMOTE_TRACK: Final = "RemoteStreamTrack"
DTLS_TRANSPORT: Final = "RTCDtlsTransport"
INBOUND_STREAM: Final = "InboundStream"
OPENSSL_CONNECTION: Final = "OpenSSL.SSL.Connection"
OPENSSL_LIBRARY: Final = "OpenSSL._util.lib"

ATTRIBUTES: Final[dict[Purpose, dict[str, Sequence[str]]]] = {
    # Host addresses of our choice.
    "host_addresses": {
        CONNECTION: ("_transport_policy", "get_component_candidates"),
        GATHERER: ("_connection",),
        PEER_CONNECTION: ("_RTCPeerConnection__createDtlsTransport",),
    },
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
            "_remote_candidates_resolving",
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
    # Packets that come quickly, and of the other side only. asyncio's `_read_ready` is looked for
    # where it is used.
    "datagrams": {
        CANDIDATE: ("_network_host",),
        CONNECTION: ("_early_checks", "_protocols", "_remote_candidates", "data_received"),
        STUN_PROTOCOL: ("datagram_received", "local_candidate", "receiver", "transport"),
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
    # Codecs of our choice in an answer.
    "codecs": {RTP_TRANSCEIVER: ("_codecs", "_preferred_codecs")},
    # Later offers in the numbers of the first ones.
    "numbering": {
        RTP_TRANSCEIVER: (
            "_RTCRtpTransceiver__mline_index",
            "_codecs",
            "_headerExtensions",
            "_preferred_codecs",
        ),
    },
    # Media sections that are used again.
    "recycling": {
        PEER_CONNECTION: ("_RTCPeerConnection__transceivers",),
        RTP_TRANSCEIVER: (
            "_RTCRtpTransceiver__mline_index",
            "_RTCRtpTransceiver__receiver",
            "_RTCRtpTransceiver__sender",
            "_offerDirection",
        ),
        RTP_RECEIVER: ("_RTCRtpReceiver__rtcp_ssrc",),
        RTP_SENDER: ("_ssrc", "_stream_id"),
    },
    # A limit to the bitrate of video.
    "bitrate": {RTP_SENDER: ("_RTCRtpSender__encoder",)},
    # Sender reports that tell when media were made.
    "sender_reports": {RTP_SENDER: ("_RTCRtpSender__ntp_timestamp",)},
    # Sound that is encoded on the loop.
    "sound": {
        RTP_SENDER: (
            "_RTCRtpSender__encoder",
            "_enabled",
            "_next_encoded_frame",
        ),
    },
    # Received media in time.
    "receiving": {
        RTP_RECEIVER: (
            "_RTCRtpReceiver__active_ssrc",
            "_RTCRtpReceiver__codecs",
            "_RTCRtpReceiver__remote_bitrate_estimator",
            "_RTCRtpReceiver__remote_streams",
            "_RTCRtpReceiver__rtcp_ssrc",
            "_RTCRtpReceiver__rtcp_task",
            "_RTCRtpReceiver__rtx_ssrc",
            "_RTCRtpReceiver__started",
            "_enabled",
            "_handle_disconnect",
            "_handle_rtcp_packet",
            "_handle_rtp_packet",
            "_run_rtcp",
            "_send_rtcp",
            "_send_rtcp_nack",
            "_send_rtcp_pli",
            "_track",
        ),
        DTLS_TRANSPORT: ("_register_rtp_receiver", "_rtp_router"),
        RTP_ROUTER: ("mid_table", "route_rtp", "ssrc_table"),
        STREAM_STATISTICS: (
            "_clockrate",
            "_jitter_q4",
            "_last_arrival",
            "_last_timestamp",
            "add",
        ),
        REMOTE_TRACK: ("_queue",),
    },
    # A look at pictures before they are decoded.
    "picture_limit": {
        RTP_RECEIVER: ("_RTCRtpReceiver__decoder_error", "_RTCRtpReceiver__decoder_queue"),
    },
    # Streams that are used again.
    "streams": {
        DATA_CHANNEL: ("_setId",),
        SCTP_TRANSPORT: (
            "_data_channel_id",
            "_data_channel_receive",
            "_data_channels",
            "_receive_reconfig_param",
            "_reconfig_request",
        ),
    },
    # The bytes of a track that is received, and of a transport.
    "statistics": {
        RTP_RECEIVER: ("_handle_rtp_packet",),
        DTLS_TRANSPORT: ("_get_stats",),
    },
    # Data channels that are fast.
    "sctp": {
        PEER_CONNECTION: ("_RTCPeerConnection__createSctpTransport",),
        SCTP_TRANSPORT: (
            "_abort",
            "_advertised_rwnd",
            "_association_state",
            "_cwnd",
            "_data_channel_flush",
            "_data_channel_queue",
            "_data_channel_send",
            "_fast_recovery_exit",
            "_flight_size",
            "_flight_size_increase",
            "_forward_tsn_chunk",
            "_get_inbound_stream",
            "_inbound_streams",
            "_last_received_tsn",
            "_mark_received",
            "_outbound_queue",
            "_outbound_stream_seq",
            "_local_port",
            "_local_tsn",
            "_receive_chunk",
            "_receive_data_chunk",
            "_receive_forward_tsn_chunk",
            "_receive_sack_chunk",
            "_remote_port",
            "_remote_verification_tag",
            "_rto",
            "_rttvar",
            "_send",
            "_sack_duplicates",
            "_sack_misordered",
            "_sack_needed",
            "_send_chunk",
            "_send_sack",
            "_sent_queue",
            "_set_state",
            "_srtt",
            "_t1_chunk",
            "_t1_expired",
            "_t1_handle",
            "_t3_cancel",
            "_t3_expired",
            "_t3_handle",
            "_t3_restart",
            "_t3_start",
            "_transmit",
            "_update_rto",
        ),
        DTLS_TRANSPORT: ("_send_data",),
        INBOUND_STREAM: ("add_chunk", "pop_messages", "reassembly"),
    },
    # Packets of data channels that are as large as the path takes.
    "path_mtu": {
        CONNECTION: ("_nominated",),
        ICE_TRANSPORT: ("_connection",),
        STUN_PROTOCOL: ("transport",),
    },
    # DTLS that is fast, and does without SRTP.
    "dtls": {
        PEER_CONNECTION: ("_RTCPeerConnection__createDtlsTransport",),
        DTLS_TRANSPORT: ("_handle_rtcp_data", "_handle_rtp_data", "_setup_srtp", "_ssl"),
        OPENSSL_CONNECTION: ("_from_ssl", "_into_ssl", "_raise_ssl_error", "_ssl"),
        OPENSSL_LIBRARY: ("BIO_read", "BIO_write", "SSL_read", "SSL_write"),
    },
    # Certificates with RSA keys.
    "rsa": {
        CERTIFICATE: ("_create_ssl_context",),
        PEER_CONNECTION: ("_RTCPeerConnection__certificates",),
    },
}


WITHOUT: Final[dict[Purpose, str]] = {
    "host_addresses": "a machine without a network cannot call itself",
    "trickle": "candidates are gathered before a call instead of during it",
    "path": "a connection that is lost is neither noticed soon nor restored",
    "datagrams": "packets are received one at a time, and from strangers",
    "rollback": "an offer of ours that crosses one of the other side is not taken back",
    "early_open": "a data channel takes a round trip to open",
    "streams": "a lost answer to the closing of a data channel may end the connection",
    "codecs": "only who offers can choose codecs",
    "numbering": "peers on other stacks refuse what is added to their calls",
    "recycling": "each track that is added to a call has a media section of its own, for good",
    "bitrate": "the bitrate of video has no limit but that of the receiver",
    "sender_reports": "pictures are seen late by what it takes to encode them",
    "sound": "sound takes more time",
    "picture_limit": "pictures of any size are decoded",
    "receiving": "received media come late, and later after a loss, with times that leap",
    "statistics": "there are no counts of bytes",
    "sctp": "data channels are slower",
    "path_mtu": "packets of data channels have 1189 bytes at most",
    "dtls": "data channels are a little slower, and need a peer that has SRTP",
    "rsa": "peers with an RSA key in their certificate cannot be answered",
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
        CANDIDATE: SimpleNamespace(**dict.fromkeys(aioice.Candidate.__init__.__code__.co_names)),
        CERTIFICATE: RTCCertificate,
        CONNECTION: aioice.Connection(ice_controlling=True),
        GATHERER: gatherer,
        # What an instance has is known without one.
        STUN_PROTOCOL: SimpleNamespace(
            **dict.fromkeys(
                [
                    *dir(StunProtocol),
                    *StunProtocol.__annotations__,
                    *StunProtocol.__init__.__code__.co_names,
                ]
            )
        ),
        ICE_TRANSPORT: RTCIceTransport(gatherer),
        PEER_CONNECTION: RTCPeerConnection(),
        # One cannot be made without a request, and a future.
        TRANSACTION: SimpleNamespace(**dict.fromkeys(Transaction.__init__.__code__.co_names)),
        DATA_CHANNEL: RTCDataChannel,
        SCTP_TRANSPORT: SimpleNamespace(
            **dict.fromkeys([*dir(RTCSctpTransport), *RTCSctpTransport.__init__.__code__.co_names])
        ),
        RTP_RECEIVER: SimpleNamespace(
            **dict.fromkeys([*dir(RTCRtpReceiver), *RTCRtpReceiver.__init__.__code__.co_names])
        ),
        RTP_SENDER: SimpleNamespace(
            **dict.fromkeys([*dir(RTCRtpSender), *RTCRtpSender.__init__.__code__.co_names])
        ),
        RTP_TRANSCEIVER: SimpleNamespace(
            **dict.fromkeys(RTCRtpTransceiver.__init__.__code__.co_names)
        ),
        RTP_ROUTER: RtpRouter(),
        STREAM_STATISTICS: StreamStatistics(clockrate=1),
        REMOTE_TRACK: SimpleNamespace(
            **dict.fromkeys(RemoteStreamTrack.__init__.__code__.co_names)
        ),
        DTLS_TRANSPORT: SimpleNamespace(
            **dict.fromkeys([*dir(RTCDtlsTransport), *RTCDtlsTransport.__init__.__code__.co_names])
        ),
        INBOUND_STREAM: InboundStream(),
        OPENSSL_CONNECTION: SSL.Connection(SSL.Context(SSL.DTLS_METHOD)),
        OPENSSL_LIBRARY: _util.lib,
    }
    return [
        f"{owner}.{name}"
        for owner, names in ATTRIBUTES[purpose].items()
        for name in names
        if not hasattr(owners[owner], name)
    ]

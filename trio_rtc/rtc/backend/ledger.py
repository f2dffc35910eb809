"""Private names of others that are touched, by what they are for.

Each name of aiortc, aioice and pyOpenSSL that is not public, or public and overridden, stands here;
`tests/rtc/backend/test_ledger.py` compares with the code. `patches` tells what of it can be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import aioice
import OpenSSL
from aioice.ice import StunProtocol
from aioice.stun import Transaction
from aioice.turn import TurnClientMixin, TurnTransport
from aiortc import (
    MediaStreamTrack,
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
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpreceiver import RemoteStreamTrack, StreamStatistics
from aiortc.rtcsctptransport import Chunk, InboundStream
from aiortc.rtp import HeaderExtensionsMap
from OpenSSL import SSL

from .purposes import Purpose

CERTIFICATE: Final = "RTCCertificate"
CANDIDATE: Final = "aioice.Candidate"
CONNECTION: Final = "aioice.Connection"
ICE: Final = "aioice.ice"
STUN_PROTOCOL: Final = "aioice.ice.StunProtocol"
GATHERER: Final = "RTCIceGatherer"
ICE_TRANSPORT: Final = "RTCIceTransport"
PEER_CONNECTION: Final = "RTCPeerConnection"
TRANSACTION: Final = "aioice.stun.Transaction"
TURN_CLIENT: Final = "aioice.turn.TurnClientMixin"
TURN_TRANSPORT: Final = "aioice.turn.TurnTransport"
DATA_CHANNEL: Final = "RTCDataChannel"
SCTP_TRANSPORT: Final = "RTCSctpTransport"
H264_ENCODER: Final = "H264Encoder"
VP8_ENCODER: Final = "Vp8Encoder"
RTP_RECEIVER: Final = "RTCRtpReceiver"
RTP_SENDER: Final = "RTCRtpSender"
RTP_TRANSCEIVER: Final = "RTCRtpTransceiver"
RTP_ROUTER: Final = "RtpRouter"
EXTENSIONS_MAP: Final = "HeaderExtensionsMap"
STREAM_STATISTICS: Final = "StreamStatistics"
REMOTE_TRACK: Final = "RemoteStreamTrack"
DTLS_TRANSPORT: Final = "RTCDtlsTransport"
INBOUND_STREAM: Final = "InboundStream"
CHUNK: Final = "Chunk"
TRACK: Final = "MediaStreamTrack"
OPENSSL: Final = "OpenSSL"
OPENSSL_CONNECTION: Final = "OpenSSL.SSL.Connection"
OPENSSL_LIBRARY: Final = "OpenSSL._util.lib"

_util: Any = getattr(OpenSSL, "_util", None)

OWNERS: Final[dict[str, object]] = {
    CANDIDATE: aioice.Candidate,
    CERTIFICATE: RTCCertificate,
    CHUNK: Chunk,
    CONNECTION: aioice.Connection,
    DATA_CHANNEL: RTCDataChannel,
    DTLS_TRANSPORT: RTCDtlsTransport,
    EXTENSIONS_MAP: HeaderExtensionsMap,
    GATHERER: RTCIceGatherer,
    ICE_TRANSPORT: RTCIceTransport,
    H264_ENCODER: H264Encoder,
    ICE: aioice.ice,
    INBOUND_STREAM: InboundStream,
    OPENSSL: OpenSSL,
    OPENSSL_CONNECTION: SSL.Connection,
    OPENSSL_LIBRARY: getattr(_util, "lib", None),
    PEER_CONNECTION: RTCPeerConnection,
    REMOTE_TRACK: RemoteStreamTrack,
    RTP_RECEIVER: RTCRtpReceiver,
    RTP_ROUTER: RtpRouter,
    RTP_SENDER: RTCRtpSender,
    RTP_TRANSCEIVER: RTCRtpTransceiver,
    SCTP_TRANSPORT: RTCSctpTransport,
    STREAM_STATISTICS: StreamStatistics,
    STUN_PROTOCOL: StunProtocol,
    TRACK: MediaStreamTrack,
    TRANSACTION: Transaction,
    TURN_CLIENT: TurnClientMixin,
    TURN_TRANSPORT: TurnTransport,
    VP8_ENCODER: Vp8Encoder,
}

ATTRIBUTES: Final[dict[Purpose, dict[str, Sequence[str]]]] = {
    "host_addresses": {
        CONNECTION: (
            "_local_candidates",
            "_local_candidates_end",
            "_local_candidates_start",
            "_local_password",
            "_local_username",
            "_protocols",
            "_transport_policy",
            "gather_candidates",
            "get_component_candidates",
        ),
        GATHERER: ("_connection",),
        PEER_CONNECTION: ("_RTCPeerConnection__createDtlsTransport",),
    },
    "trickle": {
        ICE: ("_mdns",),
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
        TURN_CLIENT: ("_send", "send_data"),
        TURN_TRANSPORT: ("_TurnTransport__inner_protocol",),
    },
    "path": {
        CANDIDATE: ("_network_host", "can_pair_with"),
        CONNECTION: (
            "_check_list",
            "_check_list_done",
            "_check_list_state",
            "_check_periodic",
            "_early_checks",
            "_early_checks_done",
            "_local_candidates_end",
            "_nominated",
            "_nominating",
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
            "close",
            "connect",
            "query_consent",
            "sort_check_list",
        ),
        TRANSACTION: ("_Transaction__addr", "_Transaction__request"),
        TURN_TRANSPORT: ("_TurnTransport__inner_protocol",),
        GATHERER: ("_connection",),
        ICE_TRANSPORT: (
            "_RTCIceTransport__monitor_task",
            "_RTCIceTransport__setState",
            "_connection",
            "_monitor",
            "_recv",
            "_send",
            "addRemoteCandidate",
        ),
    },
    "datagrams": {
        CANDIDATE: ("_network_host",),
        CONNECTION: ("_early_checks", "_protocols", "_remote_candidates", "data_received"),
        STUN_PROTOCOL: ("datagram_received", "local_candidate", "receiver", "transport"),
    },
    "rollback": {
        PEER_CONNECTION: (
            "_RTCPeerConnection__pendingLocalDescription",
            "_RTCPeerConnection__setSignalingState",
        ),
        RTP_TRANSCEIVER: ("_offerDirection", "_set_mid", "_set_mline_index"),
    },
    "early_open": {DATA_CHANNEL: ("_setId", "_setReadyState")},
    "codecs": {RTP_TRANSCEIVER: ("_codecs", "_preferred_codecs")},
    "numbering": {
        RTP_TRANSCEIVER: (
            "_codecs",
            "_get_mline_index",
            "_headerExtensions",
            "_preferred_codecs",
        ),
    },
    "recycling": {
        PEER_CONNECTION: ("_RTCPeerConnection__transceivers",),
        RTP_TRANSCEIVER: (
            "_RTCRtpTransceiver__receiver",
            "_RTCRtpTransceiver__sender",
            "_get_mline_index",
            "_set_mline_index",
            "_offerDirection",
        ),
        RTP_RECEIVER: ("_set_rtcp_ssrc",),
        RTP_SENDER: ("_ssrc", "_stream_id"),
    },
    "bitrate": {
        RTP_SENDER: ("_RTCRtpSender__encoder",),
        H264_ENCODER: ("buffer_data", "buffer_pts", "codec", "encode", "target_bitrate"),
        VP8_ENCODER: ("codec", "encode", "target_bitrate"),
    },
    "congestion": {
        DTLS_TRANSPORT: ("_register_rtp_sender", "_send_rtp", "stop"),
        EXTENSIONS_MAP: ("set",),
        RTP_SENDER: ("_RTCRtpSender__rtp_header_extensions_map",),
        RTP_TRANSCEIVER: ("_codecs", "_headerExtensions"),
    },
    "sender_reports": {
        RTP_SENDER: (
            "_RTCRtpSender__encoder",
            "_RTCRtpSender__ntp_timestamp",
            "_next_encoded_frame",
        ),
    },
    "retransmissions": {RTP_SENDER: ("_retransmit",)},
    "keyframes": {RTP_SENDER: ("_send_keyframe",)},
    "sound": {RTP_SENDER: ("_RTCRtpSender__encoder", "_enabled", "_next_encoded_frame")},
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
            "receive",
            "stop",
        ),
        DTLS_TRANSPORT: ("_register_rtp_receiver", "_rtp_router"),
        RTP_ROUTER: ("mid_table", "route_rtp", "ssrc_table", "unregister_receiver"),
        STREAM_STATISTICS: (
            "_clockrate",
            "_jitter_q4",
            "_last_arrival",
            "_last_timestamp",
            "add",
            "base_seq",
            "cycles",
            "max_seq",
        ),
        REMOTE_TRACK: ("_queue",),
    },
    "picture_limit": {
        RTP_RECEIVER: ("_RTCRtpReceiver__decoder_error", "_RTCRtpReceiver__decoder_queue"),
    },
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
    "statistics": {
        RTP_RECEIVER: ("_handle_rtp_packet",),
        DTLS_TRANSPORT: ("_get_stats",),
    },
    "sctp": {
        PEER_CONNECTION: ("_RTCPeerConnection__createSctpTransport",),
        SCTP_TRANSPORT: (
            "_abort",
            "_advertised_rwnd",
            "_association_state",
            "_data_channel_flush",
            "_data_channel_id",
            "_data_channel_queue",
            "_data_channels",
            "_get_inbound_stream",
            "_handle_data",
            "_inbound_streams",
            "_last_received_tsn",
            "_local_port",
            "_local_tsn",
            "_local_verification_tag",
            "_outbound_stream_seq",
            "_receive",
            "_receive_chunk",
            "_reconfig_deferred",
            "_reconfig_queue",
            "_reconfig_response_seq",
            "_remote_extensions",
            "_remote_port",
            "_remote_verification_tag",
            "_reset_deferred_streams",
            "_rto",
            "_send",
            "_send_chunk",
            "_send_sack",
            "_set_extensions",
            "_set_state",
            "_t1_chunk",
            "_t1_expired",
            "_t1_handle",
            "_transmit",
            "_transmit_reconfig",
        ),
        DTLS_TRANSPORT: ("_send_data",),
        DATA_CHANNEL: ("_addBufferedAmount", "_setId"),
        INBOUND_STREAM: (
            "add_chunk",
            "pop_messages",
            "prune_chunks",
            "reassembly",
            "sequence_number",
        ),
        CHUNK: ("__bytes__",),
    },
    "path_mtu": {
        CONNECTION: ("_nominated",),
        ICE_TRANSPORT: ("_connection",),
        STUN_PROTOCOL: ("transport",),
        CHUNK: ("type",),
    },
    "dtls": {
        PEER_CONNECTION: ("_RTCPeerConnection__createDtlsTransport",),
        DTLS_TRANSPORT: (
            "_RTCDtlsTransport__rx_bytes",
            "_RTCDtlsTransport__rx_packets",
            "_RTCDtlsTransport__tx_bytes",
            "_RTCDtlsTransport__tx_packets",
            "_data_receiver",
            "_handle_rtcp_data",
            "_handle_rtp_data",
            "_recv_next",
            "_send_data",
            "_setup_srtp",
            "_ssl",
            "_state",
            "_validate_peer_identity",
        ),
        OPENSSL: ("_util",),
        OPENSSL_CONNECTION: ("_from_ssl", "_into_ssl", "_raise_ssl_error", "_ssl"),
        OPENSSL_LIBRARY: ("BIO_read", "BIO_write", "SSL_read", "SSL_write"),
    },
    "rsa": {
        CERTIFICATE: ("_create_ssl_context", "getFingerprints"),
        PEER_CONNECTION: ("_RTCPeerConnection__certificates",),
    },
    "bundle": {RTP_TRANSCEIVER: ("_bundled",), SCTP_TRANSPORT: ("_bundled",)},
    "track_ids": {TRACK: ("_id",)},
}
"""For each purpose the owners, and the names of theirs that it needs."""

ELSEWHERE: Final[dict[str, dict[str, str]]] = {
    "asyncio": {
        "_get_running_loop": "whether a loop runs, without an error if not",
        "_set_running_loop": "a loop runs for a step of a Trio task, as its `run_forever` has it",
        "_read_ready": "the next datagram of a socket; without it they come one at a time",
        "_sock": "the socket of a transport, for several datagrams in one system call",
        "_make_self_pipe": "sockets by which a loop wakes itself; a simulation lets it have them",
    },
    "sys": {
        "_current_frames": "the line of a program that blocks in a simulation",
        "_getframe": "the line of a program that would leave a simulation",
    },
    "trio": {
        "_core": "where the scheduler is",
        "_run": "the scheduler, whose order a seed decides in a simulation",
        "_r": "what decides in which order tasks go on",
        "_ALLOW_DETERMINISTIC_SCHEDULING": "whether that alone decides",
    },
    "websockets.server.ServerProtocol": {
        "fail": "public; overridden, as its own errors come through it, to give them our reasons",
    },
}
"""What is touched of others than those three, and why; nobody asks whether it is there."""

"""Machines without I/O, and the tests that are theirs: what `scripts/mutants` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: Paths in the package, and those of tests.
MACHINES: Final[list[tuple[Sequence[str], Sequence[str]]]] = [
    (
        (
            *("wire/session", "wire/native", "wire/peerjs", "wire/names"),
            *("wire/rate", "wire/messages", "wire/binarypack"),
        ),
        (
            *("tests/wire", "tests/vectors", "tests/test_names.py"),
            *("tests/server/hub/test_names.py", "tests/server/hub/test_expiry.py"),
        ),
    ),
    (("wire/cpace",), ("tests/wire/test_cpace.py",)),
    (("wire/whip", "wire/whip_sdp"), ("tests/wire/test_whip.py", "tests/wire/test_whip_sdp.py")),
    (("wire/files",), ("tests/files/test_file_protocol.py", "tests/files/test_file_names.py")),
    (
        ("calls/negotiation", "calls/lifecycle"),
        ("tests/calls/test_negotiation.py", "tests/calls/test_lifecycle.py", "tests/vectors"),
    ),
    (("calls/admission",), ("tests/calls/test_admission.py",)),
    (("files/protocol",), ("tests/files/test_file_protocol.py",)),
    (
        (
            *("server/hub/*", "server/scheduling/deadlines", "server/scheduling/flush_batches"),
            *("server/scheduling/shares", "server/scheduling/steps"),
        ),
        (
            *(
                "tests/server/hub",
                "tests/server/test_presence.py",
                "tests/server/scheduling",
                "tests/wire/test_sessions.py",
            ),
            *("tests/test_names.py",),
        ),
    ),
    (
        (
            *("server/http/requests", "server/http/serving/request_parser"),
            *("server/http/serving/request_builder", "server/http/serving/request_heads"),
            *("server/http/origins", "server/http/hosts"),
            *("server/http/addresses", "server/http/proxies", "server/http/proxy_protocol"),
            "server/http/responses",
        ),
        (
            *("tests/server/http/test_requests.py", "tests/server/http/test_malformed.py"),
            *("tests/server/http/test_origins.py", "tests/server/http/test_hosts.py"),
            *("tests/server/http/test_addresses.py", "tests/server/test_proxies.py"),
        ),
    ),
    (("server/authorize",), ("tests/server/test_authorize.py",)),
    (
        (
            *("rtc/channels/credit", "rtc/channels/framing", "rtc/channels/reassembly"),
            *("rtc/channels/inbox", "rtc/channels/budget", "rtc/channels/extension"),
        ),
        (
            *("tests/rtc/channels/test_channel_framing.py", "tests/rtc/channels/test_bad_input.py"),
            *("tests/rtc/channels/test_channel_inbox.py", "tests/rtc/channels/test_credit.py"),
            *("tests/rtc/channels/test_growing_window.py", "tests/rtc/channels/test_reassembly.py"),
        ),
    ),
    (("rtc/backend/sctp/path_mtu",), ("tests/rtc/backend/sctp/test_path_mtu.py",)),
    (("rtc/backend/sctp/receive_buffer",), ("tests/rtc/backend/sctp/test_receive_buffer.py",)),
    (("rtc/backend/sctp/machine/*",), ("tests/rtc/backend/sctp/machine",)),
    (
        (
            *("rtc/backend/media/congestion/arrival_record",),
            *("rtc/backend/media/congestion/bandwidth_estimate",),
            *("rtc/backend/media/congestion/delay_gradient",),
            *("rtc/backend/media/congestion/media_pacer",),
            *("rtc/backend/media/congestion/rate_control",),
            *("rtc/backend/media/congestion/sent_packets",),
            *("rtc/backend/media/congestion/transport_feedback",),
        ),
        ("tests/rtc/backend/media/congestion",),
    ),
    (
        ("rtc/backend/jsep/rejections", "rtc/backend/jsep/descriptions"),
        (
            "tests/rtc/backend/jsep/test_rejections.py",
            "tests/rtc/backend/jsep/test_descriptions.py",
            "tests/rtc/backend/jsep/test_description_text.py",
        ),
    ),
    (
        ("rtc/backend/jsep/bundling", "rtc/backend/jsep/section_text"),
        (
            *(
                "tests/rtc/backend/jsep/test_bundle_text.py",
                "tests/rtc/backend/jsep/test_bundling.py",
            ),
            "tests/rtc/backend/jsep/test_section_text.py",
        ),
    ),
    (
        ("rtc/backend/jsep/numbering",),
        (
            "tests/rtc/backend/jsep/test_numbering.py",
            "tests/rtc/backend/jsep/test_payload_types.py",
        ),
    ),
    (("rtc/ice_url",), ("tests/rtc/test_ice_url.py", "tests/rtc/test_ice_server.py")),
    (
        (
            *("rtc/backend/media/receiving/minimum", "rtc/backend/media/receiving/nack"),
            *("rtc/backend/media/receiving/sequence", "rtc/backend/media/receiving/timeline"),
            *("rtc/backend/media/receiving/source", "rtc/backend/media/receiving/stream_clock"),
            "rtc/backend/media/receiving/drift",
            *(
                "rtc/backend/media/receiving/sound/playout",
                "rtc/backend/media/receiving/sound/delay",
            ),
            "rtc/backend/media/receiving/pictures/keyframes",
            "rtc/backend/media/receiving/pictures/picture_buffer",
            "rtc/backend/media/receiving/pictures/picture_packets",
            "rtc/backend/media/receiving/pictures/frame_size",
        ),
        (
            "tests/rtc/backend/media/test_frame_size.py",
            "tests/rtc/backend/media/test_playout.py",
            "tests/rtc/backend/media/test_drift.py",
            "tests/rtc/backend/media/test_receiving_edges.py",
            "tests/rtc/backend/media/test_buffer_edges.py",
            "tests/rtc/backend/media/test_stream_clock.py",
            *(
                "tests/rtc/backend/media/test_picture_buffer.py",
                "tests/rtc/backend/media/test_active_source.py",
            ),
            "tests/rtc/backend/media/test_peer_timeline.py",
        ),
    ),
    (
        ("signaling/event_queue", "signaling/client_session"),
        (
            *("tests/signaling/test_event_queue.py", "tests/signaling/test_event_places.py"),
            "tests/signaling/test_client_session.py",
            *("tests/wire/test_sessions.py", "tests/vectors/test_session.py"),
        ),
    ),
]

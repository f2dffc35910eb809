"""Statistics of a connection while it stands, as typed values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CandidateType = Literal["host", "srflx", "prflx", "relay"]
"""W3C RTCIceCandidateType."""


@dataclass(frozen=True, slots=True)
class CandidateStats:
    """One end of the pair in use (W3C RTCIceCandidateStats).

    Attributes:
        type: ``host``; ``srflx``: as a STUN server sees it; ``prflx``: as the other side sees
            it, and no message has said so far; ``relay``: at a TURN server.
        address: the IP address, or the ``.local`` name that hides it.
        port: of ``address``.
        protocol: ``udp`` or ``tcp``; for a relay, between it and the other side.
    """

    type: CandidateType
    address: str
    port: int
    protocol: str = "udp"


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """One data channel (W3C RTCDataChannelStats).

    Attributes:
        label: of the channel, as both sides see it.
        id: its SCTP stream, 0 to 65534; None until it has one.
        messages_sent: messages that `DataChannel.send` has taken.
        bytes_sent: of these messages.
        messages_received: messages that arrived.
        bytes_received: of messages that arrived, also those that nobody has read yet.
        current_buffer_used: bytes on their way, at most: not yet read by a peer of ours, or not
            yet handed to the network for another.
        max_buffer_size: bytes above which `DataChannel.send` waits.
        tasks_waiting_send: tasks in `DataChannel.send`.
        tasks_waiting_receive: tasks in `DataChannel.receive`.
        unread_messages: messages that arrived, and that nobody has read yet.
        unread_bytes: of these.
        messages_dropped: messages that nobody has read in time, on a channel that may lose some.
    """

    label: str
    id: int | None
    messages_sent: int
    bytes_sent: int
    messages_received: int
    bytes_received: int
    current_buffer_used: int
    max_buffer_size: int
    tasks_waiting_send: int
    tasks_waiting_receive: int
    unread_messages: int
    unread_bytes: int
    messages_dropped: int


@dataclass(frozen=True, slots=True)
class TrackStats:
    """One track in one direction (W3C RTCSentRtpStreamStats, RTCReceivedRtpStreamStats).

    Attributes:
        kind: ``audio`` or ``video``.
        id: of the track, as `MediaTrack.id`.
        direction: ``sent`` or ``received``, seen from us.
        packets: RTP packets so far.
        bytes: of their payloads.
        packets_lost: how many did not arrive, as far as the receiving side has told.
        jitter: of the arrival times, in units of the RTP clock; None for what we send.
        frames_refused: pictures that came and were not decoded: over the limit of
            ``max_frame_pixels``, or more than can be decoded.
    """

    kind: Literal["audio", "video"]
    id: str
    direction: Literal["sent", "received"]
    packets: int
    bytes: int
    packets_lost: int
    jitter: int | None
    frames_refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStats:
    """A connection at one moment.

    Attributes:
        state: as `PeerConnection.connection_state`.
        local_candidate: our end of the pair in use; None without a connection.
        remote_candidate: the other side's end.
        round_trip_time: to the other side and back, measured now, in seconds; None without an
            answer.
        mtu: bytes of SCTP that the path is known to carry in one packet (W3C
            RTCSctpTransportStats); None without data channels.
        packets_sent: of the transport, with all that runs over it; so the next three.
        bytes_sent: of these packets.
        packets_received: likewise.
        bytes_received: of these packets.
        channels: the data channels that are open.
        tracks: in both directions.
    """

    state: str
    local_candidate: CandidateStats | None
    remote_candidate: CandidateStats | None
    round_trip_time: float | None
    mtu: int | None
    packets_sent: int
    bytes_sent: int
    packets_received: int
    bytes_received: int
    channels: Sequence[ChannelStats]
    tracks: Sequence[TrackStats]

"""Statistics of a connection (W3C WebRTC statistics), on the loop's side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.stats import RTCInboundRtpStreamStats, RTCOutboundRtpStreamStats, RTCTransportStats

from ..statistics import CandidateStats, CandidateType, TrackStats
from .ice.restartable import RestartableIceTransport
from .media.receiving.pictures.picture_limit import PictureLimit
from .patches import can
from .sctp import association as sctp


@dataclass(frozen=True, slots=True)
class TransportStats:
    """The part of `ConnectionStats` that the loop knows."""

    local_candidate: CandidateStats | None = None
    remote_candidate: CandidateStats | None = None
    round_trip_time: float | None = None
    mtu: int | None = None
    packets_sent: int = 0
    bytes_sent: int = 0
    packets_received: int = 0
    bytes_received: int = 0
    tracks: list[TrackStats] = field(default_factory=list)


class ConnectionStatistics:
    """Collects them for a connection, and counts what aiortc 1.16 does not."""

    def __init__(self, connection: RTCPeerConnection, picture_limit: PictureLimit):
        self._pc = connection
        self._picture_limit = picture_limit
        self._received_bytes: WeakKeyDictionary[RTCRtpReceiver, int] = WeakKeyDictionary()

    def count_bytes(self) -> None:
        """Count what each receiver gets from here on."""
        if not can("statistics"):
            return
        for receiver in self._pc.getReceivers():
            if receiver not in self._received_bytes:
                self._received_bytes[receiver] = 0
                self._count_bytes(receiver)

    def _count_bytes(self, receiver: Any) -> None:
        async def count_and_handle(packet: Any, arrival_time_ms: int) -> None:
            self._received_bytes[receiver] += len(packet.payload)
            # Of the class that it has by then.
            handle = type(receiver)._handle_rtp_packet
            await handle(receiver, packet, arrival_time_ms=arrival_time_ms)

        receiver._handle_rtp_packet = count_and_handle

    async def collect(self, paths: Sequence[RestartableIceTransport]) -> TransportStats:
        """Ask the other side how long the way is, and count."""
        local = remote = round_trip_time = None
        if paths:
            [path, *_] = paths
            round_trip_time = await path.check()
            local, remote = _candidates(path)
        # In a bundle all sections name the one transport.
        transports = {
            report.id: report
            for transport in self._dtls_transports()
            for report in transport._get_stats().values()
            if isinstance(report, RTCTransportStats)
        }.values()
        return TransportStats(
            local_candidate=local,
            remote_candidate=remote,
            round_trip_time=round_trip_time,
            mtu=None if self._pc.sctp is None else sctp.mtu(self._pc.sctp),
            packets_sent=sum(report.packetsSent for report in transports),
            bytes_sent=sum(report.bytesSent for report in transports),
            packets_received=sum(report.packetsReceived for report in transports),
            bytes_received=sum(report.bytesReceived for report in transports),
            tracks=[
                *[s for sender in self._pc.getSenders() for s in await _sent(sender)],
                *[s for r in self._pc.getReceivers() for s in await self._received(r)],
            ],
        )

    def _dtls_transports(self) -> list[Any]:
        if not can("statistics"):
            return []
        transports = [transceiver.receiver.transport for transceiver in self._pc.getTransceivers()]
        if self._pc.sctp is not None:
            transports.append(self._pc.sctp.transport)
        return transports

    async def _received(self, receiver: RTCRtpReceiver) -> list[TrackStats]:
        return [
            TrackStats(
                kind=cast(Any, report.kind),
                id=receiver.track.id,
                direction="received",
                packets=report.packetsReceived,
                bytes=self._received_bytes.get(receiver, 0),
                packets_lost=report.packetsLost,
                jitter=report.jitter,
                frames_refused=self._picture_limit.refused(receiver),
            )
            for report in (await receiver.getStats()).values()
            if isinstance(report, RTCInboundRtpStreamStats) and receiver.track is not None
        ]


async def _sent(sender: RTCRtpSender) -> list[TrackStats]:
    reports = list((await sender.getStats()).values())
    # What the other side has told of it.
    lost = [getattr(report, "packetsLost", 0) for report in reports]
    return [
        TrackStats(
            kind=cast(Any, report.kind),
            id=sender.track.id,
            direction="sent",
            packets=report.packetsSent,
            bytes=report.bytesSent,
            packets_lost=sum(lost),
            jitter=None,
        )
        for report in reports
        if isinstance(report, RTCOutboundRtpStreamStats) and sender.track is not None
    ]


def _candidates(
    path: RestartableIceTransport,
) -> tuple[CandidateStats | None, CandidateStats | None]:
    pair = path.selected_pair()
    if pair is None:
        return None, None
    remote = pair.remote_candidate
    host, port = path.mapped_address or (pair.local_candidate.host, pair.local_candidate.port)
    # Packets of a host candidate that cross a NAT come from another one, as the other side
    # sees it (RFC 8445, section 7.2.5.3.2).
    known = [c for c in path.local_candidates() if (c.host, c.port) == (host, port)]
    kind: CandidateType = known[0].type if known else "prflx"
    # One that was learnt from a check is of UDP to aioice, whatever the check came over.
    protocol = pair.local_candidate.transport
    return (
        CandidateStats(kind, host, port, protocol),
        CandidateStats(remote.type, remote.host, remote.port, protocol),
    )

"""Trials of what is private: each does in small, in memory, what its purpose does in a call.

That a name is there does not tell that it still means the same. Purposes that would need a loop,
or a connection, have none here: the tests of each tell about these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

import aioice
import OpenSSL
from aioice.ice import CandidatePair, TransportPolicy
from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCIceGatherer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
)
from aiortc.rtcdtlstransport import SRTP_PROFILES, RtpRouter
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtcsctptransport import (
    SCTP_DATA_FIRST_FRAG,
    SCTP_DATA_LAST_FRAG,
    Chunk,
    DataChunk,
    InboundStream,
    parse_packet,
    serialize_packet,
)
from aiortc.rtp import RtpPacket
from OpenSSL import SSL

from .purposes import Purpose

_HOST: Final = "192.0.2.1"


def _agent() -> Any:
    return aioice.Connection(ice_controlling=True)


def _candidate() -> Any:
    return aioice.Candidate.from_sdp(f"1 1 udp 1 {_HOST} 9 typ host")


def _transceiver() -> Any:
    nobody: Any = SimpleNamespace()
    return RTCRtpTransceiver("audio", nobody, nobody)


def host_addresses() -> bool:
    gatherer: Any = RTCIceGatherer(iceServers=[])
    return bool(gatherer._connection._transport_policy == TransportPolicy.ALL)


def trickle() -> bool:
    agent = _agent()
    agent._pair_remote_candidate(_candidate())
    agent.sort_check_list()
    lists = [agent._protocols, agent._local_candidates, agent._remote_candidates]
    return lists == [[], [], []] and agent._remote_candidates_resolving == 0


def path() -> bool:
    agent = _agent()
    agent.remote_username = "theirs"
    pair: Any = CandidatePair(
        SimpleNamespace(local_candidate=_candidate()),  # type: ignore[arg-type]
        _candidate(),
    )
    request = agent.build_request(pair, nominate=False)
    agent._check_list.append(pair)
    agent.sort_check_list()
    agent._unfreeze_initial()
    agent._check_list_done = True
    transport: Any = RTCIceTransport(RTCIceGatherer(iceServers=[]))
    transport._RTCIceTransport__setState("completed")
    return bool(
        request.attributes["USERNAME"] == f"theirs:{agent.local_username}"
        and pair.state is CandidatePair.State.WAITING
        and not agent._check_periodic()
        and agent._nominated == {}
        and transport.state == "completed"
    )


def datagrams() -> bool:
    agent = _agent()
    return bool(_candidate()._network_host == _HOST and not agent._early_checks)


def rollback() -> bool:
    connection: Any = RTCPeerConnection()
    connection._RTCPeerConnection__setSignalingState("have-local-offer")
    transceiver = _transceiver()
    transceiver._set_mid("1")
    return bool(connection.signalingState == "have-local-offer" and transceiver.mid == "1")


def _opened() -> RTCDataChannel:
    transport: Any = SimpleNamespace(_data_channel_open=lambda channel: None)
    return RTCDataChannel(transport, RTCDataChannelParameters())


def early_open() -> bool:
    channel = _opened()
    told: list[bool] = []
    channel.on("open", lambda: told.append(True))
    channel._setId(4)
    channel._setReadyState("open")
    return (channel.id, channel.readyState, told) == (4, "open", [True])


def streams() -> bool:
    channel = _opened()
    channel._setId(4)
    return channel.id == 4


def codecs() -> bool:
    transceiver = _transceiver()
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    assert capabilities is not None
    first = capabilities.codecs[:1]
    transceiver.setCodecPreferences(first)
    return bool(transceiver._preferred_codecs == first and transceiver._codecs == [])


def numbering() -> bool:
    transceiver = _transceiver()
    transceiver._set_mline_index(3)
    return bool(transceiver._get_mline_index() == 3 and transceiver._headerExtensions == [])


def recycling() -> bool:
    connection: Any = RTCPeerConnection()
    transceiver = _transceiver()
    connection._RTCPeerConnection__transceivers.append(transceiver)
    other = SimpleNamespace()
    transceiver._RTCRtpTransceiver__sender = transceiver._RTCRtpTransceiver__receiver = other
    transceiver._set_mline_index(-1)
    return bool(
        connection.getTransceivers() == [transceiver]
        and transceiver.sender is transceiver.receiver is other
        and transceiver._get_mline_index() == -1
    )


def bundle() -> bool:
    return _transceiver()._bundled is False


def track_ids() -> bool:
    class Track(MediaStreamTrack):
        async def recv(self) -> Any:
            raise NotImplementedError

    track = Track()
    track._id = "ours"
    return track.id == "ours"


def sound() -> bool:
    frame = RTCEncodedFrame([b"payload"], 960, -30)
    return (frame.payloads, frame.timestamp, frame.audio_level) == ([b"payload"], 960, -30)


def receiving() -> bool:
    private: Any = StreamStatistics(clockrate=8000)
    for number in range(2):
        private.add(RtpPacket(sequence_number=number, timestamp=160 * number, ssrc=1))
    router = RtpRouter()
    return bool(
        private._clockrate == 8000
        and private._last_timestamp == 160
        and private._last_arrival is not None
        and (private.cycles, private.base_seq, private.max_seq) == (0, 0, 1)
        and (router.mid_table, router.ssrc_table) == ({}, {})
        and router.route_rtp(RtpPacket(ssrc=1)) is None
    )


def sctp() -> bool:
    chunk = DataChunk(flags=SCTP_DATA_FIRST_FRAG | SCTP_DATA_LAST_FRAG)
    chunk.protocol, chunk.user_data = 51, b"text"
    *ports_and_tag, (parsed,) = parse_packet(serialize_packet(5000, 5001, 7, chunk))
    assert isinstance(parsed, DataChunk)
    stream = InboundStream()
    stream.add_chunk(parsed)
    messages = list(stream.pop_messages())
    return (ports_and_tag, messages) == ([5000, 5001, 7], [(0, 51, b"text")])


def path_mtu() -> bool:
    chunk = Chunk(body=bytes(4))
    chunk.type = 0x84
    return bytes(chunk) == bytes([0x84, 0, 0, 8, 0, 0, 0, 0])


def dtls() -> bool:
    connection: Any = SSL.Connection(SSL.Context(SSL.DTLS_METHOD))
    connection.set_connect_state()
    lib, ffi = OpenSSL._util.lib, OpenSSL._util.ffi
    buffer = ffi.new("char[]", 2048)
    length = lib.SSL_read(connection._ssl, buffer, 2048)
    try:
        connection._raise_ssl_error(connection._ssl, length)
    except SSL.WantReadError:
        hello = lib.BIO_read(connection._from_ssl, buffer, 2048)
        # The first byte is that of a handshake record (RFC 6347, section 4.3.1).
        written = lib.BIO_write(connection._into_ssl, b"noise", 5)
        return bool(hello > 0 and ffi.buffer(buffer)[0] == b"\x16" and written == 5)
    return False


def rsa() -> bool:
    context = RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES)
    context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256")
    return SSL.Connection(context).get_cipher_list() != []


TRIALS: Final[Mapping[Purpose, Callable[[], bool]]] = {
    "host_addresses": host_addresses,
    "trickle": trickle,
    "path": path,
    "datagrams": datagrams,
    "rollback": rollback,
    "early_open": early_open,
    "streams": streams,
    "codecs": codecs,
    "numbering": numbering,
    "recycling": recycling,
    "bundle": bundle,
    "track_ids": track_ids,
    "sound": sound,
    "receiving": receiving,
    "sctp": sctp,
    "path_mtu": path_mtu,
    "dtls": dtls,
    "rsa": rsa,
}

"""DTLS with one call of OpenSSL's for each packet in each direction, and one for its bytes.

pyOpenSSL checks and copies more than that, and aiortc 1.16 reads what there is to send after each
packet that comes, where nothing is an exception: together they took two thirds of the time of DTLS.
And it fails without SRTP, which peers for data channels only have no reason to ask for; it ends
where a packet of media cannot be read; and who tells of two certificates is a stranger to it. What
this needs of them that is not public is listed in `ledger`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, Protocol, cast

import OpenSSL
from aiortc import RTCDtlsParameters, RTCDtlsTransport, RTCIceTransport, RTCPeerConnection
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpSendParameters
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from ....errors import CallError
from ....world import world
from ..patches import can
from .fingerprints import decisive
from .flights import Flights
from .records import EXPANSION, LONGEST

logger = logging.getLogger("trio_rtc.rtc")

_util: Any = getattr(OpenSSL, "_util", None)

_APPLICATION_DATA: Final = 23
"""The first byte of a record of data (RFC 6347, section 4.1; RFC 5246, section 6.2.1)."""


async def send_together(transport: RTCDtlsTransport, messages: Sequence[bytes]) -> None:
    """Send messages, each in a datagram, in as few system calls as can be.

    Raises:
        ConnectionError: there is no connection.
    """
    if isinstance(transport, _DtlsTransport):
        await transport.send_together(messages)
        return
    for message in messages:
        await transport._send_data(message)


class PathOfMedia(Protocol):
    """What the transport of media tells of its packets."""

    def configure(self, extensions: Sequence[RTCRtpHeaderExtensionParameters]) -> None:
        """Learn what was negotiated for a sender."""

    def take(self, packet: bytes) -> bool:
        """Send a packet by `send_now` when its time has come; False if it is not for this."""

    def received_rtcp(self, data: bytes) -> bytes:
        """Take what is for it out of a compound packet of RTCP; return the rest."""

    def close(self) -> None:
        """The transport stops."""


def install(
    connection: RTCPeerConnection,
    has_media: Callable[[], bool],
    round_trip: Callable[[RTCIceTransport], float | None],
    verify: Callable[[bytes], bool] | None = None,
    open_path: Callable[[RTCDtlsTransport], PathOfMedia | None] = lambda transport: None,
) -> None:
    """Have the transports that a connection makes become some of ours.

    Args:
        connection: that of aiortc.
        has_media: whether media have been negotiated, which need SRTP.
        round_trip: how long it takes to the other side and back, in seconds, if that is known.
        verify: takes the certificate of the other side (DER) or not, whatever its fingerprint is.
        open_path: makes what is told of the media of a transport, if there is to be any.

    Raises:
        CallError: ``not_possible``: this release of aiortc does not ask anybody.
    """
    if not can("dtls"):
        if verify is not None:
            raise CallError("aiortc asks nobody", code="not_possible", fault="local")
        return
    private: Any = connection
    create = private._RTCPeerConnection__createDtlsTransport

    def create_ours() -> RTCDtlsTransport:
        transport: Any = create()
        transport.__class__ = _DtlsTransport
        transport._has_media = has_media
        transport._verify = verify
        transport._round_trip = partial(round_trip, transport.transport)
        transport.media_path = open_path(transport)
        return cast(RTCDtlsTransport, transport)

    private._RTCPeerConnection__createDtlsTransport = create_ours


def longest_record() -> int:
    """Bytes that we take in a record: aiortc by itself reads 1 500, and goes astray after more."""
    return LONGEST if can("dtls") else 0


class BurstPath(Protocol):
    """A path that takes, and has, several packets at once: ``bursts`` of an ICE transport."""

    def take(self, first: int) -> bytes | None:
        """The next packet that has come, if there is one, and it begins with this byte."""

    async def send_together(self, datagrams: Sequence[bytes]) -> None:
        """Send several, in as few system calls as can be."""


class _DtlsTransport(RTCDtlsTransport):
    _connection: _MemoryConnection | None = None
    _has_media: Callable[[], bool]
    _verify: Callable[[bytes], bool] | None
    _round_trip: Callable[[], float | None]
    media_path: PathOfMedia | None = None
    _RTCDtlsTransport__rx_bytes: int
    _RTCDtlsTransport__rx_packets: int
    _RTCDtlsTransport__tx_bytes: int
    _RTCDtlsTransport__tx_packets: int

    @property
    def _ssl(self) -> Any:
        return self._connection

    @_ssl.setter
    def _ssl(self, connection: Any) -> None:
        self._connection = _MemoryConnection(
            connection, Flights(self._round_trip()), asyncio.get_running_loop().time
        )

    def _setup_srtp(self) -> None:
        # aiortc 1.16 fails without.
        if self._ssl.get_selected_srtp_profile() or self._has_media():
            super()._setup_srtp()

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:  # noqa: N803
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if self._verify is not None:
            if not self._verify(certificate.public_bytes(Encoding.DER)):
                self._set_state(State.FAILED)
            return
        fingerprints = decisive(remoteParameters.fingerprints, certificate)
        super()._validate_peer_identity(RTCDtlsParameters(fingerprints, remoteParameters.role))

    async def _recv_next(self) -> None:
        """Take the next packet, and what waits behind it."""
        await super()._recv_next()
        connection, receiver, path = self._connection, self._data_receiver, self._burst_path
        if connection is None or receiver is None or path is None or not connection.is_done:
            return
        # What is no record of data is left to aiortc.
        while (data := path.take(_APPLICATION_DATA)) is not None:
            self._RTCDtlsTransport__rx_bytes += len(data)
            self._RTCDtlsTransport__rx_packets += 1
            message = connection.unprotect(data)
            if message:
                await receiver._handle_data(message)

    @property
    def _burst_path(self) -> BurstPath | None:
        path: BurstPath | None = getattr(self.transport, "bursts", None)
        return path

    async def _send_data(self, data: bytes) -> None:
        connection = self._connection
        if self._state != State.CONNECTED or connection is None:
            raise ConnectionError("there is no DTLS connection")
        record = connection.protect(data)
        self._RTCDtlsTransport__tx_bytes += len(record)
        self._RTCDtlsTransport__tx_packets += 1
        await self.transport._send(record)

    async def send_together(self, messages: Sequence[bytes]) -> None:
        """Send messages, each in a datagram, in as few system calls as can be.

        Raises:
            ConnectionError: there is no connection.
            SSL.Error: it cannot be used any more.
        """
        connection = self._connection
        if self._state != State.CONNECTED or connection is None:
            raise ConnectionError("there is no DTLS connection")
        records = [connection.protect(message) for message in messages]
        self._RTCDtlsTransport__tx_bytes += sum(map(len, records))
        self._RTCDtlsTransport__tx_packets += len(records)
        path = self._burst_path
        if path is not None:
            await path.send_together(records)
        else:
            for record in records:
                await self.transport._send(record)

    # What raises there would end the transport, and with it the call.

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        with _passing_over("RTP"):
            await super()._handle_rtp_data(data, arrival_time_ms)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        with _passing_over("RTCP"):
            if self.media_path is not None:
                data = self.media_path.received_rtcp(data)
            await super()._handle_rtcp_data(data)

    def _register_rtp_sender(self, sender: Any, parameters: RTCRtpSendParameters) -> None:
        super()._register_rtp_sender(sender, parameters)
        if self.media_path is not None:
            self.media_path.configure(parameters.headerExtensions)

    async def _send_rtp(self, data: bytes) -> None:
        path = self.media_path if self.state == "connected" else None
        if path is None or not path.take(data):
            await self.send_now(data)

    async def send_now(self, data: bytes) -> None:
        """Send a packet of RTP or RTCP that has waited for its time, or has none.

        Raises:
            ConnectionError: the transport is not connected.
        """
        await super()._send_rtp(data)

    async def stop(self) -> None:
        if self.media_path is not None:
            self.media_path.close()
        await super().stop()


@contextmanager
def _passing_over(protocol: str) -> Iterator[None]:
    """A block for a packet that aiortc 1.16 may fail to read, as one whose lengths are wrong."""
    try:
        yield
    except (struct.error, ValueError, LookupError) as error:
        logger.debug("a packet of %s cannot be read: %s", protocol, error)


class _MemoryConnection:
    """A `SSL.Connection` over memory, of which only what fails goes through pyOpenSSL.

    Attributes:
        is_done: whether the handshake is over.
    """

    def __init__(self, connection: SSL.Connection, flights: Flights, clock: Callable[[], float]):
        private: Any = connection
        self._flights = flights
        self._now = clock
        # OpenSSL's own timer is as good as any for the same reason, but in a simulation.
        self._has_own_timer = world().network is None
        self._is_server = self.is_done = False
        self._connection = connection
        self._ssl, self._into, self._from = private._ssl, private._into_ssl, private._from_ssl
        self._raise_error = private._raise_ssl_error
        self._library = _util.lib
        self._buffer = _util.ffi.new("char[]", LONGEST + EXPANSION)
        self._view = _util.ffi.buffer(self._buffer)
        self._has_sent = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def set_accept_state(self) -> None:
        """Be the server."""
        self._is_server = True
        self._connection.set_accept_state()

    def do_handshake(self) -> None:
        """Go on with the handshake.

        Raises:
            SSL.Error: as `SSL.Connection.do_handshake`; `SSL.WantReadError` until it is over.
        """
        self._connection.do_handshake()
        self.is_done = True
        # In a full handshake the server has the last word (RFC 6347, section 4.2.4).
        self._flights.finish(answered=not self._is_server)

    def DTLSv1_get_timeout(self) -> float | None:  # noqa: N802
        """Seconds until a flight is to be sent again; None if none is."""
        due = self._flights.due
        if self.is_done or due == math.inf:
            return None
        left = max(due - self._now(), 0.0)
        if self._has_own_timer and (own := self._connection.DTLSv1_get_timeout()) is not None:
            left = min(left, own)
        return left

    def DTLSv1_handle_timeout(self) -> bool:  # noqa: N802
        """Send a flight again: `bio_read` gives it.

        OpenSSL makes it anew, with numbers that are no replay to whoever has it already.
        """
        self._flights.expired(self._now())
        return bool(self._has_own_timer and self._connection.DTLSv1_handle_timeout())

    def bio_write(self, data: bytes) -> int:
        """Take what has come from the network."""
        if data[:1] < b"\x17":
            # None of the messages that follow the handshake.
            self._flights.received(data, self._now())
        written: int = _util.lib.BIO_write(self._into, data, len(data))
        return written if written == len(data) else self._connection.bio_write(data)

    def recv(self, size: int) -> bytes:
        """What it says in a record, decrypted, of whatever size: aiortc asks for less.

        Raises:
            SSL.Error: as `SSL.Connection.recv`.
        """
        length = _util.lib.SSL_read(self._ssl, self._buffer, LONGEST)
        if length <= 0:
            self._raise_error(self._ssl, length)
        data: bytes = self._view[:length]
        return data

    def send(self, data: bytes) -> int:
        """Encrypt a message for the other side.

        Raises:
            SSL.Error: as `SSL.Connection.send`.
        """
        self._has_sent = True
        written: int = self._library.SSL_write(self._ssl, data, len(data))
        if written <= 0:
            self._raise_error(self._ssl, written)
        return written

    def protect(self, data: bytes) -> bytes:
        """The record that carries a message, once the handshake is over.

        Raises:
            SSL.Error: as `SSL.Connection.send`.
        """
        self.send(data)
        length = self._library.BIO_read(self._from, self._buffer, LONGEST + EXPANSION)
        record: bytes = self._view[: max(length, 0)]
        return record

    def unprotect(self, record: bytes) -> bytes:
        """The message that a record of data carries; nothing if it is none of the other side's."""
        library = self._library
        if library.BIO_write(self._into, record, len(record)) != len(record):
            return b""
        length = library.SSL_read(self._ssl, self._buffer, LONGEST)
        if length <= 0:
            with suppress(SSL.Error):
                self._raise_error(self._ssl, length)
            return b""
        message: bytes = self._view[:length]
        return message

    def bio_read(self, size: int) -> bytes:
        """What there is to be sent; nothing, and no exception, if there is nothing.

        After the handshake that is a record, of whatever size: aiortc asks for less.
        """
        room = LONGEST + EXPANSION
        length = _util.lib.BIO_read(
            self._from, self._buffer, room if self._has_sent else min(size, room)
        )
        data: bytes = self._view[: max(length, 0)]
        if self.is_done:
            return data or self._flights.take()
        return self._flight(data)

    def _flight(self, data: bytes) -> bytes:
        """What is sent of the handshake: what OpenSSL gives, or what is sent again."""
        if data and not self._has_own_timer:
            # Its timer may have seen how long this simulation takes: with the next flight comes
            # the last one, too.
            data = self._flights.unsent(data)
        if data:
            self._flights.sent(data, self._now())
            return data
        return self._flights.take()

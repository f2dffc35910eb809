"""DTLS with one call of OpenSSL's for each packet in each direction, and one for its bytes.

pyOpenSSL checks and copies more than that, and aiortc 1.16 reads what there is to send after each
packet that comes, where nothing is an exception: together they took two thirds of the time of DTLS.
And it fails without SRTP, which peers for data channels only have no reason to ask for, and ends
where a packet of media cannot be read. What this needs of them that is not public is listed in
`private`.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import OpenSSL
from aiortc import RTCDtlsTransport, RTCPeerConnection
from OpenSSL import SSL

from ..patches import can

logger = logging.getLogger("trio_rtc.rtc")

_util: Any = getattr(OpenSSL, "_util", None)

LONGEST: Final = 16 * 1024
"""Bytes that a record carries at most (RFC 6347, section 4.1)."""

EXPANSION: Final = 13 + 1024
"""Bytes that its header and a cipher may add to that (RFC 6347, sections 4.1 and 4.1.2.1)."""


def install(connection: RTCPeerConnection, has_media: Callable[[], bool]) -> None:
    """Have the transports that a connection makes become some of ours.

    Args:
        connection: that of aiortc.
        has_media: whether media have been negotiated, which need SRTP.
    """
    if not can("dtls"):
        return
    private: Any = connection
    create = private._RTCPeerConnection__createDtlsTransport

    def create_ours() -> RTCDtlsTransport:
        transport: Any = create()
        transport.__class__ = _DtlsTransport
        transport._has_media = has_media
        return cast(RTCDtlsTransport, transport)

    private._RTCPeerConnection__createDtlsTransport = create_ours


def longest_record() -> int:
    """Bytes that we take in a record: aiortc by itself reads 1 500, and goes astray after more."""
    return LONGEST if can("dtls") else 0


class _DtlsTransport(RTCDtlsTransport):
    _connection: _MemoryConnection | None = None
    _has_media: Callable[[], bool]

    @property
    def _ssl(self) -> Any:
        return self._connection

    @_ssl.setter
    def _ssl(self, connection: Any) -> None:
        self._connection = _MemoryConnection(connection)

    def _setup_srtp(self) -> None:
        # aiortc 1.16 fails without.
        if self._ssl.get_selected_srtp_profile() or self._has_media():
            super()._setup_srtp()

    # What raises there would end the transport, and with it the call.

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        with _passing_over("RTP"):
            await super()._handle_rtp_data(data, arrival_time_ms)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        with _passing_over("RTCP"):
            await super()._handle_rtcp_data(data)


@contextmanager
def _passing_over(protocol: str) -> Iterator[None]:
    """A block for a packet that aiortc 1.16 may fail to read, as one whose lengths are wrong."""
    try:
        yield
    except (struct.error, ValueError, LookupError) as error:
        logger.debug("a packet of %s cannot be read: %s", protocol, error)


class _MemoryConnection:
    """A `SSL.Connection` over memory, of which only what fails goes through pyOpenSSL."""

    def __init__(self, connection: SSL.Connection):
        private: Any = connection
        self._connection = connection
        self._ssl, self._into, self._from = private._ssl, private._into_ssl, private._from_ssl
        self._raise_error = private._raise_ssl_error
        self._buffer = _util.ffi.new("char[]", LONGEST + EXPANSION)
        self._view = _util.ffi.buffer(self._buffer)
        self._has_sent = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def bio_write(self, data: bytes) -> int:
        """Take what has come from the network."""
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
        written: int = _util.lib.SSL_write(self._ssl, data, len(data))
        if written <= 0:
            self._raise_error(self._ssl, written)
        return written

    def bio_read(self, size: int) -> bytes:
        """What there is to be sent; nothing, and no exception, if there is nothing.

        After the handshake that is a record, of whatever size: aiortc asks for less.
        """
        room = LONGEST + EXPANSION
        length = _util.lib.BIO_read(
            self._from, self._buffer, room if self._has_sent else min(size, room)
        )
        data: bytes = self._view[: max(length, 0)]
        return data

"""DTLS with one call of OpenSSL's for each packet in each direction, and one for its bytes.

pyOpenSSL checks and copies more than that, and aiortc 1.16 reads what there is to send after each
packet that comes, where nothing is an exception: together they took two thirds of the time of DTLS.
What this needs of them that is not public is listed in `private`.
"""

from __future__ import annotations

from typing import Any, Final

from aiortc import RTCDtlsTransport
from OpenSSL import SSL, _util

from .private import can

LONGEST: Final = 16 * 1024
"""Bytes of a record at most (RFC 6347, section 4.1); a packet is much smaller."""


def quicken(transport: RTCDtlsTransport) -> None:
    """Have a transport use OpenSSL quickly. It may have started, if media came before channels."""
    if can("dtls") and not isinstance(transport, _Transport):
        connection = transport._ssl
        transport.__class__ = _Transport
        if connection is not None:
            transport._ssl = connection


class _Transport(RTCDtlsTransport):
    _connection: _Connection | None = None

    @property
    def _ssl(self) -> Any:
        return self._connection

    @_ssl.setter
    def _ssl(self, connection: Any) -> None:
        self._connection = _Connection(connection)


class _Connection:
    """A `SSL.Connection` over memory, of which only what fails goes through pyOpenSSL."""

    def __init__(self, connection: SSL.Connection):
        private: Any = connection
        self._connection = connection
        self._ssl, self._into, self._from = private._ssl, private._into_ssl, private._from_ssl
        self._raise_error = private._raise_ssl_error
        self._buffer = _util.ffi.new("char[]", LONGEST)
        self._view = _util.ffi.buffer(self._buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def bio_write(self, data: bytes) -> int:
        """Take what has come from the network."""
        written: int = _util.lib.BIO_write(self._into, data, len(data))
        return written if written == len(data) else self._connection.bio_write(data)

    def recv(self, size: int) -> bytes:
        """What it says, decrypted.

        Raises:
            SSL.Error: as `SSL.Connection.recv`.
        """
        length = _util.lib.SSL_read(self._ssl, self._buffer, min(size, LONGEST))
        if length <= 0:
            self._raise_error(self._ssl, length)
        data: bytes = self._view[:length]
        return data

    def send(self, data: bytes) -> int:
        """Encrypt a message for the other side.

        Raises:
            SSL.Error: as `SSL.Connection.send`.
        """
        written: int = _util.lib.SSL_write(self._ssl, data, len(data))
        if written <= 0:
            self._raise_error(self._ssl, written)
        return written

    def bio_read(self, size: int) -> bytes:
        """What there is to be sent; nothing, and no exception, if there is nothing."""
        length = _util.lib.BIO_read(self._from, self._buffer, min(size, LONGEST))
        data: bytes = self._view[: max(length, 0)]
        return data

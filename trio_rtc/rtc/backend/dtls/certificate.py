"""DTLS certificate whose owner takes those of others with RSA keys too.

A DTLS server with such a key needs other cipher suites than one with ECDSA, and aiortc 1.16 offers
none of them. Browsers can be told to use RSA (W3C WebRTC, section 4.9), and GStreamer does.
"""

from __future__ import annotations

from typing import Any, Final

from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCPeerConnection
from OpenSSL import SSL

from ....errors import CallError
from ....world import world
from ...peer_certificate import PeerCertificate
from ..patches import can

_KEYS: Final = ("ECDSA", "RSA")
_CIPHERS: Final = ("AES128-GCM-SHA256", "CHACHA20-POLY1305", "AES128-SHA", "AES256-SHA")

SUITES: Final = ":".join(f"ECDHE-{key}-{cipher}" for key in _KEYS for cipher in _CIPHERS).encode()
"""Cipher suites as OpenSSL calls them: first those that everyone has (RFC 8827, section 6.5)."""


def take_rsa(connection: RTCPeerConnection) -> None:
    """Have a new connection complete handshakes with owners of RSA keys."""
    if can("rsa"):
        private: Any = connection
        for certificate in private._RTCPeerConnection__certificates:
            certificate.__class__ = _DtlsCertificate


def use_certificate(connection: RTCPeerConnection, certificate: PeerCertificate) -> None:
    """Have a new connection show this certificate.

    Raises:
        CallError: ``not_possible``: this release of aiortc does not let us.
    """
    if not can("rsa"):
        raise CallError("aiortc takes no certificate of ours", code="not_possible", fault="local")
    private: Any = connection
    private._RTCPeerConnection__certificates = [
        RTCCertificate(certificate.key, certificate.certificate)
    ]


def fingerprint(connection: RTCPeerConnection) -> str:
    """The SHA-256 of the certificate of a connection."""
    private: Any = connection
    [certificate] = private._RTCPeerConnection__certificates
    [value] = [one.value for one in certificate.getFingerprints() if one.algorithm == "sha-256"]
    return f"sha-256 {value}"


class _DtlsCertificate(RTCCertificate):
    _fingerprints: list[RTCDtlsFingerprint] | None = None

    def getFingerprints(self) -> list[RTCDtlsFingerprint]:  # noqa: N802
        # Three hashes, which aiortc 1.16 makes again for each description.
        if self._fingerprints is None:
            self._fingerprints = super().getFingerprints()
        return self._fingerprints

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(SUITES)
        if (log_keys := world().log_keys) is not None:
            context.set_keylog_callback(lambda _, line: log_keys(line))
        return context

"""Certificate of our own that outlives the program: others know us by its fingerprint."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..errors import CallError
from ..world import world


class PeerCertificate:
    """A key and a certificate for DTLS (W3C RTCCertificate), which may be kept in a file.

    Two programs that know each other's fingerprints need to trust nobody between them: see the
    arguments ``certificate`` and ``trusted_keys`` of `open_call`.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate):
        self.key = key
        self.certificate = certificate

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, as descriptions have it."""
        return f"sha-256 {self.certificate.fingerprint(hashes.SHA256()).hex(':').upper()}"

    @classmethod
    def generate(cls) -> PeerCertificate:
        """A new one. Nobody looks at how long it is valid."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "trio-rtc")])
        now = datetime.datetime.fromtimestamp(world().time(), datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=36500))
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, create: bool = True) -> PeerCertificate:
        """The one in a file, which is made if it is not there.

        Args:
            path: of the file (PEM), with the key and the certificate.
            create: whether it may be made.

        Raises:
            CallError: ``bad_certificate``: the file holds something else.
            OSError: it cannot be read, or made.
        """
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            if not create:
                raise
            made = cls.generate()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(made._pem())
            return made
        try:
            key = serialization.load_pem_private_key(data, None)
            certificate = x509.load_pem_x509_certificate(data)
        except (ValueError, TypeError) as error:
            raise CallError(
                f"{os.fspath(path)} does not hold a key and a certificate",
                code="bad_certificate",
                fault="local",
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CallError(
                f"the key in {os.fspath(path)} is not one of an elliptic curve",
                code="bad_certificate",
                fault="local",
            )
        return cls(key, certificate)

    def _pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ) + self.certificate.public_bytes(serialization.Encoding.PEM)

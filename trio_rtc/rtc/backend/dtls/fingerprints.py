"""Fingerprints by which the certificate of the other side is judged (RFC 8122, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiortc import RTCDtlsFingerprint
from aiortc.rtcdtlstransport import certificate_digest
from cryptography.x509 import Certificate

STRONGEST_FIRST: Final = ("sha-512", "sha-384", "sha-256")


def decisive(
    told: Sequence[RTCDtlsFingerprint], certificate: Certificate
) -> list[RTCDtlsFingerprint]:
    """Those of the strongest hash function that has any; of them the one that matches, if one does.

    Each may be of another certificate, of which the other side has the choice. aiortc 1.16 wants
    all to match that it is given, and one at least.
    """
    for algorithm in STRONGEST_FIRST:
        if found := [one for one in told if one.algorithm.lower() == algorithm]:
            digest = certificate_digest(certificate, algorithm)
            return [one for one in found if one.value.upper() == digest] or found
    return []

"""DTLS with peers that have another kind of key than ours, or no SRTP."""

from __future__ import annotations

import pytest
import trio
from aiortc import RTCCertificate, RTCDtlsFingerprint
from aiortc.rtcdtlstransport import SRTPProtectionProfile, generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from trio_rtc.rtc import open_media
from trio_rtc.rtc.backend.dtls import certificate
from trio_rtc.rtc.backend.dtls.fingerprints import decisive

from ...pairs import Peer, negotiate, open_pair


class RsaCertificate(RTCCertificate):
    """As GStreamer makes them, with the cipher suites that are for them."""

    @classmethod
    def generateCertificate(cls) -> RsaCertificate:  # noqa: N802
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return cls(key=key, cert=generate_certificate(key))  # type: ignore[arg-type]

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
        return context


class NoSrtp(RTCCertificate):
    """Of a peer for data channels only, which does not ask for SRTP (RFC 5764)."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.use_certificate(self._cert)
        context.use_privatekey(self._key)
        return context


def have(peer: Peer, certificate: RTCCertificate) -> None:
    pc = peer.connection._loop_connection._pc
    pc._RTCPeerConnection__certificates = [certificate]  # type: ignore[attr-defined]


@pytest.mark.parametrize("offering", [True, False])
async def test_the_other_side_has_an_rsa_key(offering: bool) -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            have(bob, RsaCertificate.generateCertificate())
            first, second = (bob, alice) if offering else (alice, bob)
            channel = await first.connection.create_data_channel("chat")
            await negotiate(first, second)
            await channel.wait_open()


async def test_without_what_is_private_it_is_aiortcs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "can", lambda purpose: False)
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            have(bob, RsaCertificate.generateCertificate())
            await bob.connection.create_data_channel("chat")
            await negotiate(bob, alice)
            await alice.failed.wait()


@pytest.mark.parametrize("offering", [True, False])
async def test_the_other_side_has_no_srtp(offering: bool) -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            have(bob, NoSrtp.generateCertificate())
            first, second = (bob, alice) if offering else (alice, bob)
            # A section that comes to nothing needs none either.
            alice.connection.offer_to_receive(["audio"])
            ours = await first.connection.create_data_channel("chat")
            await negotiate(first, second)
            await ours.send("hello")
            assert await (await second.channels.receive()).receive() == "hello"


OTHER = RTCCertificate.generateCertificate()


@pytest.mark.parametrize("offering", [True, False])
async def test_the_other_side_tells_of_several_certificates(offering: bool) -> None:
    """And shows the last of them, as one may whose certificates have keys of different kinds."""
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            have(bob, Several(OTHER, RTCCertificate.generateCertificate()))
            first, second = (bob, alice) if offering else (alice, bob)
            channel = await first.connection.create_data_channel("chat")
            await negotiate(first, second)
            await channel.wait_open()


class Several(RTCCertificate):
    """One that is shown, which comes with the fingerprints of another one before its own."""

    def __init__(self, other: RTCCertificate, shown: RTCCertificate):
        super().__init__(shown._key, shown._cert)
        self._other = other

    def getFingerprints(self) -> list[RTCDtlsFingerprint]:  # noqa: N802
        return [*self._other.getFingerprints(), *super().getFingerprints()]


def told(*names: str, of: RTCCertificate = OTHER) -> list[RTCDtlsFingerprint]:
    return [one for one in of.getFingerprints() if one.algorithm in names]


def test_the_strongest_fingerprints_decide() -> None:
    ours = RTCCertificate.generateCertificate()

    def judged_by(*fingerprints: RTCDtlsFingerprint) -> list[RTCDtlsFingerprint]:
        return decisive(fingerprints, ours._cert)

    [right_256], [right_512] = told("sha-256", of=ours), told("sha-512", of=ours)
    [wrong_256], [wrong_512] = told("sha-256"), told("sha-512")
    assert judged_by(wrong_256, right_256) == [right_256]
    assert judged_by(wrong_256, right_512) == [right_512]
    # It cannot be had for the weaker one.
    assert judged_by(right_256, wrong_512) == [wrong_512]
    assert judged_by(wrong_256) == [wrong_256]
    small = RTCDtlsFingerprint("SHA-256", right_256.value.lower())
    assert judged_by(small) == [small]
    assert judged_by(RTCDtlsFingerprint("md5", right_256.value)) == []
    assert judged_by() == []


async def test_media_need_srtp() -> None:
    with trio.fail_after(30):
        async with open_media(audio="tone") as (tone,), open_pair() as (alice, bob):
            have(bob, NoSrtp.generateCertificate())
            await alice.connection.add_track(tone)
            await alice.connection.create_data_channel("chat")
            await negotiate(alice, bob)
            await alice.failed.wait()

"""Certificates with keys of another kind than ours."""

from __future__ import annotations

import pytest
import trio
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile, generate_certificate
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from trio_rtc.rtc.loop import certificate

from .pairs import Peer, negotiate, open_pair


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


def with_rsa(peer: Peer) -> None:
    pc = peer.connection._loop_connection._pc
    pc._RTCPeerConnection__certificates = [RsaCertificate.generateCertificate()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("offering", [True, False])
async def test_the_other_side_has_an_rsa_key(offering: bool) -> None:
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            with_rsa(bob)
            first, second = (bob, alice) if offering else (alice, bob)
            channel = await first.connection.create_data_channel("chat")
            await negotiate(first, second)
            await channel.wait_open()


async def test_without_what_is_private_it_is_aiortcs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "can", lambda purpose: False)
    with trio.fail_after(30):
        async with open_pair() as (alice, bob):
            with_rsa(bob)
            await bob.connection.create_data_channel("chat")
            await negotiate(bob, alice)
            await alice.failed.wait()

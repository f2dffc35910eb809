"""Connections without signaling: credentials, certificates and a port are known beforehand."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
from cryptography.x509 import load_der_x509_certificate

from trio_rtc import IceGatherOptions, PeerCertificate
from trio_rtc.rtc import IceCredentials, open_ice_listener
from trio_rtc.rtc.ice_credentials import BadIceCredentials
from trio_rtc.rtc.ice_gather_options import BadIceGatherOptions
from trio_rtc.testing import Host, Network

from ..docs.pages import blocks_of, function_of
from ..testing.simulated import run

PORT = 4001
GATHERING = IceGatherOptions(udp_mux=PORT)


BLOCKS = blocks_of("howto/direct.md")
listen, dial = (function_of(BLOCKS, name) for name in ("listen", "dial"))


def secret_of(number: int) -> str:
    return "libp2p+webrtc+v1/" + f"{number:032}"


def test_peers_connect_without_a_word_of_signaling() -> None:
    """With what the page shows: three of them, two behind one router."""

    async def program(network: Network) -> None:
        certificate = PeerCertificate.generate()
        server = network.host("server")
        seen: list[bytes] = []

        def is_welcome(der: bytes) -> bool:
            seen.append(der)
            return True

        server.start_soon(listen, PORT, certificate, is_welcome)
        router = network.router("router")
        hosts = [network.host("alice"), *[network.host(n, router=router) for n in ("bob", "carol")]]

        async def take_part(number: int, host: Host) -> None:
            arguments = server.address, PORT, certificate.fingerprint, secret_of(number)
            assert await host.run(dial, *arguments) == "hello"

        async with trio.open_nursery() as nursery:
            for number, host in enumerate(hosts):
                nursery.start_soon(take_part, number, host)
        assert len(seen) == len(set(seen)) == 3
        assert all(load_der_x509_certificate(der) for der in seen)
        assert [port for _, port in server.udp] == [PORT]

    run(program)


@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_that_is_not_taken(known: bool) -> None:
    """By the one who listens, or by the one who dials and knows another one."""

    async def program(network: Network) -> None:
        certificate = PeerCertificate.generate()
        server, alice = network.host("server"), network.host("alice")
        server.start_soon(listen, PORT, certificate, lambda der: not known)
        expected = certificate if known else PeerCertificate.generate()
        with trio.move_on_after(10), suppress(trio.BrokenResourceError):
            await alice.run(dial, server.address, PORT, expected.fingerprint, secret_of(1))
            raise AssertionError

    run(program)


def test_each_check_is_told_once_and_only_so_many_wait() -> None:
    async def program(network: Network) -> None:
        server, mallory = network.host("server"), network.host("mallory")

        def check(username: bytes) -> bytes:
            padded = username + bytes(-len(username) % 4)
            attribute = b"\0\6" + len(username).to_bytes(2) + padded
            return b"\0\1" + len(attribute).to_bytes(2) + bytes(16) + attribute

        async def listen() -> list[str]:
            async with open_ice_listener(GATHERING, max_waiting=3) as listener:
                with mallory:
                    sock = mallory.bind(("", 0), lambda data, source: None)
                for name in (
                    b"aaaa:b",
                    b"aaaa:b",
                    b"none",
                    b":x",
                    b"x:",
                    b"cccc:d",
                    b"e:f",
                    b"g:h",
                ):
                    sock.send(check(name), (server.address, PORT))
                await trio.sleep(1)
                first = [await anext(listener) for _ in range(3)]
                # What was dropped is sent again, and told then.
                sock.send(check(b"g:h"), (server.address, PORT))
                sock.send(check(b"aaaa:b"), (server.address, PORT))
                last = await anext(listener)
                with trio.move_on_after(1):
                    raise AssertionError(await anext(listener))
                return [c.local_username_fragment for c in (*first, last)]

        assert await server.run(listen) == ["aaaa", "cccc", "e", "g"]
        assert not server.udp

    run(program)


async def test_a_listener_needs_one_port() -> None:
    with pytest.raises(BadIceGatherOptions, match="udp_mux"):
        async with open_ice_listener(IceGatherOptions()):
            pass


@pytest.mark.parametrize(
    "wrong", [("abc", "x" * 22), ("abcd", "x" * 21), ("ab:cd", "x" * 22), ("abcd", "x" * 257)]
)
def test_credentials_that_cannot_be(wrong: tuple[str, str]) -> None:
    with pytest.raises(BadIceCredentials) as caught:
        IceCredentials(*wrong)
    assert caught.value.code == "bad_ice_credentials"

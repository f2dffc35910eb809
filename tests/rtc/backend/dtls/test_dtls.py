"""DTLS that asks OpenSSL itself, and pyOpenSSL only about what fails."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest
from aiortc import RTCCertificate
from OpenSSL import SSL

from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.dtls.flights import Flights
from trio_rtc.rtc.backend.dtls.records import LONGEST
from trio_rtc.rtc.backend.dtls.transport import _MemoryConnection

from ...lacking import lacking
from ...pairs import open_channels


def connected_pair() -> tuple[_MemoryConnection, SSL.Connection]:
    """One of each, which have shaken hands over memory."""
    certificate = RTCCertificate.generateCertificate()
    connections = []
    for _ in range(2):
        context = SSL.Context(SSL.DTLS_METHOD)
        context.use_certificate(certificate._cert)
        context.use_privatekey(certificate._key)
        connections.append(SSL.Connection(context))
    ours, theirs = _MemoryConnection(connections[0], Flights(None), lambda: 0.0), connections[1]
    ours.set_connect_state()
    theirs.set_accept_state()
    for _ in range(4):
        for connection, other in ((ours, theirs), (theirs, ours)):
            with suppress(SSL.WantReadError):
                connection.do_handshake()
            with suppress(SSL.WantReadError):
                while data := connection.bio_read(1500):
                    other.bio_write(data)
    return ours, theirs


def test_both_ways() -> None:
    ours, theirs = connected_pair()
    for size in (1, 1200, 1400):
        assert ours.send(bytes(size)) == size
        theirs.bio_write(ours.bio_read(1500))
        assert theirs.recv(1500) == bytes(size)
        theirs.send(b"x" * size)
        packet = theirs.bio_read(1500)
        assert ours.bio_write(packet) == len(packet)
        assert ours.recv(1500) == b"x" * size


def test_records_that_are_larger_than_aiortc_asks_for() -> None:
    ours, theirs = connected_pair()
    message = bytes(range(256)) * (LONGEST // 256)
    assert ours.send(message) == LONGEST
    theirs.bio_write(ours.bio_read(1500))
    assert theirs.recv(LONGEST) == message
    theirs.send(message)
    ours.bio_write(theirs.bio_read(2 * LONGEST))
    assert ours.recv(1500) == message
    with pytest.raises(SSL.Error):
        ours.send(message + b"x")


def test_nothing_to_send_is_nothing_exceptional() -> None:
    ours, _ = connected_pair()
    assert ours.bio_read(1500) == b""


def test_what_fails_is_pyopenssls_to_tell() -> None:
    ours, theirs = connected_pair()
    with pytest.raises(SSL.WantReadError):
        ours.recv(1500)
    ours.bio_write(b"\x17\xfe\xfd" + bytes(30))
    with pytest.raises(SSL.WantReadError):
        ours.recv(1500)
    theirs.shutdown()
    ours.bio_write(theirs.bio_read(1500))
    with pytest.raises(SSL.ZeroReturnError):
        ours.recv(1500)
    ours.shutdown()
    with pytest.raises(SSL.Error):
        ours.send(b"late")


async def count_calls(monkeypatch: pytest.MonkeyPatch) -> int:
    """How often pyOpenSSL was asked in a transfer."""
    calls = 0

    def count(name: str) -> None:
        method = getattr(SSL.Connection, name)

        def called(self: SSL.Connection, *args: object) -> object:
            nonlocal calls
            calls += 1
            return method(self, *args)

        monkeypatch.setattr(SSL.Connection, name, called)

    async with open_channels() as (ours, theirs, _, _):
        for name in ("send", "recv", "bio_read", "bio_write"):
            count(name)
        for _ in range(10):
            await ours.send(bytes(16_384))
            await theirs.receive()
        monkeypatch.undo()
    return calls


async def test_it_is_not_asked_about_each_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await count_calls(monkeypatch) == 0


async def test_without_what_is_private_it_is_aiortcs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with lacking("dtls", ledger.OPENSSL_LIBRARY, "gone"):
        assert await count_calls(monkeypatch) > 500
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told == [
        "data channels are a little slower, and need a peer that has SRTP and one certificate: "
        "the installed aiortc or aioice has no OpenSSL._util.lib.gone"
    ]

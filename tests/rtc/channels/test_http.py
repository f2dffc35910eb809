"""HTTP and TLS over channels, between two processes."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
import trustme

from trio_rtc import Call, ChannelStream, ChannelTransport, DataChannel

from ...processes import Command
from .calling import call_process

AUTHORITY = trustme.CA()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "bob.pem"
    AUTHORITY.issue_cert("bob").private_key_and_cert_chain_pem.write_to_path(path)
    return path


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@asynccontextmanager
async def http_client(
    certificate: Path,
) -> AsyncIterator[tuple[httpx.AsyncClient, Call, Command]]:
    async with call_process(certificate) as (call, bob):
        transport = ChannelTransport(call, ssl_context=client_context())
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            yield client, call, bob


@pytest.mark.parametrize("base", ["http://bob", "https://bob"])
async def test_requests(certificate: Path, base: str) -> None:
    async with http_client(certificate) as (client, _, _):
        response = await client.get(f"{base}/a?b=c")
        assert response.text == "GET /a?b=c\n"
        body = b"x" * 300_000
        for _ in range(3):
            response = await client.post(f"{base}/upload", content=body)
            assert response.content == b"POST /upload\n" + body
        async with trio.open_nursery() as nursery:

            async def get(number: int) -> None:
                response = await client.get(f"{base}/{number}")
                assert response.text == f"GET /{number}\n"

            for number in range(20):
                nursery.start_soon(get, number)


async def test_connections_are_used_again(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with http_client(certificate) as (client, call, _):
        opened = []
        open_channel = call.open_channel

        async def watched(label: str, *, protocol: str = "") -> object:
            opened.append((label, protocol))
            return await open_channel(label, protocol=protocol)

        monkeypatch.setattr(call, "open_channel", watched)
        for path in ("one", "two", "three"):
            assert (await client.get(f"http://bob/{path}")).is_success
        assert opened == [("bob:80", "http")]
        assert (await client.get("http://bob/last", headers={"connection": "close"})).is_success
        assert (await client.get("http://bob/again")).is_success
        assert opened == [("bob:80", "http")] * 2


async def test_a_certificate_for_somebody_else(certificate: Path) -> None:
    async with http_client(certificate) as (client, _, _):
        with pytest.raises(httpx.ConnectError, match=r"(?i)certificate|hostname"):
            await client.get("https://eve")
        assert (await client.get("https://bob")).is_success


async def test_the_call_ends(certificate: Path) -> None:
    async with http_client(certificate) as (client, call, _):
        assert (await client.get("http://bob")).is_success
        await call.hang_up()
        with pytest.raises(httpx.ConnectError, match="over"):
            await client.get("http://bob")


async def test_no_answer_in_time(certificate: Path) -> None:
    async with call_process(certificate) as (call, _):

        class Ignored:
            async def open_channel(self, label: str, *, protocol: str = "") -> DataChannel:
                return await call.open_channel("ignore")

        async with httpx.AsyncClient(transport=ChannelTransport(Ignored())) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("http://bob", timeout=httpx.Timeout(60, read=0.1))


@pytest.mark.parametrize("base", ["http://bob", "https://bob"])
async def test_a_request_is_cancelled(certificate: Path, base: str) -> None:
    async with call_process(certificate) as (call, _):
        opened: list[DataChannel] = []

        class Watched:
            async def open_channel(self, label: str, *, protocol: str = "") -> DataChannel:
                opened.append(await call.open_channel(label, protocol=protocol))
                return opened[-1]

        transport = ChannelTransport(Watched(), ssl_context=client_context())
        async with httpx.AsyncClient(transport=transport) as client:
            for steps in range(0, 40, 3):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(client.get, f"{base}/cancelled")
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()
                assert (await client.get(f"{base}/whole")).text == "GET /whole\n"
            assert sum(not channel.closed for channel in opened) == 1
        assert all(channel.closed for channel in opened)


async def test_tls_over_a_stream(certificate: Path) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    await trio.to_thread.run_sync(server.load_cert_chain, certificate)
    async with call_process(certificate) as (call, _):
        # The echo gives back what TLS said: what is encrypted is not what was said.
        channel = await call.open_channel("bob:443", protocol="http")
        stream = trio.SSLStream(ChannelStream(channel), client_context(), server_hostname="bob")
        async with stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nhost: bob\r\n\r\n")
            assert b"200" in await stream.receive_some()
            assert stream.getpeercert()["subjectAltName"] == (("DNS", "bob"),)


def test_what_is_replaced_is_there() -> None:
    assert "_pool" in vars(httpx.AsyncHTTPTransport())

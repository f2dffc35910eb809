"""Whom the server takes for its client, when a proxy says who that is."""

from __future__ import annotations

import contextlib
import ssl

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import Admission, JoinRequest
from trio_rtc.server.http.proxies import TrustedProxies
from trio_rtc.server.http.proxy_protocol import SIGNATURE, NoProxyHeader, parse_block, parse_line

from .harness import Client, MemoryServer, get, memory_server, post, tcp_server
from .native_client import NativeClient, connect

PROXIES = TrustedProxies(["10.0.0.0/8", "fd00::/8", "192.0.2.1"])


@pytest.mark.parametrize(
    ("address", "told", "client"),
    [
        ("10.1.2.3", ["203.0.113.7"], "203.0.113.7"),
        ("::ffff:10.1.2.3", ["203.0.113.7"], "203.0.113.7"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("10.1.2.3", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.1.2.3", ["203.0.113.7:4711"], "203.0.113.7"),
        ("10.1.2.3", ["::ffff:203.0.113.7"], "203.0.113.7"),
        # What the client itself has written before it counts for nothing.
        ("10.1.2.3", ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        ("10.1.2.3", ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        ("10.1.2.3", ["203.0.113.7, 192.0.2.1 ,10.9.9.9"], "203.0.113.7"),
        ("10.1.2.3", ["6.6.6.6, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["6.6.6.6, nonsense, 10.4.4.4"], "10.4.4.4"),
        ("10.1.2.3", ["10.4.4.4"], "10.4.4.4"),
        ("10.1.2.3", ["", " , "], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.7, ,", " "], "203.0.113.7"),
        ("10.1.2.3", [], "10.1.2.3"),
        # Nobody else is believed.
        ("203.0.113.9", ["6.6.6.6"], "203.0.113.9"),
        ("192.0.2.2", ["6.6.6.6"], "192.0.2.2"),
        ("", ["6.6.6.6"], ""),
    ],
)
def test_the_client_of_a_proxy(address: str, told: list[str], client: str) -> None:
    headers = [("host", "x"), *(("x-forwarded-for", value) for value in told)]
    assert PROXIES.client(address, headers) == client


def test_unix_sockets_can_be_trusted() -> None:
    assert TrustedProxies(["unix"]).client("", [("x-forwarded-for", "6.6.6.6")]) == "6.6.6.6"
    assert not TrustedProxies(["unix"]).trust("127.0.0.1")
    assert TrustedProxies([" unix ", " 192.0.2.1 "]).trust("")
    assert TrustedProxies([" unix ", " 192.0.2.1 "]).trust("192.0.2.1")
    assert not PROXIES.trust("a socket")


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/8", "10.0.0.0/33", "example.org", "*"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match="no network"):
        TrustedProxies([text])
    with pytest.raises(ValueError, match="no list"):
        TrustedProxies("10.0.0.0/8")


@given(st.text(alphabet='0123456789abcdef:.[]"%, unkow\xff', max_size=60))
def test_whatever_is_forwarded_is_an_address_or_nothing(text: str) -> None:
    client = PROXIES.client("10.1.2.3", [("x-forwarded-for", text)])
    assert PROXIES.client(client, []) == client


async def seen(
    server: MemoryServer, *, forwarded: str | None = None, begin: bytes = b"", end: bool = False
) -> str:
    """The status, and the address at which the server has a client."""
    client = await server.connect()
    extra = "" if forwarded is None else f"X-Forwarded-For: {forwarded}\r\n"
    await client.send(begin + get("/sign_in?x", extra=extra))
    if end:
        assert isinstance(client.stream, trio.abc.HalfCloseableStream)
        await client.stream.send_eof()
    answer = await client.answer()
    await client.stream.aclose()
    if answer is None:
        return "none"
    return f"{answer.status} {answer.body.decode().partition(',')[0]}"


async def by_address(request: JoinRequest) -> Admission:
    """Names everybody by the address that it comes from."""
    return Admission(name=request.address or "nowhere", room=request.room)


async def test_limits_by_address_see_the_client() -> None:
    limits = ServerLimits(peers_per_address=1, connections_per_address=1)
    async with memory_server(
        trusted_proxies=["unix"], limits=limits, authorize=by_address
    ) as server:
        assert await seen(server, forwarded="203.0.113.1") == "200 203.0.113.1"
        assert (await seen(server, forwarded="203.0.113.1")).startswith("503 ")
        assert await seen(server, forwarded="203.0.113.2") == "200 203.0.113.2"
        # So do those of connections, once they are the client's alone.
        clients = [await connect(server, {"X-Forwarded-For": f"198.51.100.{i}"}) for i in (1, 2)]
        third = NativeClient(await server.listener.connect())
        assert (await third.open({"X-Forwarded-For": "198.51.100.1"})).status_code == 429
        await third.aclose()
        assert server.statistics.over_limit["connections_per_address"] == 1
        await clients[0].aclose()
        await trio.testing.wait_all_tasks_blocked()
        again = await connect(server, {"X-Forwarded-For": "198.51.100.1"})
        for client in (again, clients[1]):
            await client.aclose()


async def test_a_classic_peer_is_spoken_for_from_its_own_address() -> None:
    async with memory_server(trusted_proxies=["unix"]) as server:
        alice = await server.ask(get("/sign_in?a", extra="X-Forwarded-For: 203.0.113.1\r\n"))
        assert alice.pragma is not None
        for address, status in [("203.0.113.2", 403), ("203.0.113.1", 200)]:
            told = f"X-Forwarded-For: {address}\r\n"
            answer = await server.ask(post(alice.pragma, alice.pragma, b"x", extra=told))
            assert answer.status == status


async def test_nobody_else_is_believed() -> None:
    for options in ({"trusted_proxies": ["10.0.0.0/8"]}, {}):
        async with memory_server(authorize=by_address, **options) as server:
            assert await seen(server, forwarded="203.0.113.1") == "200 nowhere"


def version_2(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes([0x20 | command, family]) + len(block).to_bytes(2, "big") + block


V4 = bytes([203, 0, 113, 1, 10, 0, 0, 1, 0, 80, 1, 187])
V6 = bytes.fromhex("20010db8000000000000000000000001") + bytes(16) + V4[8:]
TLV = b"\x02\x00\x01x"

HEADERS = [
    (b"PROXY TCP4 203.0.113.1 10.0.0.1 80 443\r\n", "203.0.113.1"),
    (b"PROXY TCP6 2001:db8::1 ::1 80 443\r\n", "2001:db8::1"),
    (b"PROXY UNKNOWN\r\n", "nowhere"),
    (b"PROXY UNKNOWN ffff::1 ::1 1 2\r\n", "nowhere"),
    (version_2(1, 0x11, V4), "203.0.113.1"),
    (version_2(1, 0x11, V4 + TLV), "203.0.113.1"),
    (version_2(1, 0x21, V6), "2001:db8::1"),
    (version_2(1, 0x31, bytes(216)), "nowhere"),
    (version_2(0, 0x00, b""), "nowhere"),
    (version_2(0, 0x11, V4), "nowhere"),
]

BAD_HEADERS = [
    b"",
    b"PROXY TCP4 203.0.113.1 10.0.0.1 80\r\n",
    b"PROXY TCP4 2001:db8::1 ::1 80 443\r\n",
    b"PROXY TCP4 example.org 10.0.0.1 80 443\r\n",
    b"PROXY " + b"x" * 200 + b"\r\n",
    b"PROXYTCP4 \r\n",
    version_2(2, 0x11, V4),
    version_2(1, 0x11, V4[:-1]),
    version_2(1, 0x21, V4),
    version_2(1, 0x11, bytes(5000)),
    SIGNATURE + b"\x31\x11\0\x0c" + V4,
]


@pytest.mark.parametrize(("header", "address"), HEADERS)
async def test_the_proxy_protocol(header: bytes, address: str) -> None:
    async with memory_server(
        trusted_proxies=["unix"], proxy_protocol=True, authorize=by_address
    ) as server:
        assert await seen(server, begin=header) == f"200 {address}"
        client = await server.connect()
        for byte in header + get("/sign_in?x"):
            await client.send(bytes([byte]))
        answer = await client.answer()
        assert answer is not None
        assert answer.body.startswith(f"{address},2,1\n".encode())
        await client.stream.aclose()


@pytest.mark.parametrize("header", BAD_HEADERS)
async def test_what_is_no_proxy_header(header: bytes) -> None:
    async with memory_server(trusted_proxies=["unix"], proxy_protocol=True) as server:
        assert await seen(server, begin=header, end=True) == "none"
        assert server.statistics.malformed == 1
        assert server.statistics.connections_open == 0
        assert (await seen(server, begin=HEADERS[0][0])).startswith("200 ")


async def test_a_proxy_that_says_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server(trusted_proxies=["unix"], proxy_protocol=True) as server:
        client = await server.connect()
        await client.send(b"PROXY ")
        assert await client.ended()
        assert server.statistics.over_limit["handshake_seconds"] == 1


async def test_nobody_else_speaks_the_proxy_protocol() -> None:
    async with memory_server(trusted_proxies=["10.0.0.0/8"], proxy_protocol=True) as server:
        assert (await seen(server, begin=HEADERS[0][0])).startswith("501 ")
        assert (await seen(server)).startswith("200 ")


@given(st.binary(max_size=120))
def test_any_line_and_any_block(data: bytes) -> None:
    with contextlib.suppress(NoProxyHeader):
        parse_line(b"PROXY " + data)
    with contextlib.suppress(NoProxyHeader):
        parse_block(0x21, 0x11, data)


async def test_tls_behind_the_proxy_protocol(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with tcp_server(
        trusted_proxies=["127.0.0.1"], proxy_protocol=True, ssl_context=tls[0], authorize=by_address
    ) as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(HEADERS[0][0])
        client = Client(
            trio.SSLStream(stream, tls[1], server_hostname="localhost", https_compatible=True)
        )
        await client.send(get("/sign_in?x"))
        answer = await client.answer()
        assert answer is not None
        assert answer.body == b"203.0.113.1,1,1\n"
        await trio.aclose_forcefully(client.stream)

"""Addresses that lead nowhere, and what else may answer there: one error, on one line, for all."""

from __future__ import annotations

import gzip
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trustme

from trio_rtc import SignalingError
from trio_rtc.peerjs import open_peerjs
from trio_rtc.signaling import open_signaling
from trio_rtc.signaling.address import parse_address, shown

#: How each client is given an address: with which scheme, and with an id or without.
CLIENTS = ["ws", "http", "peerjs", "peerjs-id"]


async def opening(client: str, rest: str, *, tls: bool = False) -> SignalingError:
    """What comes of opening a session at an address without its scheme."""
    scheme = "ws" if client == "ws" else "http"
    url = f"{scheme}{'s' if tls else ''}://{rest}"
    with trio.fail_after(20), pytest.raises(SignalingError) as raised:
        if client.startswith("peerjs"):
            async with open_peerjs(url, None if client == "peerjs" else "alice"):
                pass
        else:
            async with open_signaling(url, name="alice"):
                pass
    message = str(raised.value)
    assert message.isprintable(), message
    assert len(message) < 500, message
    assert "s3cret" not in message
    return raised.value


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "rest",
    [
        "jane:s3cret@host/",
        "jane@host/",
        "jane:s3c/ret@s3cret@host/",
        "jane:s3cret@host:port/",
        "host/#fragment",
        "a..b/",
        ".host/",
        "-host/",
        "ho st/",
        "host\x00/",
        "host\x1b[2J/",
        "h\u202est/",
        "[::1/",
        "[host]/",
        "[::1%25]/",
        "host:0/",
        "host:65536/",
        "host:-1/",
        "host:x/",
        "xn--zzzzz-.invalid/",
        "256.256.256.256/",
        "a" * 64 + "/",
        "ü" * 64 + "/",
        "\ud800/",
        "a." * 200 + "/",
        "",
        "/path",
        ":80",
        "host\\elsewhere/",
    ],
)
async def test_addresses_that_are_none(client: str, rest: str) -> None:
    error = await opening(client, rest)
    assert (error.code, error.fault) == ("bad_url", "local")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "rest",
    [
        "no-such-host.invalid/",
        "no_such_host.invalid./",
        "bücher.invalid/",
        "1.2.3.4.5/",
        "127.0.0.1:1/",
        "[::1]:1/é/../ä b?x=s3cret",
        "[fe80::1%25nothing]/",
        "[::ffff:127.0.0.1]:1/",
        "0x7f.1:1/",
    ],
)
async def test_addresses_at_which_there_is_nobody(client: str, tls: bool, rest: str) -> None:
    if client != "ws":
        rest = rest.partition("?")[0]
    error = await opening(client, rest, tls=tls)
    assert (error.code, error.fault) == ("server_unreachable", "network")


def test_an_address_stays_as_it_is_given() -> None:
    for path in ("/rtc/", "/rtc", "//", "/a%2Fb", "/?next=/", "/x?a=b/&c=%20"):
        address = parse_address(f"ws://host{path}", ["ws"], "x", "y", query=True)
        assert address.raw_path.decode() == path


@pytest.mark.parametrize("end", ["?", "#", "?#"])
def test_a_query_and_a_fragment_that_are_empty_are_none(end: str) -> None:
    assert str(parse_address(f"http://host/a{end}", ["http"], "x", "y")) == "http://host/a"
    assert parse_address(f"ws://host/{end}", ["ws"], "x", "y", query=True).fragment == ""


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("wss://h:1/rtc/?token=s3cret#x", "wss://h:1/rtc/"),
        ("ws://jane:s3cret@h/", "ws://h/"),
        ("ws://jane:s3c?ret@h/", "ws://h/"),
        ("jane:s3cret@h", "h"),
        ("/elsewhere/", "/elsewhere/"),
        ("ws://h/\x1b[2J\n\u202e", "ws://h/\\x1b[2J \\u202e"),
        (5, "5"),
    ],
)
def test_what_is_shown_of_an_address(url: object, seen: str) -> None:
    assert shown(url) == seen


@asynccontextmanager
async def answering(
    answer: bytes, *, context: ssl.SSLContext | None = None, end: bool = True
) -> AsyncIterator[int]:
    """A server that says this to everybody, and gives its port."""

    async def handle(stream: trio.abc.Stream) -> None:
        with trio.CancelScope():
            async with stream:
                try:
                    await stream.receive_some()
                    await stream.send_all(answer)
                    if not end:
                        await trio.sleep_forever()
                except trio.BrokenResourceError:
                    pass

    async with trio.open_nursery() as nursery:
        if context is None:
            listeners = await nursery.start(trio.serve_tcp, handle, 0)
            port = listeners[0].socket.getsockname()[1]
        else:
            listeners = await nursery.start(trio.serve_ssl_over_tcp, handle, 0, context)
            port = listeners[0].transport_listener.socket.getsockname()[1]
        yield port
        nursery.cancel_scope.cancel()


def said(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n".encode() + body


OURS = "\r\nServer: trio-rtc\r\nContent-Type: text/plain"

#: What answers, what that is for each of the clients, and what is told of it.
ANSWERS = [
    (said("403 Forbidden", b"no"), "forbidden", "403"),
    (said("401 Unauthorized"), "not_authorized", "401"),
    (said("403 F" + OURS, b"The origin of this page."), "forbidden", "The origin of this page."),
    (said("503 S" + OURS, b"No place."), "no_place", "No place."),
    (said("429 Too Many" + OURS, b"Slow down."), "no_place", "Slow down."),
    (said("503 Service Unavailable", b"<html>"), "server_unreachable", "503"),
    (said("502 Bad Gateway"), "server_unreachable", "502"),
    (said("504 Gateway Timeout"), "server_unreachable", "504"),
    (said("404 Not Found\r\nContent-Type: text/html", b"<html>bytes</html>"), "not", "404"),
    (said("404 Not Found\r\nContent-Type: text/plain", b"a\x1b[2J\r\nb" * 999), "not", "404"),
    (said("301 Moved\r\nLocation: https://jane:s3cret@elsewhere/x?s3cret"), "not", "elsewhere/x"),
    (said("302 Found\r\nLocation: /elsewhere/"), "not", "/elsewhere/"),
    (said("200 \x1b[2J", b"\xff" * 100), "not", ""),
    (said("200 OK\r\nContent-Type: text/plain; charset=idna", b"x"), "not", ""),
    (said("200 OK\r\nContent-Type: text/plain; charset=zlib_codec", b"x"), "not", ""),
    (said("404 N\r\nContent-Type: text/plain; charset=undefined", b"x"), "not", ": x"),
    (said(f"200 OK\r\nPragma: {'9' * 5000}", b"x,1,1\n"), "not", ""),
    (said("200 OK\r\nPragma: 1", f"x,{'9' * 5000},1\n".encode()), "not", ""),
    (b"SSH-2.0-OpenSSH_9.2 s3cret\r\n\r\n", "not", "is not"),
    (b"\x00\xff s3cret \x1b[2J\r\n\r\n", "not", ""),
    (b"", None, "without an answer"),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("answer", "code", "told"), ANSWERS)
async def test_what_else_may_answer(
    client: str, answer: bytes, code: str | None, told: str
) -> None:
    async with answering(answer) as port:
        error = await opening(client, f"127.0.0.1:{port}/")
    peerjs = client.startswith("peerjs")
    nothing = {"not_peerjs_server" if peerjs else "not_signaling_server"}
    if code is None:
        assert error.code in {"server_unreachable", *nothing}
    elif code == "not":
        assert {error.code} == nothing
    elif peerjs and code != "server_unreachable":
        assert error.code in ({"refused"} if b"trio-rtc" in answer else nothing)
    else:
        assert error.code == code
    assert told in str(error)
    for foreign in ("<html", "OpenSSH", "\\x1b[2J\\x0d", "s3cret"):
        assert foreign not in str(error)


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_answer_without_an_end(client: str) -> None:
    """No more of it is read than is needed to know what it is."""
    async with answering(said("403 Forbidden", b"x" * 200_000)) as port:
        error = await opening(client, f"127.0.0.1:{port}/")
    assert "403" in str(error)


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_answer_that_is_larger_than_on_its_way(client: str) -> None:
    """Nobody has asked for it to be compressed: of what claims to be, nothing is expanded."""
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        async with answering(said("404 N\r\nContent-Encoding: gzip", bomb)) as port:
            error = await opening(client, f"127.0.0.1:{port}/")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert "404" in str(error)


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_answer_that_goes_on_for_ever(
    client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("classic", "reconnecting"):
        monkeypatch.setattr(f"trio_rtc.signaling.{name}.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("trio_rtc.peerjs.address.ANSWER_SECONDS", 0.3)

    async def talk(size: int, pause: float, stream: trio.SocketStream) -> None:
        try:
            await stream.send_all(said("404 Not Found"))
            while True:
                await stream.send_all(b"x" * size)
                await trio.sleep(pause)
        except trio.BrokenResourceError:
            pass

    for size, pause in ((100_000, 0.0), (1, 0.2)):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, partial(talk, size, pause), 0)
            port = listeners[0].socket.getsockname()[1]
            error = await opening(client, f"127.0.0.1:{port}/")
            assert "xxx" not in str(error)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("client", CLIENTS)
async def test_tls_that_fails(client: str) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    async with answering(b"", context=context) as port:
        error = await opening(client, f"localhost:{port}/", tls=True)
    assert error.code == "server_unreachable"
    assert "certificate is not accepted" in str(error)
    assert "--ca" in str(error)
    async with answering(said("200 OK", b"s3cret")) as port:
        error = await opening(client, f"localhost:{port}/", tls=True)
    assert error.code == "server_unreachable"
    assert "TLS" in str(error)


@pytest.mark.parametrize("client", CLIENTS)
async def test_one_trust_for_all(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's authorities, wherever a program has its own ones from."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    real = ssl.create_default_context

    def system() -> ssl.SSLContext:
        trusting = real()
        authority.configure_trust(trusting)
        return trusting

    monkeypatch.setattr(ssl, "create_default_context", system)
    async with answering(said("404 Not Found"), context=context) as port:
        error = await opening(client, f"localhost:{port}/", tls=True)
    assert error.code.startswith("not_")
    assert "404" in str(error)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "environment",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:1"},
        {"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"},
        {"NO_PROXY": "[::1]", "http_proxy": "nonsense://"},
    ],
)
async def test_proxies_of_the_environment_are_for_nobody(
    client: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with answering(said("404 Not Found")) as port:
        error = await opening(client, f"127.0.0.1:{port}/")
    assert "404" in str(error)

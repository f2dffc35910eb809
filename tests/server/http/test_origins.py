"""Which pages may use the server, and read what it says."""

from __future__ import annotations

import pytest

from trio_rtc.server.counters import PROTOCOLS
from trio_rtc.server.http.origins import CORS, Origins

from ..harness import get, memory_server
from ..ws_client import WebSocketClient

EXPOSED = "Access-Control-Expose-Headers"
PAGE = "https://app.example.org"


def allowed(origins: Origins, *values: str) -> bool:
    return origins.allow([("host", "x"), *(("origin", value) for value in values)])


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        (PAGE, PAGE),
        ("HTTPS://App.Example.Org/", PAGE),
        ("https://app.example.org:443", PAGE),
        (f" {PAGE} ", PAGE),
        (PAGE, f" {PAGE} "),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:80", "http://localhost"),
        ("null", "null"),
        ("file://", "file://"),
        ("moz-extension://abc", "moz-extension://abc"),
    ],
)
def test_an_origin_is_allowed_as_a_browser_writes_it(configured: str, sent: str) -> None:
    origins = Origins([configured, "https://other.example"])
    assert allowed(origins, sent)
    assert f"Access-Control-Allow-Origin: {sent.strip()}\r\n" in origins.cors(sent)


@pytest.mark.parametrize(
    "sent",
    [
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org.evil.example",
        "https://evil.example/https://app.example.org",
        "https://APP.example.org",
        "null",
        "",
        "\xff",
    ],
)
def test_any_other_is_not(sent: str) -> None:
    origins = Origins([PAGE])
    assert not allowed(origins, sent)
    assert not allowed(origins, PAGE, sent)
    assert origins.cors(sent) == "Vary: Origin\r\n"


def test_who_has_none_is_no_page() -> None:
    for origins in (Origins(None), Origins([]), Origins([PAGE])):
        assert allowed(origins)
    assert not allowed(Origins([]), PAGE)
    assert Origins([PAGE]).cors(None) == "Vary: Origin\r\n"


def test_without_a_list_all_are_allowed() -> None:
    assert allowed(Origins(None), "https://anything.example", "\xff")
    assert Origins(None).cors("https://anything.example") == CORS
    rest = "Access-Control-Allow-Methods: PATCH\r\n"
    assert Origins(None).cors(None, rest) == "Access-Control-Allow-Origin: *\r\n" + rest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "example.org",
        "https://",
        "https://*.example.org",
        "https://a.example/path",
        "https://user@a.example",
        "https://a.example:port",
        "https://a b",
        "https://m\u00fcnchen.example",
        "a",
    ],
)
def test_what_is_no_origin_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no origin"):
        Origins([text])


def test_a_single_text_is_no_list() -> None:
    with pytest.raises(ValueError, match="no list"):
        Origins(PAGE)


async def test_a_foreign_page_is_refused_whatever_it_asks_for() -> None:
    async with memory_server(origins=[PAGE]) as server:
        for request in (
            get("/sign_in?x", extra="Origin: https://evil.example\r\n"),
            get("/healthz", extra="Origin: https://evil.example\r\n"),
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: null\r\n\r\n",
        ):
            answer = await server.ask(request)
            assert answer.status == 403
            assert answer.header("Access-Control-Allow-Origin") is None
        client = WebSocketClient(await server.listener.connect())
        assert (await client.open({"Origin": "https://evil.example"})).status_code == 403
        await client.stream.aclose()
        assert server.statistics.refused == 4
        assert server.statistics.joined == dict.fromkeys(PROTOCOLS, 0)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "whatever"])
async def test_what_another_site_asks_for_without_an_origin_is_refused(site: str) -> None:
    told = f"Sec-Fetch-Site: {site}\r\n"
    async with memory_server(origins=[PAGE]) as server:
        paths = ["/sign_in?x", "/wait?peer_id=1", "/sign_out?peer_id=1", "/healthz", "/peerjs/id"]
        for target in paths:
            assert (await server.ask(get(target, extra=told))).status == 403
        for path in ("/", "/peerjs?id=x&token=x&key=peerjs"):
            client = WebSocketClient(await server.listener.connect())
            assert (await client.open({"Sec-Fetch-Site": site}, path=path)).status_code == 403
            await client.stream.aclose()
        assert server.statistics.refused == len(paths) + 2
        for also in (f"Origin: {PAGE}\r\n{told}", "Sec-Fetch-Site: same-origin\r\n"):
            assert (await server.ask(get("/sign_in?x", extra=also))).status == 200
        assert (await server.ask(get("/", extra=told))).status == 200
    async with memory_server() as server:
        assert (await server.ask(get("/sign_in?x", extra=told))).status == 200


async def test_a_page_on_the_list_may_read_the_answers() -> None:
    async with memory_server(origins=[PAGE]) as server:
        for target, status in [("/sign_in?x", 200), ("/nothing", 404)]:
            answer = await server.ask(get(target, extra=f"Origin: {PAGE}\r\n"))
            assert answer.status == status
            assert answer.header("Access-Control-Allow-Origin") == PAGE
            assert answer.header("Vary") == "Origin"
            # Others may be beside it, such as that of the classic protocol's sessions.
            exposed = [value for name, value in answer.headers if name == EXPOSED]
            assert "Content-Length, X-Peer-Id" in exposed


async def test_a_request_that_is_none_names_no_origin() -> None:
    async with memory_server(origins=[PAGE]) as server:
        answer = await server.ask(b"nonsense")
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (400, None)

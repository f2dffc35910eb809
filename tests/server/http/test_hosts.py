"""Which names the server goes by."""

from __future__ import annotations

import tracemalloc

import pytest

from trio_rtc.server.http.hosts import Hosts

from ..harness import get, memory_server
from ..ws_client import WebSocketClient


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org:8888"),
        ("example.org", "EXAMPLE.org."),
        ("example.org", "example.org.:80"),
        ("*.example.org", "a.b.example.org"),
        ("192.0.2.1", "192.0.2.1:8888"),
        ("::1", "[::1]:8888"),
        ("[0:0::1]", "[::1]"),
        ("localhost", "localhost:"),
    ],
)
def test_a_host_is_allowed_however_it_is_written(configured: str, sent: str) -> None:
    assert Hosts([configured, "other.example"]).allow(sent)


@pytest.mark.parametrize(
    "sent",
    ["evil.example", "example.org.evil.example", "evilexample.org", "", "a.example.org@evil", "::1",
     "[::1", "x::2]", "[v1.fe80]", "[]", "[::2x", "example.org:80:80", "example.org\xff"],
)  # fmt: skip
def test_any_other_is_not(sent: str) -> None:
    assert not Hosts(["example.org", "*.example.org", "[::2]"]).allow(sent)


def test_a_name_of_many_parts_costs_no_more_than_its_length() -> None:
    hosts = Hosts(["example.org", "*.example.org"])
    name = "a." * 8000
    tracemalloc.start()
    try:
        assert hosts.allow(f"{name}example.org")
        assert not hosts.allow(f"{name}example.com")
        assert tracemalloc.get_traced_memory()[1] < 20 * len(name)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (None, True),
        ("localhost:8888", True),
        ("rtc.localhost", True),
        ("127.0.0.1:8888", True),
        ("[::1]:8888", True),
        ("192.0.2.1", True),
        ("evil.example", False),
        ("evil.example:8888", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_names_that_no_page_can_have_rebound(host: str | None, expected: bool) -> None:
    assert Hosts(None).is_no_foreign_name(host) is expected
    assert Hosts(["rtc.example.org"]).is_no_foreign_name("rtc.example.org:80")
    assert not Hosts(["rtc.example.org"]).is_no_foreign_name("localhost")


def test_without_a_list_or_a_host_all_are_allowed() -> None:
    assert Hosts(None).allow("evil.example")
    assert Hosts([]).allow(None)
    assert not Hosts([]).allow("localhost")


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "http://example.org", "example.org:80", "a b", "m\u00fcnchen.example"]
)
def test_what_is_no_host_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no host"):
        Hosts([text])
    with pytest.raises(ValueError, match="no list"):
        Hosts("example.org")


async def test_no_request_for_another_host_is_answered() -> None:
    async with memory_server(allowed_hosts=["rtc.example.org"]) as server:
        for target in ("/", "/sign_in?x", "/wait?peer_id=1", "/page.js", "/peerjs/id", "/nothing"):
            answer = await server.ask(get(target, extra="Host: evil.example:8888\r\n"))
            assert (answer.status, answer.body[-1:]) == (421, b".")
        for path in ("/", "/peerjs?id=x&token=x&key=peerjs"):
            client = WebSocketClient(await server.listener.connect())
            assert (await client.open({"Host": "evil.example"}, path=path)).status_code == 421
            await client.stream.aclose()
        assert server.statistics.refused == 8
        good = get("/sign_in?x", extra="Host: rtc.example.org\r\n")
        assert (await server.ask(good)).status == 200
        probe = get("/healthz", extra="Host: 192.0.2.1:8888\r\n")
        assert (await server.ask(probe)).status == 200

"""The URLs of STUN and TURN servers, in every form of RFC 7064 and RFC 7065."""

from __future__ import annotations

import pytest

from trio_rtc.errors import BadIceServer
from trio_rtc.rtc import IceServer
from trio_rtc.rtc.ice_url import IceUrl, parse_ice_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        # The examples of the RFCs.
        ("stun:example.org", ("stun", "example.org", 3478, "udp")),
        ("stuns:example.org", ("stuns", "example.org", 5349, "tcp")),
        ("stun:example.org:8000", ("stun", "example.org", 8000, "udp")),
        ("turn:example.org", ("turn", "example.org", 3478, "udp")),
        ("turns:example.org", ("turns", "example.org", 5349, "tcp")),
        ("turn:example.org:8000", ("turn", "example.org", 8000, "udp")),
        ("turn:example.org?transport=udp", ("turn", "example.org", 3478, "udp")),
        ("turn:example.org?transport=tcp", ("turn", "example.org", 3478, "tcp")),
        ("turns:example.org?transport=tcp", ("turns", "example.org", 5349, "tcp")),
        ("turns:example.org?transport=udp", ("turns", "example.org", 5349, "udp")),
        ("turn:example.org:443?transport=tcp", ("turn", "example.org", 443, "tcp")),
        # Addresses.
        ("stun:192.0.2.1", ("stun", "192.0.2.1", 3478, "udp")),
        ("stun:[2001:DB8:0::1]", ("stun", "2001:db8::1", 3478, "udp")),
        ("stun:[::1]:1", ("stun", "::1", 1, "udp")),
        ("turn:[2001:db8::192.0.2.1]:443", ("turn", "2001:db8::c000:201", 443, "udp")),
        # Case makes no difference (RFC 3986, section 3.1).
        ("TURNS:Example.org?Transport=TCP", ("turns", "Example.org", 5349, "tcp")),
        ("stun:xn--bcher-kva.example", ("stun", "xn--bcher-kva.example", 3478, "udp")),
        ("stun:b\u00fccher.example", ("stun", "b\u00fccher.example", 3478, "udp")),
        ("stun:a_b", ("stun", "a_b", 3478, "udp")),
        ("stun:a:65535", ("stun", "a", 65535, "udp")),
    ],
)
def test_a_good_one(url: str, parts: tuple[str, str, int, str]) -> None:
    assert parse_ice_url(url) == IceUrl(*parts)
    assert IceServer(url, "name", "secret").url_list == [url]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "http://example.org",
        "stun:",
        "stun://example.org",
        "stun:example.org/",
        "stun:example.org:",
        "stun:example.org:0",
        "stun:example.org:65536",
        "stun:example.org:stun",
        "stun:example.org:\uff13\uff14",
        "stun:example.org?transport=udp",
        "stun:example.org ",
        "stun:example.org\n",
        "stun:exam ple.org",
        "stun:\x00",
        "stun:a..b",
        "stun:" + "a" * 64,
        "stun:2001:db8::1",
        "stun:[]",
        "stun:[::1",
        "stun:[::1]3478",
        "stun:[1.2.3.4]",
        "stun:[:::]",
        "stun:[fe80::1%25eth0]",
        "turn:alice@example.org",
        "turn:example.org?transport=",
        "turn:example.org?transport=sctp",
        "turn:example.org?transport=udp&x=y",
        "turn:example.org?x=y",
        3,
    ],
)
def test_a_bad_one(url: str) -> None:
    with pytest.raises(BadIceServer):
        IceServer([url], "name", "secret")


def test_what_is_spoken() -> None:
    spoken = ["stun:a", "turn:a", "turn:a?transport=tcp", "turns:a"]
    assert all(parse_ice_url(url).is_spoken for url in spoken)
    assert not any(parse_ice_url(url).is_spoken for url in ("stuns:a", "turns:a?transport=udp"))

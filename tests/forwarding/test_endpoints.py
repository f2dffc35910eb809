"""What is written after -L and -R, and what is allowed."""

from __future__ import annotations

import pytest

from trio_rtc.errors import ForwardError
from trio_rtc.forwarding.endpoints import parse_allowed, parse_endpoint, parse_forward


@pytest.mark.parametrize(
    ("text", "listen", "target"),
    [
        ("8080:localhost:80", "localhost:8080", "localhost:80"),
        ("0.0.0.0:8080:Example.org:80", "0.0.0.0:8080", "example.org:80"),
        ("[::1]:8080:[fe80::1%eth0]:80", "[::1]:8080", "[fe80::1%eth0]:80"),
        ("8080:[2001:db8::1]:80", "localhost:8080", "[2001:db8::1]:80"),
        ("/tmp/a.sock:localhost:22", "/tmp/a.sock", "localhost:22"),
        ("2222:/run/b.sock", "localhost:2222", "/run/b.sock"),
        ("/tmp/a.sock:/run/b.sock", "/tmp/a.sock", "/run/b.sock"),
    ],
)
def test_forwards_as_ssh_has_them(text: str, listen: str, target: str) -> None:
    at, to = parse_forward(text)
    assert (str(at), str(to)) == (listen, target)
    assert parse_endpoint(str(to)) == to


@pytest.mark.parametrize(
    "text", ["", "80", "80:80", "a:b", "8080:localhost:99999", "8080::80", "8080:*:80", "x:y:z"]
)
def test_what_is_no_forward(text: str) -> None:
    with pytest.raises(ForwardError) as caught:
        parse_forward(text)
    assert caught.value.code == "bad_endpoint"


def test_what_is_allowed() -> None:
    allowed = parse_allowed(["localhost:22", "db.example:*", "*:443", "/run/a.sock"])
    for text in ["localhost:22", "db.example:1", "anywhere:443", "/run/a.sock", "LOCALHOST:22"]:
        assert parse_endpoint(text) in allowed, text
    for text in ["localhost:23", "127.0.0.1:22", "example:1", "/run/b.sock"]:
        assert parse_endpoint(text) not in allowed, text
    assert parse_endpoint("localhost:22") not in parse_allowed([])

"""STUN and TURN servers, as programs and environments name them."""

from __future__ import annotations

import pytest

from trio_rtc.errors import BadIceServer
from trio_rtc.rtc import IceServer, as_ice_servers, ice_servers_from_environment

VARIABLE = "TRIO_RTC_ICE_SERVERS"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_environment_that_names_none(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert ice_servers_from_environment() == []


def test_an_environment_with_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "stun:one.example  stun:two.example:1234")
    assert ice_servers_from_environment() == [
        IceServer("stun:one.example"),
        IceServer("stun:two.example:1234"),
    ]


def test_an_environment_with_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        VARIABLE,
        '[{"urls": ["turn:a.example", "turns:a.example"], "username": "u", "credential": "p"},'
        ' {"urls": "stun:b.example", "more": 1}]',
    )
    turn, stun = ice_servers_from_environment()
    assert turn.url_list == ["turn:a.example", "turns:a.example"]
    assert (turn.username, turn.credential) == ("u", "p")
    assert stun == IceServer("stun:b.example")


@pytest.mark.parametrize(
    "value",
    ["http://not.a.server", "turn:needs.credentials", "[", "[1]", '[{"url": "stun:a"}]', "[[]]"],
)
def test_an_environment_that_is_wrong_says_where(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(BadIceServer, match=VARIABLE):
        ice_servers_from_environment()


@pytest.mark.parametrize("server", [None, 3, {"urls": "stun:a"}, b"stun:a"])
def test_what_is_no_server(server: object) -> None:
    with pytest.raises(BadIceServer, match="neither"):
        as_ice_servers([server])  # type: ignore[list-item]


def test_one_url_is_one_server() -> None:
    assert as_ice_servers("stun:a.example") == [IceServer("stun:a.example")]

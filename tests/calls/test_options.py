"""The options of calls are said once: what programs may give, what is kept, and what help shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from trio_rtc import MediaTrack, open_call, serve_calls
from trio_rtc.calls.options import (
    CallKeywords,
    CallOptions,
    ConnectionKeywords,
    ConnectionOptions,
)
from trio_rtc.peerjs import open_peerjs
from trio_rtc.peerjs.connection_options import Options
from trio_rtc.rtc import as_ice_servers
from trio_rtc.testing import MemoryHub


@pytest.mark.parametrize(
    ("function", "keywords", "options"),
    [
        (open_call, CallKeywords, CallOptions),
        (serve_calls, CallKeywords, CallOptions),
        (open_peerjs, ConnectionKeywords, Options),
    ],
)
def test_help_shows_all_of_them_with_their_defaults(
    function: Callable[..., object],
    keywords: type[ConnectionKeywords],
    options: type[ConnectionOptions],
) -> None:
    shown = inspect.signature(function).parameters
    kept = {field.name: field.default for field in fields(options)}
    assert not any(each.kind is each.VAR_KEYWORD for each in shown.values())
    for name in keywords.__annotations__:
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[name].default == kept[name]
        assert f"\n    {name}: " in f"{inspect.getdoc(open_call)}"


def test_what_is_given_is_kept() -> None:
    tracks: list[MediaTrack] = []
    options = CallOptions.of(
        "open_call",
        CallKeywords,
        {"tracks": iter(tracks), "codecs": ["opus"], "ice_servers": ("stun:example.org",)},
        receive=["audio"],
    )
    assert (options.tracks, options.codecs, options.receive) == ((), ("opus",), ("audio",))
    assert options.ice_servers == as_ice_servers(["stun:example.org"])
    assert CallOptions.of("open_call", CallKeywords, {}) == CallOptions()
    assert CallOptions.of("open_call", CallKeywords, {"ice_servers": None}).ice_servers is None


@pytest.mark.parametrize(
    ("function", "given"),
    [("open_call", "timeout"), ("serve_calls", "receive"), ("serve_calls", "one_way")],
)
async def test_an_argument_that_there_is_none_of(function: str, given: str) -> None:
    alice = MemoryHub().sign_in("alice")
    wrong: dict[str, Any] = {given: 1}
    words = rf"^{function}\(\) got an unexpected keyword argument '{given}'$"
    with pytest.raises(TypeError, match=words):
        if function == "open_call":
            async with open_call(alice, "bob", **wrong):
                pass
        else:
            await serve_calls(lambda call: call.wait_ended(), alice, **wrong)


@pytest.mark.parametrize(
    "given",
    [
        {"connect_timeout": -1},
        {"close_timeout": "5"},
        {"silence_timeout": 0},
        {"lost_timeout": float("nan")},
    ],
)
async def test_a_connection_of_peerjs_wants_timeouts_too(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="timeout is"):
        async with open_peerjs("http://127.0.0.1:1/", "alice", **given):
            pass

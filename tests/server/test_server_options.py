"""The options of a server are said once: what programs may give, what holds, what help shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_type_hints

import pytest
import trio

from trio_rtc.server import serve_signaling, serve_signaling_listeners
from trio_rtc.server.server_options import ServerKeywords, ServerOptions


@pytest.mark.parametrize("function", [serve_signaling, serve_signaling_listeners])
def test_help_shows_all_of_them_with_their_defaults(function: Callable[..., object]) -> None:
    shown = inspect.signature(function).parameters
    assert not any(each.kind is each.VAR_KEYWORD for each in shown.values())
    assert {field.name for field in fields(ServerOptions)} == ServerKeywords.__annotations__.keys()
    for field in fields(ServerOptions):
        assert shown[field.name].kind is inspect.Parameter.KEYWORD_ONLY
        assert shown[field.name].default == field.default
        assert f"\n    {field.name}: " in f"{inspect.getdoc(serve_signaling)}"


def test_what_is_kept_is_what_may_be_given() -> None:
    assert get_type_hints(ServerOptions) == get_type_hints(ServerKeywords)


@pytest.mark.parametrize("function", [serve_signaling, serve_signaling_listeners])
async def test_an_argument_that_there_is_none_of(function: Callable[..., Any]) -> None:
    words = rf"^{function.__name__}\(\) got an unexpected keyword argument 'lmits'$"
    given: object = 0 if function is serve_signaling else []
    with pytest.raises(TypeError, match=words), trio.fail_after(5):
        await function(given, lmits=None)

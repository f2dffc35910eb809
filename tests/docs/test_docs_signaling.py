"""What the page on signaling shows is run as it stands there, against real servers."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from trio_rtc.calls.call import Call
from trio_rtc.signaling import MessageReceived, open_signaling

from ..server.harness import tcp_server
from ..signaling.proxy import open_proxy
from .pages import blocks_of, function_of

BLOCKS = blocks_of("signaling.md")
function = partial(function_of, BLOCKS)


async def test_greeting(capsys: pytest.CaptureFixture[str]) -> None:
    async def bob(url: str) -> None:
        async with open_signaling(url, name="bob") as signaling:
            async for event in signaling:
                if isinstance(event, MessageReceived):
                    await signaling.send(event.peer, event.data + b" to you")
                    return

    async with tcp_server() as port, trio.open_nursery() as nursery:
        nursery.start_soon(bob, f"ws://127.0.0.1:{port}")
        await function("greet")(f"ws://127.0.0.1:{port}")
    (expected,) = (text for language, text in BLOCKS if language == "text")
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_staying(scheme: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def hang_up(call: Call) -> None:
        await call.hang_up()

    async with open_proxy(0) as (proxy, port), trio.open_nursery() as nursery:
        for time in range(2):
            async with tcp_server() as proxy.target:
                if time == 0:
                    url = f"{scheme}://127.0.0.1:{port}"
                    nursery.start_soon(function("stay"), url, hang_up)
                url = f"{scheme}://127.0.0.1:{proxy.target}"
                async with open_signaling(url, name="alice") as signaling:
                    await signaling.wait_for_peer("robot")
        nursery.cancel_scope.cancel()
    assert "signing in again after: s" in capsys.readouterr().out


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "text"}

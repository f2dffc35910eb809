"""What the page on calls shows is run as it stands there, in real calls."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import get_args

import pytest
import trio

from trio_rtc.calls.call import Call
from trio_rtc.calls.calling import open_call, serve_calls
from trio_rtc.signaling import Signaling
from trio_rtc.testing import MemoryHub
from trio_rtc.wire.end_reasons import EndReason

from .pages import ROOT, blocks_of, function_of

PAGE = (ROOT / "docs" / "calls.md").read_text()
BLOCKS = blocks_of("calls.md")
function = partial(function_of, BLOCKS)

Side = Callable[[Call], Awaitable[object]]


async def run(caller: Side, callee: Side) -> str:
    hub = MemoryHub()
    alice, bob = hub.sign_in("alice"), hub.sign_in("bob")
    printed = io.StringIO()

    async def serve(signaling: Signaling) -> None:
        await serve_calls(callee, signaling)

    with contextlib.redirect_stdout(printed), trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, bob)
            async with open_call(alice, "bob") as call:
                await caller(call)
            nursery.cancel_scope.cancel()
    return printed.getvalue()


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {language for language, _ in BLOCKS} == {"python", "text", "console"}


async def test_the_two_ends_of_a_call() -> None:
    (expected,) = (text for language, text in BLOCKS if language == "text")
    assert await run(function("talk"), function("look")) == expected


@pytest.mark.parametrize(
    ("name", "pattern"),
    # The other's check may come before the message that has its candidate.
    [("report", r"connected host (host|prflx)\n[\d.]+ ms there.*"), ("move", "")],
)
async def test_what_one_end_does(name: str, pattern: str) -> None:
    async def wait(call: Call) -> None:
        await call.wait_ended()

    printed = await run(function(name), wait)
    assert re.fullmatch(pattern, printed, re.S), printed


def test_the_environment() -> None:
    (block,) = (text for language, text in BLOCKS if language == "console")
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    read = (
        f"{sys.executable} -c 'from trio_rtc.rtc import ice_servers_from_environment as e; "
        "print(*(u for s in e() for u in s.url_list))'"
    )
    script = "\n".join(f"{line}\n{read}" for line in lines)
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "stun:stun.example.org",
        "stun:stun.example.net:3479",
        "turn:turn.example.org?transport=tcp",
    ]


def test_every_reason_for_an_end_is_there() -> None:
    for reason in get_args(EndReason):
        assert f"| `{reason}` |" in PAGE

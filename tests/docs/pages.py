"""The blocks of a page of the documents, and the functions in them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

import trio_rtc

ROOT = Path(__file__).parent.parent.parent

#: What programs of the pages sign in to.
SERVER = "localhost:8888"


def blocks_of(page: str) -> list[tuple[str, str]]:
    """The language and the text of each block."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.S | re.M)


def function_of(
    blocks: list[tuple[str, str]], name: str, **names: Any
) -> Callable[..., Awaitable[Any]]:
    """One of the functions that the blocks of Python define together.

    Args:
        blocks: of the page.
        name: of the function.
        names: what they find defined, beside `trio` and `trio_rtc`.
    """
    namespace: dict[str, Any] = {"trio": trio, "trio_rtc": trio_rtc, **names}
    for language, text in blocks:
        if language == "python":
            exec(text, namespace)
    found: Callable[..., Awaitable[Any]] = namespace[name]
    return found


def texts_of(page: str, language: str) -> list[str]:
    """The blocks of a page in one language."""
    return [text for kind, text in blocks_of(page) if kind == language]


def reworded(program: str, url: str) -> str:
    """A program of a page, with the address of a server of the test."""
    assert SERVER in program
    return program.replace(SERVER, url.removeprefix("ws://"))


@asynccontextmanager
async def serving_server(**options: Any) -> AsyncIterator[str]:
    """A signaling server; gives its URL. The options are those of `serve_signaling`."""
    async with trio.open_nursery() as nursery:
        serve = partial(trio_rtc.serve_signaling, 0, host="localhost", **options)
        listeners = await nursery.start(serve)
        yield f"ws://localhost:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def output_of(program: str, **names: Any) -> str:
    """What a program prints, which ends with ``trio.run(main)``; run in this run of Trio.

    Args:
        program: its text.
        names: what it finds defined.
    """
    body, run, _ = program.rpartition("trio.run(main)")
    assert run
    printed: list[str] = []

    def write(*what: object, end: str = "\n") -> None:
        printed.append(" ".join(map(str, what)) + end)

    namespace: dict[str, Any] = {"print": write, **names}
    exec(compile(body, "<page>", "exec"), namespace)
    with trio.fail_after(200):
        await namespace["main"]()
    return "".join(printed)

"""The blocks of a page of the documents, and the functions in them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import trio

import trio_rtc

ROOT = Path(__file__).parent.parent.parent


def blocks_of(page: str) -> list[tuple[str, str]]:
    """The language and the text of each block."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.S | re.M)


def function_of(blocks: list[tuple[str, str]], name: str) -> Callable[..., Awaitable[Any]]:
    """One of the functions that the blocks of Python define together."""
    namespace: dict[str, Any] = {"trio": trio, "trio_rtc": trio_rtc}
    for language, text in blocks:
        if language == "python":
            exec(text, namespace)
    found: Callable[..., Awaitable[Any]] = namespace[name]
    return found


async def output_of(program: str, names: Mapping[str, Any] | None = None) -> str:
    """What a program prints, which ends with ``trio.run(main)``; run in this run of Trio.

    Args:
        program: its text.
        names: what it finds defined.
    """
    body, run, _ = program.rpartition("trio.run(main)")
    assert run
    namespace: dict[str, Any] = dict(names or {})
    exec(compile(body, "<page>", "exec"), namespace)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), trio.fail_after(60):
        await namespace["main"]()
    return printed.getvalue()

"""The blocks of a page of the documents, and the functions in them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
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

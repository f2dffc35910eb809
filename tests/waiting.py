"""Waiting for what nobody tells of."""

from __future__ import annotations

from collections.abc import Callable

import trio


async def until(condition: Callable[[], object]) -> None:
    """Ask again and again until it is so; the limit is that of the test."""
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.005)

"""Tests that run in virtual time, on one host of a simulated network: no load makes them slow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any

from trio_rtc.testing.network.network import Network

from ..testing.simulated import run


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Have a test run there."""

    @wraps(test)
    def run_it(*args: Any, **values: Any) -> None:
        async def main(network: Network) -> None:
            await network.host("here").run(partial(test, *args, **values))

        run(main)

    return run_it

"""The examples as modules, and calls to their handlers."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import trio

import trio_rtc
from trio_rtc.testing import MemoryHub

EXAMPLES = Path(__file__).parents[2] / "examples"

Handler = Callable[[trio_rtc.Call], Awaitable[object]]


@cache
def program(name: str) -> ModuleType:
    """An example, loaded as a module; its `main` part does not run."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def calling(
    handler: Handler, *, name: str = "alice", hub: MemoryHub | None = None, **options: Any
) -> AsyncIterator[trio_rtc.Call]:
    """A call of somebody to an example whose handler this is.

    Args:
        handler: of the example.
        name: of the one who calls.
        hub: where the example is signed in and serves its calls already.
        options: of `open_call`.
    """
    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            if hub is None:
                hub = MemoryHub()
                serve = partial(trio_rtc.serve_calls, handler, hub.sign_in("example"))
                await nursery.start(serve)
            async with trio_rtc.open_call(hub.sign_in(name), "example", **options) as call:
                yield call
            nursery.cancel_scope.cancel()

"""A call to a peer in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from trio_rtc import Call, open_call, open_signaling

from ...processes import Command, python, server_here

SERVING = Path(__file__).parent / "serving.py"


@asynccontextmanager
async def call_process(
    certificate: Path | None = None, **options: Any
) -> AsyncIterator[tuple[Call, Command]]:
    """We have called a process that runs ``serving.py``."""
    arguments = [str(certificate)] if certificate is not None else []
    with trio.fail_after(60):
        async with (
            server_here() as url,
            python("-W", "error", str(SERVING), url, "bob", *arguments) as bob,
        ):
            await bob.event("signed_in")
            async with (
                open_signaling(url, name="alice") as signaling,
                open_call(signaling, "bob", receive=(), **options) as call,
            ):
                yield call, bob
            if bob.process.returncode is None:
                await bob.event("over")
            assert bob.errors == "", bob.errors

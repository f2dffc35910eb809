"""Setup of each asyncio loop that we use."""

from __future__ import annotations

import asyncio
import math

from .ownership import start_owned


def set_up(loop: asyncio.AbstractEventLoop) -> None:
    """Have its tasks belong to somebody, and keep it from telling how long things take.

    In Python's development mode asyncio writes a warning of what has taken 0.1 s: on a busy machine
    that is anything, and users of ours know of no asyncio.
    """
    loop.set_task_factory(start_owned)
    loop.slow_callback_duration = math.inf

"""Virtual time: the time of day as aiortc reads it, from the world of its run.

It stands in reports and statistics, and tells a receiver how long ago something came.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from aiortc import clock

from ...world import world
from .patches import can
from .purposes import USES


@contextmanager
def in_virtual_time() -> Iterator[None]:
    """A block in which aiortc has the time of a simulation."""
    for purpose in USES:
        # What is tried once draws lots, as for ids: a first simulation is not to be another.
        can(purpose)
    real = clock.current_datetime
    clock.current_datetime = _current_datetime
    try:
        yield
    finally:
        clock.current_datetime = real


def _current_datetime() -> datetime:
    return datetime.fromtimestamp(world().time(), UTC)

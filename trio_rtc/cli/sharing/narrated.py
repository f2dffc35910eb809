"""Running a command that tells people, or programs, what it does; the exit status says the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..run import run
from .narrator import JsonNarrator, Narrator
from .statuses import status_of


def run_narrated(name: str, work: Callable[[Narrator], Awaitable[None]], *, as_json: bool) -> int:
    """Do the work of a command; the exit status."""
    narrator = JsonNarrator(name) if as_json else Narrator(name)

    async def narrate() -> None:
        await work(narrator)

    status = run(narrate, narrator.error, interrupted=lambda number: 128 + number)
    narrator.finish()
    return status_of(narrator.failed) if narrator.failed else status

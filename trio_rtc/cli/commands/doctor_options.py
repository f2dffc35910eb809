"""The options of ``trio-rtc doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from .declare import Json, Token, command


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """What is looked at besides this machine."""

    server: Annotated[
        str | None,
        typer.Argument(metavar="SERVER", envvar="TRIO_RTC_SERVER", help="A signaling server."),
    ] = None
    token: Token = None
    json: Json = False


@command(
    "Examples: trio-rtc doctor | trio-rtc doctor wss://example.org   The exit status is 0 "
    "if nothing is broken, and 1 otherwise."
)
def doctor(options: DoctorOptions) -> int:
    """Look at this machine, a signaling server, and what STUN and TURN servers give.

    Each finding that is not as it should be comes with a hint.
    """
    from ..diagnosis.doctor import run_doctor

    return run_doctor(options)

"""The options of ``trio-rtc doctor``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from .declare import Ca, Json, Server, Token, command


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """What is looked at besides this machine.

    Attributes:
        old_server: a server without ``--server``, as other commands do not take it: deprecated.
    """

    old_server: Annotated[str | None, typer.Argument(metavar="[SERVER]", hidden=True)] = None
    server: Server = field(default_factory=list)
    name: Annotated[str, typer.Option(help="What it signs in as.")] = "doctor"
    token: Token = None
    ca: Ca = None
    json: Json = False


@command(
    "Examples: trio-rtc doctor | trio-rtc doctor --server wss://example.org   The exit status is 0 "
    "if nothing is broken, and 1 otherwise."
)
def doctor(options: DoctorOptions) -> int:
    """Look at this machine, a signaling server, and what STUN and TURN servers give.

    Each finding that is not as it should be comes with a hint.
    """
    from ..diagnosis.doctor import run_doctor

    return run_doctor(options)

"""The options of ``trio-rtc peers``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from .declare import DEFAULT_SERVER, Ca, Json, Server, Token, command, default_name


@dataclass(frozen=True, kw_only=True)
class PeersOptions:
    """Where it is looked who is there."""

    server: Server = field(default_factory=lambda: [DEFAULT_SERVER])
    name: Annotated[
        str, typer.Option(help="What others see us as meanwhile. [default: user@host]")
    ] = field(default_factory=default_name)
    room: Annotated[str | None, typer.Option(help="In which room. [default: the common one]")] = (
        None
    )
    token: Token = None
    ca: Ca = None
    json: Json = False


@command("Examples: trio-rtc peers | trio-rtc peers --server wss://example.org --room den --json")
def peers(options: PeersOptions) -> int:
    """List who is signed in: a line each, with id, name and protocol.

    The exit status is 0 also if nobody is, 1 after an error, 2 for options that make no sense, and
    128 plus the number of the signal after an interrupt.
    """
    from ..diagnosis.peers import run_peers

    return run_peers(options)

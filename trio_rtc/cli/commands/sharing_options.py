"""The options of ``trio-rtc send``, ``receive`` and ``forward``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from .declare import Ca, Json, Server, Token, command, default_name


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """What is sent, and to whom."""

    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files and folders; - is standard input.")
    ]
    to: Annotated[
        str | None,
        typer.Option(metavar="PEER", help="A peer who receives files, instead of a code."),
    ] = None
    server: Server = field(default_factory=list)
    name: Annotated[str, typer.Option(help="What that peer sees us as. [default: user@host]")] = (
        field(default_factory=default_name)
    )
    room: Annotated[
        str | None, typer.Option(help="Where that peer is. [default: the common room]")
    ] = None
    token: Token = None
    ca: Ca = None
    json: Json = False


@command(
    "Examples: trio-rtc send holiday/ | trio-rtc send --to bob report.pdf | "
    "tar c . | trio-rtc send -   The exit status is 0 when everything has arrived, 3 after a wrong "
    "or used code, 4 if the other side declined or cancelled, 5 if files cannot be read or "
    "written, 6 after an interruption."
)
def send(options: SendOptions) -> int:
    """Send files and folders to whoever types the code that this prints.

    Nobody in between can read them, the signaling server included. After an interruption, the same
    again goes on where it ended.
    """
    from ..sharing.send import run_send

    return run_send(options)


@dataclass(frozen=True, kw_only=True)
class ReceiveOptions:
    """Whose files are received, and where they go.

    Attributes:
        code: its words, which some type with spaces in between.
    """

    code: Annotated[
        list[str], typer.Argument(metavar="CODE", help="What the one who sends has told you.")
    ]
    server: Server = field(default_factory=list)
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the files go; it is made if need be.")
    ] = Path()
    yes: Annotated[bool, typer.Option("--yes", help="Take it without a question.")] = False
    token: Token = None
    ca: Ca = None
    json: Json = False


@command(
    "Examples: trio-rtc receive 7-guitarist-paperweight | "
    "trio-rtc receive --yes --folder Downloads 7-guitarist-paperweight   The exit status is as "
    "that of trio-rtc send."
)
def receive(options: ReceiveOptions) -> int:
    """Receive what somebody sends with trio-rtc send.

    Nothing is overwritten, and a file that is not complete has no name yet.
    """
    from ..sharing.receive import run_receive

    return run_receive(options)


@dataclass(frozen=True, kw_only=True)
class ForwardOptions:
    """What is forwarded, and what the other end may ask for.

    Attributes:
        code: its words; none to wait, with a code of our own.
    """

    code: Annotated[
        list[str],
        typer.Argument(metavar="CODE", help="What the other end has printed; without it, we do."),
    ] = field(default_factory=list)
    local: Annotated[
        list[str],
        typer.Option(
            "-L",
            metavar="[HOST:]PORT:HOST:PORT",
            help="Listen here, and have the other end connect; either side may be the path of a "
            "socket. May be repeated.",
        ),
    ] = field(default_factory=list)
    remote: Annotated[
        list[str],
        typer.Option(
            "-R",
            metavar="[HOST:]PORT:HOST:PORT",
            help="Have the other end listen, and connect here. May be repeated.",
        ),
    ] = field(default_factory=list)
    allow: Annotated[
        list[str],
        typer.Option(
            metavar="HOST:PORT",
            help="What the other end may have us connect to: also HOST:*, *:PORT, or the path of a "
            "socket. May be repeated.",
        ),
    ] = field(default_factory=list)
    allow_listen: Annotated[
        list[str],
        typer.Option(
            metavar="[HOST:]PORT", help="Where the other end may have us listen. May be repeated."
        ),
    ] = field(default_factory=list)
    server: Server = field(default_factory=list)
    token: Token = None
    ca: Ca = None
    json: Json = False


@command(
    "Examples: trio-rtc forward --allow localhost:22 | trio-rtc forward "
    "-L 2222:localhost:22 7-guitarist-paperweight | ssh -p 2222 localhost   The exit status is "
    "0 when the call is over, and otherwise as that of trio-rtc send."
)
def forward(options: ForwardOptions) -> int:
    """Forward TCP and Unix sockets through a call, as ssh does with -L and -R.

    Without a code this waits, and prints one for the other end.
    """
    from ..sharing.forward import run_forward

    return run_forward(options)

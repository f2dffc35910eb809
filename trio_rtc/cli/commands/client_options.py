"""The options of ``trio-rtc client``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from ...calls.admission import MAX_CALLS
from .declare import Audio, Ca, Json, Name, Room, Server, Token, Video, Wait, command, default_name


def _as_text(argument: str) -> str:
    """An argument of the process as text: bytes that are none are replaced (PEP 383)."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """What the client is to do."""

    server: Server = field(default_factory=list)
    name: Name = field(default_factory=default_name)
    room: Room = None
    token: Token = None
    call: Annotated[
        str | None,
        typer.Option(metavar="PEER", help="Call this peer, an id or a name, instead of waiting."),
    ] = None
    wait: Wait = 5.0
    ask: Annotated[
        bool,
        typer.Option("--ask", help="Ask whether a call is answered: /answer or /decline."),
    ] = False
    send: Annotated[
        list[str],
        typer.Option(
            metavar="TEXT",
            parser=_as_text,
            help="Send this instead of what is typed; may be repeated. The call is hung up when "
            "all is delivered and --expect and --hold are met.",
        ),
    ] = field(default_factory=list)
    expect: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Hang up no sooner than N messages have come."),
    ] = None
    hold: Annotated[
        float | None,
        typer.Option(min=0, metavar="S", help="Hang up no sooner than after S seconds."),
    ] = None
    once: Annotated[bool, typer.Option("--once", help="End after one call.")] = False
    echo: Annotated[bool, typer.Option("--echo", help="Send back what comes.")] = False
    max_calls: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Take up to N calls at once."),
    ] = MAX_CALLS
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Give up after S seconds in all.")
    ] = None
    video: Video = None
    audio: Audio = None
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Record what the other side sends (mp4, webm, wav); {n} numbers calls.",
        ),
    ] = None
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Save the files that the other side sends there."),
    ] = None
    ca: Ca = None
    json: Json = False

    @property
    def scripted(self) -> bool:
        """Whether the options say what is sent, and when the call is over; nobody types."""
        return bool(self.send) or self.expect is not None or self.hold is not None


@command()
def client(options: ClientOptions) -> int:
    """Sign in, see who is there, answer calls or make one, and chat.

    Lines that are typed are sent to the other side. At a terminal /help tells what else there is,
    and Ctrl-D ends everything. With --call the end of a pipe hangs up when all is delivered.
    """
    from ..client import run_client

    return run_client(options)

"""The commands and their options. What they do is imported when they are called."""

from __future__ import annotations

import getpass
import platform
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="WebRTC signaling and calls.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _default_name() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "user"
    return f"{user}@{platform.node() or 'host'}"


@app.command()
def server(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on. [default: all interfaces]")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")
    ] = 8888,
) -> None:
    """Run a signaling server, until it is interrupted."""
    from .server import run_server

    sys.exit(run_server(host, port))


@app.command()
def client(
    server: Annotated[str, typer.Option(help="The signaling server.")] = "http://localhost:8888",
    name: Annotated[
        str | None, typer.Option(help="What others see us as. [default: user@host]")
    ] = None,
    call: Annotated[
        str | None,
        typer.Option(metavar="PEER", help="Call this peer, an id or a name, instead of waiting."),
    ] = None,
    send: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Send this instead of what is typed; may be repeated. The call is hung up when "
            "all is delivered and --expect and --hold are met.",
        ),
    ] = None,
    expect: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Hang up no sooner than N messages have come."),
    ] = None,
    hold: Annotated[
        float | None,
        typer.Option(min=0, metavar="S", help="Hang up no sooner than after S seconds."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after one call.")] = False,
    echo: Annotated[bool, typer.Option("--echo", help="Send back what comes.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Give up after S seconds in all.")
    ] = None,
    video: Annotated[
        str | None,
        typer.Option(metavar="FILE|pattern", help="Send a file's video, or a test picture."),
    ] = None,
    audio: Annotated[
        str | None, typer.Option(metavar="FILE|tone", help="Send a file's audio, or a tone.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Record what the other side sends (mp4, webm, wav)."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per event and line.")
    ] = False,
) -> None:
    """Sign in, see who is there, answer calls or make one, and chat.

    Lines that are typed are sent to the other side; the end of input (Ctrl-D) hangs up.
    """
    from .client import ClientOptions, run_client

    options = ClientOptions(
        server=server,
        name=_default_name() if name is None else name,
        call=call,
        send=tuple(send or ()),
        expect=expect or 0,
        hold=hold or 0.0,
        scripted=bool(send) or expect is not None or hold is not None,
        once=once,
        echo=echo,
        timeout=timeout,
        video=video,
        audio=audio,
        record=record,
        json=json,
    )
    sys.exit(run_client(options))

"""The options of ``trio-rtc record``, ``play``, ``call`` and ``load``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from .declare import Audio, Ca, Json, Name, Room, Server, Token, Video, Wait, command, default_name

_Seconds = Annotated[
    float, typer.Option("--seconds", min=0, metavar="S", help="Hang up after S seconds.")
]

_STATUSES = (
    "The exit status is 0 if all went well, 1 after an error, 2 for options that make no sense, "
    "and 128 plus the number of the signal after an interrupt."
)


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Where to sign in."""

    server: Server = field(default_factory=list)
    room: Room = None
    token: Token = None
    ca: Ca = None
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class SessionOptions(PlaceOptions):
    """Where to sign in, and as whom."""

    name: Name = field(default_factory=default_name)


@dataclass(frozen=True, kw_only=True)
class RecordOptions(SessionOptions):
    """What is recorded, and where it goes."""

    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Where it goes: mp4, webm, mkv, wav, ...; with {n} each call has a file.",
        ),
    ]
    peer: Annotated[
        str | None,
        typer.Option("--from", metavar="PEER", help="Call this peer instead of waiting."),
    ] = None
    wait: Wait = 5.0
    seconds: _Seconds = math.inf


@command(
    "Examples: trio-rtc record view.mp4 --from camera --seconds 60 | "
    f"trio-rtc record 'call-{{n}}.webm' --name mailbox   {_STATUSES} If nothing came that could be "
    "recorded, that is an error."
)
def record(options: RecordOptions) -> int:
    """Record what a peer sends, or whoever calls.

    Without --from this waits for a call and ends with it; with {n} in the name of the file it
    records all calls until it is interrupted. The file is complete also after Ctrl-C.
    """
    from ..calling.record_call import run_record

    return run_record(options)


@dataclass(frozen=True, kw_only=True)
class PlayOptions(SessionOptions):
    """What is played, and to whom."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A file, a device such as /dev/video0, a URL, or pattern."
        ),
    ]
    peer: Annotated[
        str | None, typer.Option("--to", metavar="PEER", help="Call this peer instead of waiting.")
    ] = None
    wait: Wait = 5.0
    once: Annotated[bool, typer.Option("--once", help="End after one call.")] = False
    loop: Annotated[bool, typer.Option("--loop", help="Begin the file again at its end.")] = False
    codec: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="Use this codec, such as H264. May be repeated."),
    ] = field(default_factory=list)
    seconds: _Seconds = math.inf


@command(
    "Examples: trio-rtc play film.mp4 --to bob | trio-rtc play pattern --name camera   "
    f"{_STATUSES} It is an error, too, if the peer of --to hangs up before the end."
)
def play(options: PlayOptions) -> int:
    """Play a file, a device or test signals to a peer, or to all who call.

    Each call has a file from its beginning, and is hung up at its end.
    """
    from ..calling.play_media import run_play

    return run_play(options)


@dataclass(frozen=True, kw_only=True)
class CallCommandOptions(SessionOptions):
    """Who is called, and what is sent."""

    peer: Annotated[
        str | None,
        typer.Argument(metavar="[PEER]", help="Whom to call, an id or a name; without, we wait."),
    ] = None
    wait: Wait = 5.0
    video: Video = None
    audio: Audio = None
    interval: Annotated[float, typer.Option(min=0.1, metavar="S", help="Look every S seconds.")] = (
        1.0
    )
    seconds: _Seconds = math.inf


@command(
    "Examples: trio-rtc call bob --video pattern | trio-rtc call bob --json --seconds 10   "
    f"{_STATUSES}"
)
def call(options: CallCommandOptions) -> int:
    """Call a peer, or take a call, and watch how it does: its way, its bitrates, its channels.

    At a terminal it is a screen with plots of the last minute; elsewhere a line at a time.
    """
    from ..calling.view_call import run_call

    return run_call(options)


@dataclass(frozen=True, kw_only=True)
class LoadOptions(PlaceOptions):
    """How many peers do what."""

    room: Annotated[
        str | None, typer.Option(help="Where they meet. [default: a room of their own]")
    ] = None
    peers: Annotated[int, typer.Option(min=1, metavar="N", help="Sign in N peers.")] = 10
    per_second: Annotated[
        float, typer.Option(min=0.01, metavar="R", help="R of them a second.")
    ] = 20.0
    calls: Annotated[
        bool, typer.Option("--calls/--no-calls", help="Have every second peer call the one before.")
    ] = True
    seconds: Annotated[
        float, typer.Option(min=0, metavar="S", help="Have them talk for S seconds.")
    ] = 10.0
    interval: Annotated[
        float, typer.Option(min=0, metavar="S", help="A message, and its answer, every S seconds.")
    ] = 1.0
    size: Annotated[int, typer.Option(min=1, metavar="BYTES", help="Of a message.")] = 100


@command(
    "Examples: trio-rtc load --peers 100 --server wss://example.org | trio-rtc load --no-calls "
    f"--peers 1000 --per-second 100 --json   {_STATUSES} It is an error if any peer could not do "
    "what it was to do; the table tells which."
)
def load(options: LoadOptions) -> int:
    """Have many peers sign in, call each other and talk, and tell how long it took.

    With --no-calls they talk through the server.
    """
    from ..calling.load_run import run_load

    return run_load(options)

"""The commands and their options. What they do is imported when they are called."""

from __future__ import annotations

import getpass
import inspect
import math
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..calls.admission import MAX_CALLS
from .server_settings import SETTINGS
from .settings import FILE
from .sharing import DEFAULT_SERVER

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import trio_rtc

        print(f"trio-rtc {trio_rtc.__version__}")
        raise typer.Exit


@app.callback()
def trio_rtc_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """WebRTC signaling and calls."""


def _default_name() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "user"
    return f"{user}@{platform.node() or 'host'}"


def server(**flags: str | None) -> None:
    """Run a signaling server, until it is interrupted.

    Each option is also an environment variable (--log-level is TRIO_RTC_LOG_LEVEL) and a key of
    the settings file (log_level = "info"), which is TOML. An option goes before the variable,
    and the variable before the file.
    """
    from .server import run_server

    sys.exit(run_server({name: text for name, text in flags.items() if text is not None}))


def _as_text(argument: str) -> str:
    """An argument of the process as text: bytes that are none are replaced (PEP 383)."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _option(name: str, metavar: str, text: str) -> inspect.Parameter:
    annotation = Annotated[str | None, typer.Option(metavar=metavar, help=text)]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)


def _server_options() -> list[inspect.Parameter]:
    # Every setting is parsed in one place, wherever it comes from: here they are all text.
    return [
        _option(FILE, "FILE", "A file of settings."),
        *(
            _option(
                setting.name,
                setting.kind.metavar,
                f"{setting.help} [default: {setting.shown_default}]",
            )
            for setting in SETTINGS
        ),
    ]


def _declare(command: Callable[..., None], options: list[inspect.Parameter]) -> None:
    """Have Typer see these options instead of those of the function's own signature."""
    vars(command)["__signature__"] = inspect.Signature(options)
    command.__annotations__ = {option.name: option.annotation for option in options}
    app.command()(command)


_declare(server, _server_options())


Server = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="TRIO_RTC_SERVER",
        help="The signaling server; http:// for one that is classic only.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="TRIO_RTC_TOKEN", help="What the server lets us in with."),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca", metavar="FILE", help="An authority that the server's certificate may be of (PEM)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per event and line.")]


@app.command(
    epilog="Examples: trio-rtc send holiday/ | trio-rtc send --to bob report.pdf | "
    "tar c . | trio-rtc send -   The exit status is 0 when everything has arrived, 3 after a wrong "
    "or used code, 4 if the other side declined or cancelled, 5 if files cannot be read or "
    "written, 6 after an interruption."
)
def send(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files and folders; - is standard input.")
    ],
    to: Annotated[
        str | None,
        typer.Option(metavar="PEER", help="A peer who receives files, instead of a code."),
    ] = None,
    server: Server = DEFAULT_SERVER,
    name: Annotated[
        str | None, typer.Option(help="What that peer sees us as. [default: user@host]")
    ] = None,
    room: Annotated[
        str | None, typer.Option(help="Where that peer is. [default: the common room]")
    ] = None,
    token: Token = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Send files and folders to whoever types the code that this prints.

    Nobody in between can read them, the signaling server included. After an interruption, the same
    again goes on where it ended.
    """
    from .sharing.meeting import MeetingPlace
    from .sharing.send import SendOptions, run_send

    place = MeetingPlace(server=server, room=room, token=token, ca=ca)
    shown = _default_name() if name is None else name
    sys.exit(run_send(SendOptions(paths=paths, place=place, to=to, name=shown, json=json)))


@app.command(
    epilog="Examples: trio-rtc receive 7-guitarist-paperweight | "
    "trio-rtc receive --yes --folder Downloads 7-guitarist-paperweight   The exit status is as "
    "that of trio-rtc send."
)
def receive(
    code: Annotated[
        list[str], typer.Argument(metavar="CODE", help="What the one who sends has told you.")
    ],
    server: Server = DEFAULT_SERVER,
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Take it without a question.")] = False,
    token: Token = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Receive what somebody sends with trio-rtc send.

    Nothing is overwritten, and a file that is not complete has no name yet.
    """
    from .sharing.meeting import MeetingPlace
    from .sharing.receive import ReceiveOptions, run_receive

    place = MeetingPlace(server=server, token=token, ca=ca)
    options = ReceiveOptions(code=" ".join(code), place=place, folder=folder, yes=yes, json=json)
    sys.exit(run_receive(options))


@app.command(
    epilog="Examples: trio-rtc forward --allow localhost:22 | trio-rtc forward "
    "-L 2222:localhost:22 7-guitarist-paperweight | ssh -p 2222 localhost   The exit status is "
    "0 when the call is over, and otherwise as that of trio-rtc send."
)
def forward(
    code: Annotated[
        list[str] | None,
        typer.Argument(metavar="CODE", help="What the other end has printed; without it, we do."),
    ] = None,
    local: Annotated[
        list[str] | None,
        typer.Option(
            "-L",
            metavar="[HOST:]PORT:HOST:PORT",
            help="Listen here, and have the other end connect; either side may be the path of a "
            "socket. May be repeated.",
        ),
    ] = None,
    remote: Annotated[
        list[str] | None,
        typer.Option(
            "-R",
            metavar="[HOST:]PORT:HOST:PORT",
            help="Have the other end listen, and connect here. May be repeated.",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="What the other end may have us connect to: also HOST:*, *:PORT, or the path of a "
            "socket. May be repeated.",
        ),
    ] = None,
    allow_listen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[HOST:]PORT", help="Where the other end may have us listen. May be repeated."
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Forward TCP and Unix sockets through a call, as ssh does with -L and -R.

    Without a code this waits, and prints one for the other end.
    """
    from .sharing.forward import ForwardOptions, run_forward
    from .sharing.meeting import MeetingPlace

    place = MeetingPlace(server=server, token=token, ca=ca)
    options = ForwardOptions(
        place=place,
        code=" ".join(code) if code else None,
        local=local or (),
        remote=remote or (),
        allow=allow or (),
        allow_listen=allow_listen or (),
        json=json,
    )
    sys.exit(run_forward(options))


@app.command(
    epilog="Examples: trio-rtc doctor | trio-rtc doctor wss://example.org   The exit status is 0 "
    "if nothing is broken, and 1 otherwise."
)
def doctor(
    server: Annotated[
        str | None,
        typer.Argument(metavar="SERVER", envvar="TRIO_RTC_SERVER", help="A signaling server."),
    ] = None,
    token: Token = None,
    json: Json = False,
) -> None:
    """Look at this machine, a signaling server, and what STUN and TURN servers give.

    Each finding that is not as it should be comes with a hint.
    """
    from .diagnosis.doctor import run_doctor

    sys.exit(run_doctor(server, token, as_json=json))


@app.command()
def client(
    server: Server = DEFAULT_SERVER,
    name: Annotated[
        str | None, typer.Option(help="What others see us as. [default: user@host]")
    ] = None,
    room: Annotated[
        str | None, typer.Option(help="Whom to be with. [default: the common room]")
    ] = None,
    token: Token = None,
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
    max_calls: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Take up to N calls at once."),
    ] = MAX_CALLS,
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
        typer.Option(
            metavar="FILE",
            help="Record what the other side sends (mp4, webm, wav); {n} numbers calls.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Save the files that the other side sends there."),
    ] = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Sign in, see who is there, answer calls or make one, and chat.

    Lines that are typed are sent to the other side; the end of input (Ctrl-D) hangs up.
    """
    from .client import ClientOptions, run_client

    options = ClientOptions(
        server=server,
        name=_default_name() if name is None else name,
        room=room,
        token=token,
        call=call,
        send=tuple(map(_as_text, send or ())),
        expect=expect or 0,
        hold=hold or 0.0,
        scripted=bool(send) or expect is not None or hold is not None,
        once=once,
        echo=echo,
        max_calls=max_calls,
        timeout=timeout,
        video=video,
        audio=audio,
        record=record,
        save=save,
        ca=ca,
        json=json,
    )
    sys.exit(run_client(options))


_TOKEN = Annotated[
    str | None,
    typer.Option(envvar="TRIO_RTC_TOKEN", help="What the endpoint lets us in with."),
]
_SECONDS = Annotated[
    float, typer.Option("--seconds", min=0, metavar="S", help="End after S seconds.")
]
_AUTHORITY = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Trust this authority (PEM) too.")
]
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object per event and line.")]


@app.command()
def publish(
    url: Annotated[str, typer.Argument(metavar="URL", help="A WHIP endpoint.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A file, a device such as /dev/video0, a URL, or pattern."
        ),
    ],
    token: _TOKEN = None,
    codec: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Use this codec, such as H264; may be repeated."),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin the file again at its end.")] = False,
    seconds: _SECONDS = math.inf,
    ca: _AUTHORITY = None,
    json: _JSON = False,
) -> None:
    """Send media to a WHIP endpoint, until they end or it is interrupted.

    For example: trio-rtc publish https://example.org/whip/studio film.mp4

    The exit status is 0 if all was sent, 1 after an error, 2 for options that make no sense, and
    128 plus the number of the signal after an interrupt.
    """
    from .whip_commands import publish as run_publish

    sys.exit(
        run_publish(
            url,
            source,
            token=token,
            codecs=tuple(codec or ()),
            loop=loop,
            seconds=seconds,
            ca=ca,
            as_json=json,
        )
    )


@app.command()
def watch(
    url: Annotated[str, typer.Argument(metavar="URL", help="A WHEP endpoint.")],
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Record it: mp4, webm, mkv, wav, ...")
    ] = None,
    token: _TOKEN = None,
    seconds: _SECONDS = math.inf,
    ca: _AUTHORITY = None,
    json: _JSON = False,
) -> None:
    """Receive media of a WHEP endpoint, until they end or it is interrupted.

    For example: trio-rtc watch https://example.org/whep/camera --record view.mp4

    The exit status is as that of publish.
    """
    from .whip_commands import watch as run_watch

    sys.exit(run_watch(url, record=record, token=token, seconds=seconds, ca=ca, as_json=json))

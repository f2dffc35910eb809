"""Commands out of options: a dataclass says once what a command takes, and Typer reads it there."""

from __future__ import annotations

import getpass
import inspect
import platform
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand

from ... import needs_the_rest

DEFAULT_SERVER = "ws://localhost:8888"

Options = TypeVar("Options")

Server = Annotated[
    list[str],
    typer.Option(
        "--server",
        metavar="URL",
        envvar="TRIO_RTC_SERVER",
        help="The signaling server; http:// for one that is classic only. Again, or several with"
        " commas, for others to try.",
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
Room = Annotated[
    str | None, typer.Option("--room", help="Whom to be with. [default: the common room]")
]
Name = Annotated[str, typer.Option("--name", help="What others see us as. [default: user@host]")]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", min=0, metavar="S", help="Wait up to S seconds for that peer to be there."
    ),
]
Video = Annotated[
    str | None,
    typer.Option("--video", metavar="FILE|pattern", help="Send a file's video, or a test picture."),
]
Audio = Annotated[
    str | None,
    typer.Option("--audio", metavar="FILE|tone", help="Send a file's audio, or a tone."),
]


def urls(given: Sequence[str]) -> list[str]:
    """The URLs that were given as servers, several in one with commas or spaces between them."""
    found = [
        url for one in given for url in re.split(r"[\s,]+(?=\w+://)|\s+", one.strip(", ")) if url
    ]
    return found or [DEFAULT_SERVER]


def default_name() -> str:
    """What others see us as if nobody says."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "user"
    return f"{user}@{platform.node() or 'host'}"


@dataclass(frozen=True)
class Command(Generic[Options]):
    """A command: a function of its options that gives the exit status.

    Attributes:
        function: its name and docstring are those of the command.
        epilog: what help says below the options.
    """

    function: Callable[[Options], int]
    epilog: str | None = None

    def add_to(self, app: typer.Typer) -> None:
        """Have Typer offer it, with an option for each field of the dataclass that it takes."""
        function = self.function
        [kind] = [hint for name, hint in get_type_hints(function).items() if name != "return"]

        def run(**given: Any) -> None:
            typed = {name: value for name, value in given.items() if value is not None}
            try:
                status = function(kind(**typed))
            except ModuleNotFoundError as error:
                print(f"trio-rtc {function.__name__}: {needs_the_rest(error)}", file=sys.stderr)
                status = 1
            sys.exit(status)

        hints = get_type_hints(kind, include_extras=True)
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        declare(app, run, [_parameter(one, hints) for one in fields(kind)], self.epilog)


def command(
    epilog: str | None = None,
) -> Callable[[Callable[[Options], int]], Command[Options]]:
    """Make a command of a function."""
    return lambda function: Command(function, epilog)


def _parameter(field: Field[Any], hints: dict[str, Any]) -> inspect.Parameter:
    # What the dataclass makes itself is none of what was typed.
    default = None if field.default_factory is not MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=hints[field.name],
    )


def declare(
    app: typer.Typer,
    function: Callable[..., None],
    parameters: Sequence[inspect.Parameter],
    epilog: str | None = None,
    cls: type[TyperCommand] | None = None,
) -> None:
    """Have Typer see these parameters instead of those of the function's own signature."""
    vars(function)["__signature__"] = inspect.Signature(parameters)
    function.__annotations__ = {one.name: one.annotation for one in parameters}
    app.command(epilog=epilog, cls=cls)(function)

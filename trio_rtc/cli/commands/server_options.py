"""The options of ``trio-rtc server``: its settings."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from typer.core import TyperCommand

from ..server_settings import SETTINGS
from ..settings import FILE, SWITCH
from .declare import declare

EPILOG = (
    "Examples: trio-rtc server --port 8888 | "
    "trio-rtc server --relay (then: trio-rtc publish http://HOST:8888/whip/stage film.mp4, and "
    "trio-rtc watch http://HOST:8888/whep/stage)   "
    "The exit status is 0 after an interruption, 1 if there is no listening, 2 if a setting is "
    "wrong."
)


#: Options that may stand without a value, which is yes.
SWITCHES = {f"--{one.name.replace('_', '-')}" for one in SETTINGS if one.kind is SWITCH}


class _WithSwitches(TyperCommand):
    """A command with ``--relay`` for ``--relay yes``."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        return super().parse_args(ctx, list(with_values(args)))


def with_values(args: Sequence[str]) -> Iterator[str]:
    """Arguments in which each switch has a value."""
    for arg, following in zip(args, [*args[1:], "-"], strict=False):
        yield arg
        if arg in SWITCHES and following.startswith("-"):
            yield "yes"


def server(**flags: str | None) -> None:
    """Run a signaling server, until it is interrupted.

    Each option is also an environment variable (--log-level is TRIO_RTC_LOG_LEVEL) and a key of
    the settings file (log_level = "info"), which is TOML. An option goes before the variable,
    and the variable before the file.
    """
    from ..server import run_server

    sys.exit(run_server({name: text for name, text in flags.items() if text is not None}))


def add_server_to(app: typer.Typer) -> None:
    """Offer the command with an option for each setting.

    They are all text here: every setting is parsed in one place, wherever it comes from.
    """
    file = _option(FILE, "FILE", "A file of settings.")
    settings = (
        _option(one.name, one.kind.metavar, f"{one.help} [default: {one.shown_default}]")
        for one in SETTINGS
    )
    declare(app, server, [file, *settings], EPILOG, _WithSwitches)


def _option(name: str, metavar: str, text: str) -> inspect.Parameter:
    annotation = Annotated[str | None, typer.Option(metavar=metavar, help=text)]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)

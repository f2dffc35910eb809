"""The options of ``trio-rtc server``: its settings."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from .declare import declare

EPILOG = (
    "Examples: trio-rtc server --port 8888 | "
    "trio-rtc server --relay (then: trio-rtc publish http://HOST:8888/whip/stage film.mp4, and "
    "trio-rtc watch http://HOST:8888/whep/stage)   "
    "The exit status is 0 after an interruption, 1 if there is no listening, 2 if a setting is "
    "wrong."
)


class _CommandOfSettings(TyperCommand):
    """The command, whose options are looked up when it is used.

    The table of settings knows the server, which takes longer to load than all other commands
    need to show their help.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        if not self.params:
            app = typer.Typer(add_completion=False)
            declare(app, server, list(_options()))
            whole = typer.main.get_command(app)
            self.params, self.callback = whole.params, whole.callback
        return super().get_params(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(with_values(args)))


def _options() -> Iterator[inspect.Parameter]:
    """An option for each setting.

    They are all text here: every setting is parsed in one place, wherever it comes from.
    """
    from ..server_settings import SETTINGS
    from ..settings import FILE

    yield _option(FILE, "FILE", "A file of settings.")
    for one in SETTINGS:
        text = f"{one.help} [default: {one.shown_default}]"
        yield _option(one.name, one.kind.metavar, text)


def _option(name: str, metavar: str, text: str) -> inspect.Parameter:
    annotation = Annotated[str | None, typer.Option(metavar=metavar, help=text)]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)


def with_values(args: Sequence[str]) -> Iterator[str]:
    """Arguments in which each switch has a value: ``--relay`` is ``--relay yes``."""
    from ..server_settings import SETTINGS
    from ..settings import SWITCH

    switches = {f"--{one.name.replace('_', '-')}" for one in SETTINGS if one.kind is SWITCH}
    for arg, following in zip(args, [*args[1:], "-"], strict=False):
        yield arg
        if arg in switches and following.startswith("-"):
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
    """Offer the command."""
    declare(app, server, [], EPILOG, _CommandOfSettings)

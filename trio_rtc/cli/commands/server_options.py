"""The options of ``trio-rtc server``: its settings."""

from __future__ import annotations

import inspect
import sys
from typing import Annotated

import typer

from ..server_settings import SETTINGS
from ..settings import FILE
from .declare import declare


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
    declare(app, server, [file, *settings])


def _option(name: str, metavar: str, text: str) -> inspect.Parameter:
    annotation = Annotated[str | None, typer.Option(metavar=metavar, help=text)]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)

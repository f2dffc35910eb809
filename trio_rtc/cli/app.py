"""The ``trio-rtc`` command: all its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from .commands.calling_options import call, load, play, record
from .commands.client_options import client
from .commands.doctor_options import doctor
from .commands.peers_options import peers
from .commands.server_options import add_server_to
from .commands.sharing_options import forward, receive, send
from .commands.token_options import token
from .commands.whip_options import publish, watch

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


add_server_to(app)
send.add_to(app)
receive.add_to(app)
forward.add_to(app)
doctor.add_to(app)
client.add_to(app)
peers.add_to(app)
load.add_to(app)
call.add_to(app)
record.add_to(app)
play.add_to(app)
publish.add_to(app)
watch.add_to(app)
app.add_typer(token, name="token")

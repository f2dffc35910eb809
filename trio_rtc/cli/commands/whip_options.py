"""The options of ``trio-rtc publish`` and ``trio-rtc watch``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from .declare import Json, command

_EndpointToken = Annotated[
    str | None,
    typer.Option("--token", envvar="TRIO_RTC_TOKEN", help="What the endpoint lets us in with."),
]
_Seconds = Annotated[
    float, typer.Option("--seconds", min=0, metavar="S", help="End after S seconds.")
]
_Authority = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="Trust this authority (PEM) too.")
]


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """What is sent to an endpoint."""

    url: Annotated[str, typer.Argument(metavar="URL", help="A WHIP endpoint.")]
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A file, a device such as /dev/video0, a URL, or pattern."
        ),
    ]
    token: _EndpointToken = None
    codec: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="Use this codec, such as H264; may be repeated."),
    ] = field(default_factory=list)
    loop: Annotated[bool, typer.Option("--loop", help="Begin the file again at its end.")] = False
    seconds: _Seconds = math.inf
    ca: _Authority = None
    json: Json = False


@command()
def publish(options: PublishOptions) -> int:
    """Send media to a WHIP endpoint, until they end or it is interrupted.

    For example: trio-rtc publish https://example.org/whip/studio film.mp4

    The exit status is 0 if all was sent, 1 after an error, 2 for options that make no sense, and
    128 plus the number of the signal after an interrupt.
    """
    from ..whip_commands import run_publish

    return run_publish(options)


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What is received from an endpoint, and where it goes."""

    url: Annotated[str, typer.Argument(metavar="URL", help="A WHEP endpoint.")]
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Record it: mp4, webm, mkv, wav, ...")
    ] = None
    token: _EndpointToken = None
    seconds: _Seconds = math.inf
    ca: _Authority = None
    json: Json = False


@command()
def watch(options: WatchOptions) -> int:
    """Receive media of a WHEP endpoint, until they end or it is interrupted.

    For example: trio-rtc watch https://example.org/whep/camera --record view.mp4

    The exit status is as that of publish.
    """
    from ..whip_commands import run_watch

    return run_watch(options)

"""The options of ``trio-rtc token create``, which only prints."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...text import one_line
from .declare import command

token = typer.Typer(no_args_is_help=True, help="Tokens that a server lets people in with.")


@dataclass(frozen=True, kw_only=True)
class TokenOptions:
    """What the token says, and what signs it."""

    key_file: Annotated[
        Path,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="The server's secret, or the private key to its public one (PEM).",
        ),
    ]
    name: Annotated[
        str | None, typer.Option(help="What the bearer is called. [default: as they like]")
    ] = None
    room: Annotated[str | None, typer.Option(help="For which room. [default: for any]")] = None
    seconds: Annotated[float, typer.Option(metavar="S", help="How long it is good.")] = 3600.0
    algorithm: Annotated[str, typer.Option(help="By which it is signed.")] = "HS256"
    subject: Annotated[str | None, typer.Option(help="Who the bearer is (sub).")] = None
    audience: Annotated[str | None, typer.Option(help="For whom it is (aud).")] = None
    issuer: Annotated[str | None, typer.Option(help="Who has made it (iss).")] = None


@command(
    "Example: trio-rtc token create --key-file jwt_key --name alice --room den   "
    "The server has the key as --jwt-key-file."
)
def create(options: TokenOptions) -> int:
    """Print a JSON Web Token."""
    from ...server.token_signing import sign_token

    try:
        key = options.key_file.read_text(encoding="utf-8").rstrip("\r\n")
        if not key:
            raise ValueError("there is no key in it")
        signed = sign_token(
            key,
            options.algorithm,
            seconds=options.seconds,
            name=options.name,
            room=options.room,
            subject=options.subject,
            audience=options.audience,
            issuer=options.issuer,
        )
    except OSError as error:
        return _fail(f"cannot read {options.key_file}: {error.strerror}")
    except UnicodeDecodeError:
        return _fail(f"{options.key_file} is not a text")
    except ValueError as error:
        return _fail(str(error))
    print(signed)
    return 0


def _fail(why: str) -> int:
    print(f"trio-rtc token create: {one_line(why)}", file=sys.stderr)
    return 1


create.add_to(token)

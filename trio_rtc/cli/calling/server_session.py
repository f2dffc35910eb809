"""A command's session with a server: whom it trusts, and where it signs in."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CallError
from ...signaling import Signaling, open_signaling
from ..commands.declare import urls
from ..run import ErrorReport, run
from ..tls import client_context

if TYPE_CHECKING:
    from ..commands.calling_options import SessionOptions
    from ..commands.peers_options import PeersOptions

BAD_OPTIONS = 2


def run_session(
    ca: Path | None,
    work: Callable[[ssl.SSLContext | None], Awaitable[None]],
    report_error: ErrorReport,
) -> int:
    """Do the work of a command that talks to a server; the exit status."""
    try:
        context = client_context(ca)
    except CallError as error:
        report_error(error.code, str(error))
        return BAD_OPTIONS
    return run(partial(work, context), report_error, interrupted=lambda number: 128 + number)


def open_session(
    options: SessionOptions | PeersOptions, context: ssl.SSLContext | None
) -> AbstractAsyncContextManager[Signaling]:
    """Sign in as the options say."""
    return open_signaling(
        urls(options.server),
        name=options.name,
        room=options.room,
        token=options.token,
        ssl_context=context,
    )

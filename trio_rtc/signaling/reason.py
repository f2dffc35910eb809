"""Why a server could not be reached, in words: one line, of which nobody else wrote a part."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import h11
import httpx

from ..text import one_line

OTHER_AUTHORITY = "--ca, or ssl_context in a program, names another authority"


def reason(error: BaseException) -> str:
    """What an error says, or the one of those behind it that says most."""
    chain = list(_chain(error))
    for one in chain:
        if (words := _words(one)) is not None:
            return words
    return one_line(next((str(one) for one in chain if str(one)), type(error).__name__))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it comes of; of several at once, the first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        else:
            error = error.__cause__ or error.__context__


def _words(error: BaseException) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            why = one_line(error.verify_message or str(error))
            return f"its certificate is not accepted: {why} ({OTHER_AUTHORITY})"
        case ssl.SSLError():
            why = (error.reason or "it is broken off").replace("_", " ").lower()
            return f"the TLS handshake fails: {one_line(why)}"
        case socket.gaierror():
            return f"there is no such host: {one_line(error.strerror or str(error))}"
        case httpx.TimeoutException():
            return "there is no answer in time"
        case httpx.RemoteProtocolError() if str(error).startswith("Server disconnected"):
            return "it closes the connection without an answer"
        case httpx.ProtocolError() | h11.ProtocolError():
            return "its answer is not HTTP"
        case OSError() if error.errno is not None and error.strerror:
            return one_line(error.strerror)
    return None

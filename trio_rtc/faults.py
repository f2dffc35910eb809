"""Fault isolation: what goes wrong with one call ends none beside it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from .errors import CallError, TrioRTCError
from .wire.end_reasons import BUSY, INTERNAL_ERROR, EndReason
from .wire.rate import TokenBucket

#: What the system says when there are too many of something.
_USED_UP: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN))


def reason_of(error: BaseException) -> str:
    """What the other side is told of an error: its code, `BUSY` or `INTERNAL_ERROR`."""
    if isinstance(error, TrioRTCError):
        return error.code
    if isinstance(error, BaseExceptionGroup):
        # What else goes wrong comes of it, more often than not.
        reasons = {reason_of(part) for part in error.exceptions}
        return BUSY if BUSY in reasons else INTERNAL_ERROR
    used_up = isinstance(error, OSError) and error.errno in _USED_UP
    return BUSY if used_up or isinstance(error, MemoryError) else INTERNAL_ERROR


#: What the other side says of us when it does not take us for whom it knows, in words.
_DISTRUST: Final = {
    "wrong_code": "says that the code is wrong; it cannot be used again",
    "code_used": "says that the code has been used already",
    "not_authenticated": "takes only calls with a code",
    "not_trusted": "does not trust our certificate",
}

#: Why there is no call, in words.
_ENDS: Final = {
    "peer_left": "has left the server",
    "superseded": "has begun another call",
    "connection_lost": "cannot be reached",
    BUSY: "is busy",
}


def not_connected(peer: object, reason: EndReason, detail: str, *, calling: bool) -> CallError:
    """The error that says why a call has not come about.

    Args:
        peer: the other side.
        reason: why it ended, as for `CallEnd`.
        detail: what the other side has said about it.
        calling: whether it is we who call.
    """
    code: str = reason
    if (reason, detail) == ("peer_hung_up", BUSY):
        code, detail = BUSY, ""
    if code == "peer_hung_up" and detail in _DISTRUST:
        return CallError(f"{peer} {_DISTRUST[detail]}", code=detail)
    if code == "peer_hung_up":
        what = "declined the call" if calling else "has hung up already"
    else:
        what = _ENDS.get(code, "closed the connection before it was complete")
    return CallError(
        f"{peer} {what}" + (f": {detail}" if detail else ""),
        code=code,
        fault="network" if code == "connection_lost" else "remote",
    )


def comes_of_an_end(error: Exception) -> bool:
    """Whether this is what goes wrong in a handler when its call or channel ends under it."""
    if isinstance(error, ExceptionGroup):
        return all(comes_of_an_end(part) for part in error.exceptions)
    if isinstance(error, CallError):
        return error.code == "call_ended"
    return isinstance(error, trio.EndOfChannel | trio.BrokenResourceError)


@contextmanager
def caught(report: Callable[[Exception], object]) -> Iterator[None]:
    """A block whose errors are reported and end nothing else. What cancels it goes on.

    Args:
        report: called with the error, or a group of those that came together.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever it is
        report(error)
    except BaseExceptionGroup as group:
        errors, others = group.split(Exception)
        if errors is not None:
            report(errors)
        if others is not None:
            raise others from None


class RareWarnings:
    """Warnings about what others do, which they may do as often as they like.

    Five are logged, and then one a second; the others are there for those who debug.

    Args:
        clock: tells the time, in seconds.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = trio.current_time):
        self._logger = logger
        self._clock = clock
        self._bucket = TokenBucket(rate=1, burst=5, now=clock())

    def warn(self, message: str, *args: object, code: str = "") -> None:
        """Log one, with the code of an error if there is any."""
        due = self._bucket.take(1, self._clock())
        level = logging.WARNING if due else logging.DEBUG
        self._logger.log(level, message, *args, extra={"code": code} if code else None)


class FaultLog:
    """Logs unexpected errors with their tracebacks, and of those that are repeated not each."""

    def __init__(self, logger: logging.Logger):
        self._logger = logger
        self._buckets: dict[str, TokenBucket] = {}

    def report(self, what: str, error: Exception) -> None:
        """Log what has failed: of one kind of error one a second, after the first five."""
        now, kind = trio.current_time(), f"{type(error).__name__} {reason_of(error)}"
        bucket = self._buckets.setdefault(kind, TokenBucket(rate=1, burst=5, now=now))
        if bucket.take(1, now):
            self._logger.error("%s failed: %r", what, error, exc_info=error)
        else:
            self._logger.debug("%s failed, too: %r", what, error)

"""Log lines on standard error, for people or for programs."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from typing import Final

from ..text import escaped

#: How many messages are remembered that were logged.
KEPT_MESSAGES: Final = 1000

#: What every record has; all else came by ``extra=``.
_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def set_up_logging(level: str, form: str) -> None:
    """Log what the library says from this level on, and warnings of everybody else.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        form: ``text``, or ``json`` for one JSON object per line.
    """
    handler = logging.StreamHandler()
    handler.addFilter(OncePerSecond())
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    number = logging.getLevelNamesMapping()[level.upper()]
    # Libraries below log every frame at lower levels, with what is in it.
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING))
    logging.getLogger("trio_rtc").setLevel(number)


class OncePerSecond(logging.Filter):
    """Passes a warning or an error that is told again at most once in a second.

    The next one that is passed tells in ``repeated`` how many there were in between. The same is
    what has the same words, and the same kind of exception: a fault that has hold of the machine,
    such as files running out, is not to fill its disk as well.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._told: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        kind = record.exc_info[0] if record.exc_info else None
        key = (record.name, record.getMessage(), kind)
        now = self._now()
        when, repeated = self._told.get(key, (-math.inf, 0))
        if now - when < 1:
            self._told[key] = when, repeated + 1
            return False
        if len(self._told) > KEPT_MESSAGES:
            self._told.clear()
        self._told[key] = now, 0
        if repeated:
            record.repeated = repeated
        return True


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class TextFormatter(logging.Formatter):
    """``TIME LEVEL MESSAGE NAME=VALUE ...``, the names and values being those of ``extra=``."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        parts = [when, record.levelname.lower(), record.getMessage()]
        parts += [f"{name}={_quoted(str(value))}" for name, value in _extra(record).items()]
        # Names come from clients: none is to make a line of its own, or to steer a terminal.
        line = escaped(" ".join(parts))
        return f"{line}\n{trace}" if (trace := _traceback(self, record)) else line


def _quoted(value: str) -> str:
    """As it is, if it cannot be taken for more than one value."""
    return json.dumps(value, ensure_ascii=False) if set(value) & set(' ="') else value


class JsonFormatter(logging.Formatter):
    """An object with ``time`` (seconds since 1970), ``level``, ``logger``, ``message``, what
    came by ``extra=``, and ``exception`` if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            **_extra(record),
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace := _traceback(self, record):
            fields["exception"] = trace
        return json.dumps(fields, default=str)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""

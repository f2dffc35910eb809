"""Clocks as programs have them under other names: `datetime`, and functions out of `time`.

What a module has taken out of another one, as in ``from time import monotonic``, is not changed
by a change of that one: it is looked for in the modules of the program.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from types import ModuleType
from typing import Any

Read = Callable[[str], float]


def guarded_classes(read: Read) -> dict[Any, Any]:
    """Classes for the places of `datetime.datetime` and `datetime.date`, by those.

    What is made of them is of the real ones.

    Args:
        read: gives the time of day, in seconds since 1970, or raises; is told what is called.
    """

    class Guard(type):
        def __instancecheck__(cls, one: object) -> bool:
            return isinstance(one, datetime if cls is guarded_datetime else date)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, datetime if cls is guarded_datetime else date)

    class guarded_datetime(datetime, metaclass=Guard):  # noqa: N801
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return datetime(*args, **kwargs)

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.fromtimestamp(read("datetime.now"), tz)

        @classmethod
        def today(cls) -> Any:
            return datetime.fromtimestamp(read("datetime.today"))

        @classmethod
        def utcnow(cls) -> Any:
            time = read("datetime.utcnow")
            return datetime.fromtimestamp(time, UTC).replace(tzinfo=None)

    class guarded_date(date, metaclass=Guard):  # noqa: N801
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return date(*args, **kwargs)

        @classmethod
        def today(cls) -> Any:
            return date.fromtimestamp(read("date.today"))

    return {datetime: guarded_datetime, date: guarded_date}


def taken_out(
    others: Mapping[Any, Any], is_program: Callable[[str], bool]
) -> Iterator[tuple[ModuleType, str, Any]]:
    """Where modules of a program have taken something out of another one, and what replaces it.

    Args:
        others: what stands for what.
        is_program: whether a file is of the program.
    """
    by_identity = {id(one): other for one, other in others.items()}
    for module in tuple(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not is_program(file):
            continue
        for name, value in tuple(vars(module).items()):
            if id(value) in by_identity:
                yield module, name, by_identity[id(value)]

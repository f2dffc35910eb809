"""Patches of aiortc, aioice and pyOpenSSL: what the installed releases let us do.

If a release changes what a purpose needs there is a warning, and what needs it is not done.
"""

from __future__ import annotations

import dis
import logging
import struct
from functools import cache
from typing import Final

from OpenSSL import SSL

from .ledger import ATTRIBUTES, OWNERS
from .purposes import USES, Purpose
from .trials import TRIALS

logger = logging.getLogger("trio_rtc.rtc")

_FAILURES: Final = (
    *(AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    *(SSL.Error, struct.error),
)
"""What an interface that has changed may raise."""


@cache
def can(purpose: Purpose) -> bool:
    """Whether the installed releases do what a purpose needs; a warning, once, if not."""
    reason = shortcoming(purpose)
    if reason:
        logger.warning("%s: the installed aiortc or aioice %s", USES[purpose].without, reason)
    return not reason


def shortcoming(purpose: Purpose) -> str:
    """What the installed releases do not do for a purpose: ``has no X``; empty if nothing."""
    if missing := missing_attributes(purpose):
        return f"has no {', '.join(missing)}"
    trial = TRIALS.get(purpose)
    if trial is None:
        return ""
    try:
        works = trial()
    except _FAILURES as error:
        return f"fails: {error!r}"
    return "" if works else "behaves otherwise"


def missing_attributes(purpose: Purpose) -> list[str]:
    """What a purpose needs and the installed releases do not have."""
    return [
        f"{owner}.{name}"
        for owner, names in ATTRIBUTES[purpose].items()
        for name in names
        if not _has(OWNERS[owner], name)
    ]


def _has(owner: object, name: str) -> bool:
    """Whether an object, or each object of a class, has an attribute.

    What the objects of a class have is known without one: many cannot be made without a loop.
    """
    return hasattr(owner, name) or any(
        name in getattr(base, "__annotations__", ()) or name in _set_at_first(base)
        for base in getattr(owner, "__mro__", ())
    )


@cache
def _set_at_first(owner: type) -> frozenset[str]:
    code = getattr(vars(owner).get("__init__"), "__code__", None)
    steps = dis.get_instructions(code) if code is not None else ()
    return frozenset(step.argval for step in steps if step.opname == "STORE_ATTR")

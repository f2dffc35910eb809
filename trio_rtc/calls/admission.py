"""Admission of calls: how many there may be at once, for those who answer. Without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MAX_CALLS: Final = 128
"""Calls at once, unless a program wants another limit. Each holds a file per address that we have,
and three more; of files there are 1024 as a rule."""

MAX_SETTING_UP: Final = 64
"""Of these, those that are not connected yet: strangers who call and never answer."""


class CallAdmission:
    """Counts calls.

    Args:
        max_calls: how many there may be.
        on_full: called with a sentence when there is no place for one, the first time since there
            was.

    Raises:
        ValueError: ``max_calls`` is below 1.
    """

    def __init__(self, max_calls: int, on_full: Callable[[str], None]):
        if not isinstance(max_calls, int) or max_calls < 1:
            raise ValueError(f"max_calls is {max_calls!r}, and not a number from 1 on")
        self._max_calls = max_calls
        self._on_full = on_full
        self._told = False
        self.calls = 0
        self.setting_up = 0

    def admit(self) -> Place | None:
        """A place for a call; None if there is none."""
        if self.calls >= self._max_calls:
            self._notify(f"there are {self.calls} calls")
        elif self.setting_up >= MAX_SETTING_UP:
            self._notify(f"{self.setting_up} calls are being set up")
        else:
            self._told = False
            return Place(self)
        return None

    def _notify(self, why: str) -> None:
        if not self._told:
            self._told = True
            self._on_full(f"{why}: who calls now is declined as busy")


class Place:
    """That of one call, which is left at its end."""

    def __init__(self, admission: CallAdmission):
        self._admission = admission
        self._connected = False
        admission.calls += 1
        admission.setting_up += 1

    def connected(self) -> None:
        """It is set up."""
        if not self._connected:
            self._connected = True
            self._admission.setting_up -= 1

    def leave(self) -> None:
        """It is over."""
        self.connected()
        self._admission.calls -= 1

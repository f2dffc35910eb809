"""What an error says, also where it leaves that to what it comes of."""

from __future__ import annotations


def reason(error: BaseException) -> str:
    """Its text, or that of the nearest error behind it that has one."""
    while not str(error) and (behind := error.__cause__ or error.__context__) is not None:
        error = behind
    return str(error) or type(error).__name__

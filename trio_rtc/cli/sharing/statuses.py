"""How ``send`` and ``receive`` end, for scripts."""

from __future__ import annotations

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
CODE: Final = 3
REFUSED: Final = 4
FILES: Final = 5
INTERRUPTED: Final = 6

_BY_CODE: Final = {
    "bad_code": USAGE,
    "no_terminal": USAGE,
    "bad_endpoint": USAGE,
    "not_allowed": REFUSED,
    "cannot_listen": FILES,
    "wrong_code": CODE,
    "code_used": CODE,
    "unknown_code": CODE,
    "not_authenticated": CODE,
    "not_trusted": CODE,
    "declined": REFUSED,
    "not_taken": REFUSED,
    "cancelled": REFUSED,
    "busy": REFUSED,
    "no_such_file": FILES,
    "not_readable": FILES,
    "no_files": FILES,
    "file_changed": FILES,
    "not_writable": FILES,
    "no_space": FILES,
    "bad_name": FILES,
    "name_clash": FILES,
    "too_many_files": FILES,
    "wrong_size": FILES,
    "wrong_hash": FILES,
    "interrupted": INTERRUPTED,
    "connection_lost": INTERRUPTED,
    "connect_timeout": INTERRUPTED,
    "peer_left": INTERRUPTED,
    "call_ended": INTERRUPTED,
    "signaling_lost": INTERRUPTED,
}


def status_of(code: str) -> int:
    """The exit status for an error with this code."""
    return _BY_CODE.get(code, FAILED)

"""Limit of open files of the process: every connection of a server is one."""

from __future__ import annotations

import sys
from contextlib import suppress


def allow_as_many_as_possible() -> int | None:
    """Let the process open as many files as its hard limit says, and tell how many that are.

    The soft limit is that low, usually 1024, for programs that use `select`. None if the system
    knows no such limit, or there is none.
    """
    if sys.platform == "win32":
        return None
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems have a hard limit that they do not allow.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft

"""The system's own Python, which Debian's packages for GStreamer belong to."""

from __future__ import annotations

import subprocess
from functools import cache

SYSTEM_PYTHON = "/usr/bin/python3"


@cache
def lacks(needs: str) -> bool:
    """Whether this code fails in it, or there is none."""
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", needs], capture_output=True).returncode != 0
    except FileNotFoundError:
        return True

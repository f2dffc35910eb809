"""Lines of programs, told from those of Python, of libraries and of this one."""

from __future__ import annotations

import os
import sysconfig
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Final

import trio_rtc

_FOREIGN: Final = tuple(
    str(Path(path).resolve()) + os.sep
    for path in {
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(Path(trio_rtc.__file__).parent),
    }
)


@lru_cache(maxsize=4096)
def is_foreign(file: str) -> bool:
    """Whether a file is of Python, of a library or of this one, and not of a program."""
    return file.startswith("<") or str(Path(file).resolve()).startswith(_FOREIGN)


def line_of(frame: FrameType | None) -> str:
    """The line of the program that is to blame; where it is no program's, the last one at all."""
    innermost = frame
    while frame is not None:
        if not is_foreign(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    if innermost is None:
        return "something"
    return f"{innermost.f_code.co_filename}:{innermost.f_lineno}"

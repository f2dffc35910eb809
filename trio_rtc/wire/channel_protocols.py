"""Protocols of data channels that this package speaks itself."""

from __future__ import annotations

from typing import Final

FILES: Final = "trio-rtc.files.v1"
"""Of a channel that is one transfer of files."""

FORWARD: Final = "trio-rtc.forward.v1"
"""Of a channel that is one connection; its label says where to."""

LISTEN: Final = "trio-rtc.listen.v1"
"""Of a channel that asks the other side to listen; its label says where."""

OWN: Final = frozenset({FILES, FORWARD, LISTEN})
"""All of them. They are for the functions that speak them, whichever task looks first."""

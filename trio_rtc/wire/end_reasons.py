"""End reasons: why a call is over, and what a hang-up may say of it; Python and the page agree."""

from __future__ import annotations

from typing import Final, Literal

EndReason = Literal[
    "hung_up",
    "peer_hung_up",
    "peer_left",
    "connection_lost",
    "connection_closed",
    "superseded",
]
"""Why a call has ended, as one side sees it."""

BUSY: Final = "busy"
"""What a caller is told for whom there is no place now."""

INTERNAL_ERROR: Final = "internal_error"
"""What the other side is told of an error that it cannot help."""

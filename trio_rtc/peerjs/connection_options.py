"""Options of the connections of a peer."""

from __future__ import annotations

from dataclasses import dataclass

from ..calls.options import ConnectionOptions
from ..wire.binarypack import MAX_BYTES


@dataclass(frozen=True, kw_only=True)
class Options(ConnectionOptions):
    """What all connections of a peer have in common; see `open_peerjs`."""

    lost_timeout: float = 15.0
    max_message_bytes: int = MAX_BYTES

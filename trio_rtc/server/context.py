"""What all parts of a server share."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from .addresses import Quota
from .authorize import Authorize, everybody
from .limits import ServerLimits
from .origins import Origins
from .statistics import Statistics


@dataclass(kw_only=True, slots=True)
class Context:
    """The settings of a server and what it counts.

    Attributes:
        closing: set when the server drains.
        peers: how many peers each party has, whatever their protocol.
    """

    limits: ServerLimits = field(default_factory=ServerLimits)
    statistics: Statistics = field(default_factory=Statistics)
    authorize: Authorize = everybody
    origins: Origins = field(default_factory=lambda: Origins(None))
    closing: trio.Event = field(default_factory=trio.Event)
    peers: Quota = field(init=False)

    def __post_init__(self) -> None:
        self.peers = Quota(self.limits.peers_per_address)

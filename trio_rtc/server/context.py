"""Context of a server: what all parts of it share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from .authorize import Authorize, everybody
from .counters import Statistics
from .draining import Closing
from .http.addresses import Quota, Rates
from .http.hosts import Hosts
from .http.origins import Origins
from .http.proxies import TrustedProxies
from .http.shared_reader import SharedReader
from .hub.hub import HubFull
from .hub.memory import Memory
from .limits import ServerLimits
from .scheduling.chores import Chores
from .scheduling.flush_batches import FlushBatch
from .scheduling.timers import Timers
from .scheduling.turns import Turns


def _no_trouble() -> str | None:
    return None


def _no_task(*_: object) -> None:
    raise RuntimeError("no server runs here")


#: An answer to a request that is one too many costs what others do: so there are fewer of them.
REFUSALS: Final = 0.1
REFUSALS_AT_ONCE: Final = 100


@dataclass(kw_only=True, slots=True)
class Context:
    """The settings of a server and what it counts.

    Attributes:
        closing: set when the server drains.
        start_soon: begins a task that ends with the server, as `trio.Nursery.start_soon`.
        flush_batch: what has come in one turn is answered in one.
        proxies: who speaks for others.
        connections: how many connections each client network has.
        peers: how many peers each client network has, whatever their protocol.
        joins: how fast peers of each client network join.
        resumes: how fast they go on with sessions.
        requests: how fast each client network makes HTTP requests.
        refusals: how fast it is told that this is too fast.
        memory: what is kept for others.
        chores: what takes longer than a turn.
        turns: in which each client network has a share of the server's time.
        reader: of all sockets that need no task for themselves.
        timers: of all that waits without a task.
        trouble: tells why the server is of no use now; None if it is.
        entrance: held while somebody is let in, or goes on with a session.
    """

    limits: ServerLimits = field(default_factory=ServerLimits)
    statistics: Statistics = field(default_factory=Statistics)
    authorize: Authorize = everybody
    origins: Origins = field(default_factory=lambda: Origins(None))
    hosts: Hosts = field(default_factory=lambda: Hosts(None))
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    closing: Closing = field(default_factory=Closing)
    trouble: Callable[[], str | None] = field(default=_no_trouble)
    start_soon: Callable[..., None] = field(default=_no_task)
    flush_batch: FlushBatch = field(default_factory=FlushBatch)
    connections: Quota = field(init=False)
    peers: Quota = field(init=False)
    joins: Rates = field(init=False)
    resumes: Rates = field(init=False)
    requests: Rates = field(init=False)
    refusals: Rates = field(init=False)
    memory: Memory = field(init=False)
    chores: Chores = field(init=False)
    turns: Turns = field(init=False)
    reader: SharedReader = field(init=False)
    timers: Timers = field(default_factory=Timers)
    entrance: trio.Lock = field(default_factory=trio.Lock)

    def __post_init__(self) -> None:
        self.connections = Quota(self.limits.connections_per_address)
        self.peers = Quota(self.limits.peers_per_address)
        self.chores = Chores(self.flush_batch)
        self.turns = Turns(self.flush_batch)
        self.reader = SharedReader(self.turns)
        self.memory = Memory(self.limits.memory_bytes, self.statistics)
        limits = self.limits
        self.joins = Rates(limits.joins_per_second, limits.joins_burst)
        self.resumes = Rates(limits.joins_per_second, limits.joins_burst)
        self.requests = Rates(limits.requests_per_second, limits.requests_burst)
        self.refusals = Rates(REFUSALS * limits.requests_per_second, REFUSALS_AT_ONCE)

    def check_join(self, client_network: str, now: float) -> None:
        """Look whether another peer of a client network may join now.

        Raises:
            HubFull: it has as many as it may, or they join too fast.
        """
        if self.peers.is_used_up(client_network):
            raise HubFull("peers_per_address")
        if not self.joins.take(client_network, now):
            raise HubFull("joins_per_second")

"""What the promises of a cluster stand on, each with what takes it out: some seed has to notice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from trio_rtc.server.cluster.cluster_hub import ClusterHub
from trio_rtc.server.cluster.cluster_members import ClusterMembers
from trio_rtc.server.hub.mail import PendingSend, Relayed

from .chaotic_redis import ChaoticRedis
from .script_model import ModelSession, ScriptModel


class Protection(NamedTuple):
    """One, taken out by putting other functions in the places of some.

    Attributes:
        what: what it sees to.
        undone: of what, the name of what is another without it, and what that is.
        kinds: the faults in which that shows.
        says: of what is seen.
        seed: which has noticed when it was last looked for.
        seconds: how long the faults go on.
    """

    what: str
    undone: Sequence[tuple[Any, str, Any]]
    kinds: Sequence[str]
    says: str
    seed: int = 0
    seconds: float = 5.0


def _own_whoever_asks(self: ScriptModel, me: str, id_: int, epoch: int) -> ModelSession | None:
    return self.sessions.get(id_)


def _leave_whoever_asks(self: ScriptModel, me: str, id_: int, epoch: int) -> int:
    self._depart(id_)
    return 1


def _always_new(self: ScriptModel, session: ModelSession, seq: int) -> int:
    session.received = max(session.received, seq)
    return 1


def _done_again(self: ChaoticRedis, server: str, number: int, do: Any) -> list[Any]:
    return list(do()) if server in self._servers else [b"gone"]


def _known_for_ever(self: ChaoticRedis, server: str, number: int, do: Any) -> list[Any]:
    self._servers[server] = None
    return list(do())


def _greeted_for_ever(self: ChaoticRedis, server: str, is_new: int, do: Any) -> list[Any]:
    answer = do()
    answer[0][0][1] = 1
    return list(answer)


_send = ClusterHub._send


def _accepted_unasked(
    self: ClusterHub, sender: int, epoch: int, message: Relayed, to: int
) -> PendingSend | None:
    _send(self, sender, epoch, message, to)
    return None


_EPOCHS: Final = [
    (ScriptModel, "_own", _own_whoever_asks),
    (ScriptModel, "do_l", _leave_whoever_asks),
]
_LEASES: Final = [
    (ChaoticRedis, "once", _known_for_ever),
    (ChaoticRedis, "greet", _greeted_for_ever),
]
_NUMBERS: Final = [(ScriptModel, "_take_number", _always_new)]

PROTECTIONS: Final = [
    Protection(
        what="what a server asks for a session that is another's is refused",
        undone=_EPOCHS,
        kinds=["isolate_a_server"],
        says="has ended",
    ),
    Protection(
        what="a server that was given up does nothing, and its sessions are nobody's",
        undone=[*_LEASES, *_EPOCHS],
        kinds=["cut_a_server_off"],
        says="lost",
        seed=7,
    ),
    Protection(
        what="numbers that were given again after a failover are known as such",
        undone=[(ScriptModel, "_note_generation", lambda self, session: None)],
        kinds=["fail_over"],
        says="came from",
        seed=1,
    ),
    Protection(
        what="a batch, and a message, that comes again is known by its number",
        undone=[*_NUMBERS, (ChaoticRedis, "once", _done_again)],
        kinds=["kill_redis"],
        says="doubled",
        seed=1,
    ),
    Protection(
        what="a message is acknowledged when Redis has it",
        undone=[(ClusterHub, "_send", _accepted_unasked)],
        kinds=["kill_a_server"],
        says="has ended",
        seed=1,
    ),
    Protection(
        what="what may have been missed is asked for",
        undone=[(ClusterMembers, "_synced", lambda self, local, top, answer: None)],
        kinds=["kill_redis"],
        says="lost",
    ),
]

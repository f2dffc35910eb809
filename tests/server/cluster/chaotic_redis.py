"""A simulated Redis that may be away, out of reach of a server, or have forgotten something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from random import Random
from typing import Any, Final

import trio

from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.server.cluster.redis_connection import RedisLost

from .model_redis import ModelConnection, ModelRedis

LEASE_SECONDS: Final = 5.0
RENEWED_SECONDS: Final = 2.5
"""As in ``cluster.lua``."""

UNANSWERED: Final = 25
"""Of so many batches one is done, but its answer is lost with the connection."""

ALL: Final = ""
"""In place of a wire: each of them."""


def _nobody(_: list[Any]) -> None:
    """What is published for who does not listen is lost."""


class ChaoticRedis(ModelRedis):
    """Each server has a wire of its own to it: the Unix socket in its address.

    Args:
        linger: for how many seconds a session stays that has no server.

    Attributes:
        batches: how many were done.
        unanswered: how many answers were lost.
        loses_answers: whether more are.
    """

    def __init__(self, chosen: Random, linger: float):
        super().__init__()
        self.linger = linger
        self.chosen = chosen
        self.unanswered = self.batches = 0
        self.loses_answers = True
        self._channels = defaultdict(lambda: _nobody)
        self._leases: dict[str, float] = {}
        self._renewed = 0.0
        self._done: dict[str, tuple[int, list[Any]]] = {}
        self._connections: dict[ChaoticConnection, None] = {}
        self._away: set[str] = set()
        self._silent: dict[str, trio.Event] = {}
        self._copy: Any = None
        self._pushed: dict[str, list[Callable[[], None]]] = {}
        # When a session that has no server is over.
        self._gone: dict[int, float] = {}

    # What may happen.

    def lose(self, wire: str) -> None:
        """Have its connections be lost, and no others be made."""
        self._away.add(wire)
        self._break(wire)

    def find(self, wire: str) -> None:
        """Mend that."""
        self._away.discard(wire)

    def silence(self, wire: str) -> None:
        """Have it carry nothing for a while."""
        self._silent[wire] = trio.Event()

    def speak(self, wire: str) -> None:
        """Mend that."""
        self._silent.pop(wire).set()
        for push in self._pushed.pop(wire, ()):
            push()

    def replicate(self) -> None:
        """Note how everything is."""
        self._copy = deepcopy((self.model, self._servers, self._leases, self._done))

    def fail_over(self) -> None:
        """Have all be as it was noted last: a replica has taken over that knows no more."""
        self.model, self._servers, self._leases, self._done = self._copy
        self.model.generation += 1
        self.model.last_id += 10_000
        self._break(ALL)

    def _break(self, wire: str) -> None:
        for connection in list(self._connections):
            if wire in (ALL, connection.wire):
                connection.lose()

    # What servers ask.

    @asynccontextmanager
    async def open(  # type: ignore[override]
        self,
        address: RedisAddress,
        on_push: Callable[[list[Any]], None],
        *_: object,
        seconds: float,
    ) -> AsyncIterator[ChaoticConnection]:
        await trio.sleep(0.001)
        wire = address.unix_socket or ALL
        with trio.move_on_after(seconds) as patience:
            await self.reach(wire)
        if patience.cancelled_caught or self._away & {wire, ALL}:
            raise RedisLost("nobody is there")
        connection = ChaoticConnection(self, on_push, wire)
        self._connections[connection] = None
        try:
            with connection.scope:
                yield connection
        finally:
            del self._connections[connection]
            push = connection._push
            for channel in [one for one, its in self._channels.items() if its == push]:
                del self._channels[channel]
        if connection.is_lost:
            raise RedisLost("the connection was lost")

    async def reach(self, wire: str) -> None:
        """Wait until something comes through."""
        while waiting := [self._silent[one] for one in (wire, ALL) if one in self._silent]:
            await waiting[0].wait()

    def once(self, server: str, number: int, do: Callable[[], list[Any]]) -> list[Any]:
        """Do a batch that was not done; what was said to it."""
        if server not in self._servers:
            return [b"gone"]
        done = self._done.get(server)
        if done is not None and done[0] == number:
            return [done[1], b""]
        answers, items = do()
        self._done[server] = number, answers
        return [answers, items]

    def greet(self, server: str, is_new: int, do: Callable[[], list[Any]]) -> list[Any]:
        """Tell a server whether it is known."""
        is_one = server in self._servers or bool(is_new)
        answer = do()
        if is_one:
            self._leases[server] = trio.current_time() + LEASE_SECONDS
        else:
            del self._servers[server]
        return answer

    def push_over(self, wire: str, push: Callable[[], None]) -> None:
        """Push something; what a wire does not carry now comes later."""
        for each in (wire, ALL):
            if each in self._silent:
                self._pushed.setdefault(each, []).append(push)
                return
        push()

    def sweep(self) -> None:
        """Have those leave who have had no server for too long."""
        now, sessions = trio.current_time(), self.model.sessions
        nobodys = [one.id for one in sessions.values() if not one.owner]
        self._gone = {id_: self._gone.get(id_, now + self.linger) for id_ in nobodys}
        self.model.told = {}
        for id_ in [id_ for id_, end in self._gone.items() if end <= now]:
            self.model._depart(id_)
        for other, items in self.model.told.items():
            for channel, push in list(self._channels.items()):
                if channel.endswith(f"q:{other}"):
                    push([b"message", channel.encode(), b"".join(items)])

    def renew(self, server: str) -> list[int]:
        now = trio.current_time()
        if now - self._renewed > RENEWED_SECONDS:
            self._leases = dict.fromkeys(self._leases, now + LEASE_SECONDS)
        self._renewed = now
        self._leases[server] = now + LEASE_SECONDS
        for other in [one for one, end in self._leases.items() if end <= now]:
            self.model.bury(other)
            del self._leases[other], self._servers[other]
        self.sweep()
        return super().renew(server)


class ChaoticConnection(ModelConnection):
    """One that may be lost at any time.

    Attributes:
        wire: which one it takes.
        scope: whatever is done with it.
        is_lost: whether it is.
    """

    _redis: ChaoticRedis

    def __init__(self, redis: ChaoticRedis, on_push: Callable[[list[Any]], None], wire: str):
        super().__init__(redis, self._push)
        self._take = on_push
        self.wire = wire
        self.scope = trio.CancelScope()
        self.is_lost = False

    def _push(self, push: list[Any]) -> None:
        self._redis.push_over(self.wire, lambda: None if self.is_lost else self._take(push))

    def lose(self) -> None:
        self.is_lost = True
        self.scope.cancel()

    async def request(self, *words: Any, then: Callable[[Any], None] | None = None) -> Any:
        redis = self._redis
        await trio.sleep(redis.chosen.uniform(0.0002, 0.004))
        await redis.reach(self.wire)
        await trio.lowlevel.checkpoint_if_cancelled()
        answer = self._answer(list(words))
        # The first of a server that starts is not among them: it would have to be started again.
        is_batch = words[0] == "EVALSHA" and words[9] != "h"
        redis.batches += is_batch
        if is_batch and redis.loses_answers and redis.batches % UNANSWERED == 0:
            redis.unanswered += 1
            self.lose()
            await trio.sleep_forever()
        if then is not None:
            then(answer)
        return answer

    def _answer(self, words: list[Any]) -> Any:
        def do() -> Any:
            return ModelConnection._answer(self, words)

        match words:
            case ["EVALSHA", _, 1, _, server, _, _, _, _, "h", _, is_new]:
                return self._redis.greet(server, is_new, do)
            case ["EVALSHA", _, 1, _, server, number, *_]:
                return self._redis.once(server, number, do)
        return do()

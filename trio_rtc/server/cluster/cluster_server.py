"""A server of a cluster: over a connection to Redis, its members are kept as Redis has them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from ...tasks import open_background_nursery
from ...world import world
from ..context import Context
from ..scheduling.steps import Step
from .cluster_hub import ClusterHub
from .cluster_members import ClusterMembers
from .cluster_settings import ClusterSettings
from .entries import Foreign
from .operations import FENCED
from .redis_checks import LAYOUT, ClusterError, find_primary, look_at
from .redis_connection import RedisConnection, RedisLost, RedisRefused, open_redis

logger = logging.getLogger("trio_rtc.server")

TICK_SECONDS: Final = 1.0
"""How often a lease is renewed, which is good for five times as long (``cluster.lua``)."""

ANSWER_SECONDS: Final = 3.0
"""How long Redis may take to answer before its connection is given up."""

START_SECONDS: Final = 10.0
"""The same before this server serves anybody: there it is the end."""

LEAVE_SECONDS: Final = 2.0
"""How long a server that ends waits for Redis to take its leave."""

PAUSE_SECONDS: Final = 0.2
"""Between two attempts."""

#: What Redis says when it has done nothing of a batch, but may when it is asked again.
_NOT_NOW: Final = {"OOM", "LOADING", "BUSY", "MISCONF", "NOREPLICAS", "MASTERDOWN", "TRYAGAIN"}

#: What it says when it is not the one to be asked.
_NOT_HERE: Final = {"READONLY", "UNKILLABLE", "NOAUTH"}

_SCRIPT: Final = Path(__file__).with_name("cluster.lua")


class _NotOurs(Exception):
    """The cluster has given this server up, or Redis is empty."""


class ClusterServer:
    """One of the servers of a cluster.

    Args:
        do: has something done soon, but not at once.

    Attributes:
        hub: the members and rooms of all.
    """

    def __init__(self, settings: ClusterSettings, context: Context, do: Callable[[Step], None]):
        self._settings = settings
        self._context = context
        self._statistics = context.statistics
        self._work, self._idle = trio.Event(), trio.Event()
        self._members = ClusterMembers(context.statistics, do, trio.Event, self._has_work)
        self.hub = ClusterHub(
            context.limits, context.statistics, context.memory.open(), self._members
        )
        self._server = ""
        self._is_known = False
        self._is_greeted = False
        self._why_not = "Redis has not answered yet"
        # That it answers is news when it did not.
        self._level = logging.INFO
        self._script = _SCRIPT.read_text()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be sent or joined now; None if it can."""
        return None if self._statistics.cluster_up else self._why_not

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep in step with Redis until cancelled.

        Raises:
            ClusterError: at the start: there is no Redis, or none that will do.
        """
        is_started = False

        def started() -> None:
            nonlocal is_started
            if not is_started:
                is_started = True
                task_status.started()

        while True:
            try:
                seconds = ANSWER_SECONDS if is_started else START_SECONDS
                await self._converse(started, seconds)
            except (RedisLost, RedisRefused, ClusterError) as error:
                if not is_started:
                    where = f"the cluster at {self._settings.redis}"
                    raise ClusterError(f"{where}: {error}") from error
                self._lose(str(error))
            except _NotOurs:
                logger.warning("this server had been given up by its cluster, and begins again")
                self._members.greeted((), is_known=False)
                self._server, self._is_known = "", False
                continue
            await trio.sleep(PAUSE_SECONDS)

    def _lose(self, why: str) -> None:
        if self._statistics.cluster_up or why != self._why_not:
            logger.warning("no Redis: %s", why)
        self._why_not, self._statistics.cluster_up = why, 0
        self._level = logging.WARNING
        self._idle.set()

    async def _converse(self, started: Callable[[], None], seconds: float) -> None:
        settings = self._settings
        address = await find_primary(settings.redis, seconds)
        opening = open_redis(address, self._pushed, settings.ssl_context, seconds=seconds)
        async with opening as redis:
            with trio.move_on_after(seconds) as greeting:
                digest = await self._begin(redis)
            if greeting.cancelled_caught:
                raise RedisLost(f"no answer from {address} within {seconds:g} seconds")
            self._statistics.cluster_connections += 1
            self._answered()
            started()
            async with open_background_nursery() as nursery:
                nursery.start_soon(self._tick)
                while True:
                    await self._exchange(redis, digest)

    async def _begin(self, redis: RedisConnection) -> str:
        """Tell Redis who this is; give the digest of the script."""
        settings = self._settings
        seen = await look_at(redis, settings.prefix)
        if not seen.is_primary:
            raise ClusterError("it is a replica, which cannot be written to")
        digest: str = (await redis.request("SCRIPT", "LOAD", self._script)).decode()
        if not self._server:
            # It is in each session: a name would take its place there.
            self._server = world().random_hex(5)
        # What is pushed before the answer is in what is asked for then. Taken in, it would be taken
        # for what this server had before: see `verified` in the script.
        self._is_greeted = False
        await redis.subscribe(f"{self._prefix}q:{self._server}")
        is_new = int(not self._is_known)
        told: list[Any] = []
        greet = *self._command(digest, 0), "h", seen.run, is_new
        await redis.request(*greet, then=partial(self._greeted, told))
        generation, is_known = told
        if generation != self._statistics.cluster_generation and self._is_known:
            logger.warning("Redis was started again, or replaced: generation %d", generation)
        self._statistics.cluster_generation = generation
        if self._is_known and not is_known:
            raise _NotOurs
        self._is_known = True
        return digest

    def _greeted(self, told: list[Any], answer: Any) -> None:
        generation, is_known, owned = answer[0][0]
        told += generation, is_known
        if self._is_known and is_known:
            self._members.greeted(map(int, owned), is_known=True)
        self._is_greeted = True

    @property
    def _prefix(self) -> str:
        return f"{self._settings.prefix}:{LAYOUT}:"

    def _command(self, digest: str, batch: int) -> list[str | int]:
        limits = self._context.limits
        return [
            *("EVALSHA", digest, 1, self._prefix, self._server, batch),
            *(limits.mailbox_messages, limits.mailbox_bytes, limits.room_peers),
        ]

    async def _exchange(self, redis: RedisConnection, digest: str) -> None:
        """Have a batch done, when there is one."""
        number, words = self._members.take_batch()
        if not words:
            self._idle.set()
            self._work = trio.Event()
            await self._work.wait()
            return
        begun = trio.current_time()
        gone: list[bool] = []
        then = partial(self._replied, gone)
        try:
            with trio.move_on_after(ANSWER_SECONDS) as waiting:
                await redis.request(*self._command(digest, number), *words, then=then)
        except RedisRefused as refused:
            await self._refused(redis, refused)
            return
        if waiting.cancelled_caught:
            raise RedisLost(f"Redis has not answered for {ANSWER_SECONDS:g} seconds")
        if gone:
            raise _NotOurs
        self._statistics.cluster_batches += 1
        self._statistics.cluster_seconds += trio.current_time() - begun

    def _replied(self, gone: list[bool], answer: Any) -> None:
        if answer[0] == b"gone":
            gone.append(True)
            return
        self._answered()
        with self._context.flush_batch:
            self._members.replied(answer[0], answer[1])

    def _answered(self) -> None:
        if not self._statistics.cluster_up:
            name = self._settings.name
            logger.log(self._level, "Redis answers: %s is server %s", name, self._server)
        self._statistics.cluster_up = 1

    async def _refused(self, redis: RedisConnection, refused: RedisRefused) -> None:
        if refused.code == "NOSCRIPT":
            await redis.request("SCRIPT", "LOAD", self._script)
        elif refused.code in _NOT_HERE:
            raise RedisLost(str(refused)) from refused
        elif refused.code in _NOT_NOW or "OOM command not allowed" in str(refused):
            self._lose(str(refused))
            self._members.put_back()
            await trio.sleep(PAUSE_SECONDS)
        else:
            # It is done in part, if at all: whoever is concerned goes on elsewhere, or is told.
            logger.error("a batch has failed in Redis: %s", refused)
            self._statistics.failures += 1
            self._members.refused()

    def _pushed(self, push: list[Any]) -> None:
        if push[0] == b"message" and self._is_greeted:
            try:
                with self._context.flush_batch:
                    self._members.pushed(push[2])
            except Foreign as foreign:
                logger.error("what was published in Redis is not ours: %s", foreign)

    async def _tick(self) -> None:
        while True:
            self._members.tick(self._ticked)
            await trio.sleep(TICK_SECONDS)

    def _ticked(self, answer: Any) -> None:
        if answer != FENCED:
            more, self._statistics.cluster_servers, _ = answer
            if more:
                self._members.tick(self._ticked)

    def _has_work(self) -> None:
        self._work.set()

    async def leave(self) -> None:
        """Let the members go on elsewhere, and say that this server goes."""
        self._members.go()
        while not self._members.is_idle and self._statistics.cluster_up:
            self._idle = trio.Event()
            await self._idle.wait()


@asynccontextmanager
async def open_cluster(settings: ClusterSettings, context: Context) -> AsyncIterator[ClusterServer]:
    """A server of a cluster for a block, to whose end it is one, even when that is cancelled.

    Raises:
        ClusterError: there is no Redis, or none that will do.
    """
    server = ClusterServer(settings, context, context.chores.add)
    scope = trio.CancelScope()

    async def run(task_status: trio.TaskStatus[None]) -> None:
        with scope:
            await server.run(task_status)

    async with open_background_nursery() as nursery:
        await nursery.start(run)
        # What is under way may end in order.
        scope.shield = True
        try:
            yield server
        finally:
            with trio.move_on_after(LEAVE_SECONDS, shield=True):
                await server.leave()
            scope.cancel()

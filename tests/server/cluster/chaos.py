"""Servers and Redis fail in turn in virtual time, while everybody sends: all comes of a seed.

Servers, their clients and the protocol between them are the real ones, Redis is the model of the
script.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from typing import Final
from unittest import mock

import trio

import trio_rtc
from trio_rtc.server import ServerLimits
from trio_rtc.server.cluster import cluster_server
from trio_rtc.server.cluster.cluster_settings import ClusterSettings
from trio_rtc.server.cluster.redis_address import RedisAddress
from trio_rtc.testing import Network, SimulatedServer, start_signaling_server

from ...testing.simulated import run
from .chaotic_redis import ALL, ChaoticRedis

SERVERS: Final = ("one", "two", "three")
NAMES: Final = ("alice", "bob", "carol", "dave")
#: They take, and send nothing: pairs that answer each other hide what is lost.
SILENT: Final = ("dave",)
#: They come and go, and nobody sends them anything.
VISITOR: Final = "visitor"

RESUME_SECONDS: Final = 15.0
"""Longer than anything that fails is away."""

SETTLING_SECONDS: Final = 50.0
"""Until then whatever is on its way arrives, what would come twice comes, and ghosts are gone."""


class TalkerSession:
    """One session of somebody, and what it was told.

    Attributes:
        id: its peer id.
        sent: how many messages to each id; they are numbered.
        came: the numbers from each id, in their order.
        failed: which ones to each id have reached nobody, as it was told.
        lost: the code with which it has ended; empty while it goes on.
        sees: who is in the room in the end.
    """

    def __init__(self, peer_id: int):
        self.id = peer_id
        self.sent: Counter[int] = Counter()
        self.came: defaultdict[int, list[int]] = defaultdict(list)
        self.failed: defaultdict[int, set[int]] = defaultdict(set)
        self.lost = ""
        self.sees: set[int] = set()
        self._what: dict[int, tuple[int, int]] = {}

    async def send(self, signaling: trio_rtc.Signaling, peer: trio_rtc.Peer) -> None:
        try:
            number = await signaling.send(peer, b"%d" % (self.sent[peer.id] + 1))
        except trio_rtc.UnknownPeer:
            return
        self.sent[peer.id] += 1
        self._what[number] = peer.id, self.sent[peer.id]

    async def take(self, signaling: trio_rtc.Signaling) -> None:
        async for event in signaling:
            if isinstance(event, trio_rtc.MessageReceived):
                self.came[event.peer.id].append(int(event.data))
            elif isinstance(event, trio_rtc.MessageFailed):
                assert event.number is not None
                to, number = self._what[event.number]
                self.failed[to].add(number)


class Talker:
    """A client that signs in again when it is told that its session is lost.

    Attributes:
        sessions: those that it has had, the present one last.
        is_done: whether it sends no more.
    """

    def __init__(self, name: str):
        self.name = name
        self.sessions: list[TalkerSession] = []
        self.is_done = False

    async def talk(self, urls: list[str], chosen: Random) -> None:
        while True:
            try:
                async with trio_rtc.open_signaling(urls, name=self.name) as signaling:
                    session = TalkerSession(signaling.peer_id)
                    self.sessions.append(session)
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(session.take, signaling)
                        nursery.start_soon(self._send, session, signaling, chosen)
            except* trio_rtc.SignalingLost as group:
                (lost,) = group.exceptions
                session.lost = str(getattr(lost, "code", lost))
            except* trio_rtc.SignalingError:
                # Nobody lets it in as long as there is no Redis.
                pass
            await trio.sleep(0.5)

    async def _send(
        self, session: TalkerSession, signaling: trio_rtc.Signaling, chosen: Random
    ) -> None:
        while not self.is_done:
            await trio.sleep(chosen.uniform(0.05, 0.35))
            peers = [peer for peer in signaling.peers.values() if peer.name in NAMES]
            if peers and self.name not in SILENT:
                await session.send(signaling, chosen.choice(peers))
        while True:
            session.sees = set(signaling.peers)
            await trio.sleep(1)

    async def visit(self, urls: list[str], chosen: Random) -> None:
        """Come and go again and again."""
        while not self.is_done:
            try:
                async with trio_rtc.open_signaling(urls, name=VISITOR):
                    await trio.sleep(chosen.uniform(0.1, 0.4))
            except* trio_rtc.SignalingError:
                await trio.sleep(0.5)


class Chaos:
    """What fails, and for how long."""

    def __init__(self, network: Network, redis: ChaoticRedis, servers: list[SimulatedServer]):
        self._network = network
        self._redis = redis
        self._servers = servers
        self.faults: Counter[str] = Counter()

    async def go_on(self, kinds: Sequence[str], seconds: float) -> None:
        """Each kind is there once before one comes again."""
        chosen, until = self._redis.chosen, trio.current_time() + seconds
        while trio.current_time() < until:
            for kind in chosen.sample(kinds, len(kinds)):
                await trio.sleep(chosen.uniform(0.2, 1.5))
                self.faults[kind] += 1
                await getattr(self, kind)(chosen.choice(self._servers))

    async def kill_a_server(self, server: SimulatedServer) -> None:
        # What it has by then, and Redis has not, was not acknowledged.
        self._redis.silence(server.host.name)
        await trio.sleep(self._redis.chosen.choice([0.001, 1]))
        self._redis.lose(server.host.name)
        self._redis.speak(server.host.name)
        server.crash()
        await trio.sleep(4)
        self._redis.find(server.host.name)
        await server.start()

    async def drain_a_server(self, server: SimulatedServer) -> None:
        await server.stop()
        await server.start()

    async def cut_a_server_off(self, server: SimulatedServer) -> None:
        self._redis.silence(server.host.name)
        await trio.sleep(self._redis.chosen.choice([2, 7]))
        self._redis.speak(server.host.name)

    async def isolate_a_server(self, server: SimulatedServer) -> None:
        """Nobody reaches it, and it reaches Redis just often enough not to be given up."""
        server.host.unplug()
        for _ in range(4):
            self._redis.lose(server.host.name)
            await trio.sleep(4)
            self._redis.find(server.host.name)
            await trio.sleep(0.5)
        server.host.plug()

    async def stop_redis(self, _: SimulatedServer) -> None:
        self._redis.silence(ALL)
        await trio.sleep(self._redis.chosen.choice([1, 6]))
        self._redis.speak(ALL)

    async def kill_redis(self, _: SimulatedServer) -> None:
        self._redis.lose(ALL)
        await trio.sleep(self._redis.chosen.choice([0.1, 6]))
        self._redis.find(ALL)

    async def fail_over(self, server: SimulatedServer) -> None:
        self._redis.replicate()
        if self._redis.chosen.random() < 0.3:
            # That sessions have gone on elsewhere is forgotten, too.
            await self.drain_a_server(server)
        await trio.sleep(self._redis.chosen.choice([0.01, 0.3]))
        self._redis.fail_over()

    async def move_everybody(self, _: SimulatedServer) -> None:
        for name in NAMES:
            self._network.hosts[name].move()


UNFORGETTING: Final = [
    *("kill_a_server", "drain_a_server", "cut_a_server_off", "isolate_a_server"),
    *("stop_redis", "kill_redis", "move_everybody"),
]
FORGETTING: Final = [*UNFORGETTING, "fail_over"]


def chaos(seed: int, kinds: Sequence[str], seconds: float) -> list[TalkerSession]:
    """So many seconds of it, in which all these faults are; the sessions that there were."""
    redis = ChaoticRedis(Random(seed), RESUME_SECONDS)
    talkers = [Talker(name) for name in NAMES]

    async def main(network: Network) -> Counter[str]:
        servers = [
            await start_signaling_server(
                network,
                name,
                cluster=ClusterSettings(redis=RedisAddress(unix_socket=name)),
                limits=ServerLimits(resume_seconds=RESUME_SECONDS),
                drain_seconds=1.0,
            )
            for name in SERVERS
        ]
        urls = [server.url for server in servers]
        for at, talker in enumerate(talkers):
            turned = urls[at % len(urls) :] + urls[: at % len(urls)]
            network.host(talker.name).start_soon(talker.talk, turned, Random(f"{seed} {at}"))
        visitor = Talker(VISITOR)
        network.host(VISITOR).start_soon(visitor.visit, urls[::-1], Random(f"{seed} {VISITOR}"))
        await trio.sleep(1)
        chaos = Chaos(network, redis, servers)
        await chaos.go_on(kinds, seconds)
        # Nothing makes up any more for what only comes when a connection to Redis is new.
        redis.loses_answers = False
        await trio.sleep(3)
        for talker in (*talkers, visitor):
            talker.is_done = True
        await trio.sleep(SETTLING_SECONDS)
        network.nursery.cancel_scope.cancel()
        return chaos.faults

    with (
        mock.patch.object(cluster_server, "open_redis", redis.open),
        mock.patch.object(cluster_server, "ANSWER_SECONDS", 3.0),
    ):
        faults = run(main, seed)
    assert set(faults) == set(kinds)
    return [session for talker in talkers for session in talker.sessions]


def broken_promises(sessions: list[TalkerSession], kinds: Sequence[str]) -> list[str]:
    """What was promised and not kept: all that was sent has come, or one of the two was told."""
    seen: list[str] = []
    if "fail_over" not in kinds:
        seen += [f"{session.id} has ended: {session.lost}" for session in sessions if session.lost]
    for sender in sessions:
        for receiver in sessions:
            came, failed = receiver.came[sender.id], sender.failed[receiver.id]
            pair = f"from {sender.id} to {receiver.id}"
            if came != sorted(came):
                seen.append(f"out of order {pair}: {came}")
            if len(set(came)) < len(came):
                seen.append(f"doubled {pair}: {came}")
            if failed & set(came):
                seen.append(f"failed, and came {pair}: {failed & set(came)}")
            missing = set(range(1, sender.sent[receiver.id] + 1)) - failed - set(came)
            if missing and not sender.lost and not receiver.lost:
                seen.append(f"lost {pair}: {missing}")
    present = {session.id for session in sessions if not session.lost}
    if len(present) != len(NAMES):
        seen.append(f"not all are there: {present}")
    for session in sessions:
        if not session.lost and session.sees != present - {session.id}:
            seen.append(f"ghosts: {session.id} sees {session.sees}, there are {present}")
    return seen

"""Peers with a lite implementation of ICE (RFC 8445, section 2.5), which makes no checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
from aioice.candidate import Candidate
from aioice.ice import CandidatePair
from msgspec.structs import replace

from trio_rtc.rtc import DataChannel, PeerConnection, open_peer_connection
from trio_rtc.testing import Host, Network
from trio_rtc.wire.messages import SessionDescription

from ....testing.simulated import run


class LiteAgent:
    """Makes an agent of ours a lite one.

    Attributes:
        nominations: for each check of the other side, whether it nominates its pair.
    """

    def __init__(self, connection: PeerConnection):
        (path,) = connection._loop_connection.exchange.paths.all()
        self.nominations: list[bool] = []
        agent: Any = path._next or path._agent
        agent.ice_controlling = False
        agent.check_incoming = self._check_incoming
        agent.check_start_task = lambda pair: None
        self._agent = agent

    def _check_incoming(self, message: Any, address: tuple[str, int], protocol: Any) -> None:
        self.nominations.append("USE-CANDIDATE" in message.attributes)
        if self.nominations[-1]:
            remote = Candidate("1", 1, "udp", message.attributes["PRIORITY"], *address, "prflx")
            pair: Any = CandidatePair(protocol, remote)
            pair.state, pair.nominated, pair.asked = CandidatePair.State.SUCCEEDED, True, 0.0
            self._agent._remote_candidates.append(remote)
            self._agent._check_list[:] = [pair]
            self._agent.check_complete(pair)


class Side:
    """One side of a connection."""

    def __init__(self, host: Host, connection: PeerConnection, *, is_lite: bool):
        self.host = host
        self.connection = connection
        self.agents: list[LiteAgent] = []
        self._is_lite = is_lite

    async def describe(self) -> SessionDescription:
        with self.host:
            await self.connection.set_local_description()
            description = await self.connection.gathered()
        if not self._is_lite:
            return description
        sdp = description.sdp.replace("\r\nt=0 0\r\n", "\r\nt=0 0\r\na=ice-lite\r\n")
        assert sdp != description.sdp
        return replace(description, sdp=sdp)

    async def apply(self, description: SessionDescription) -> None:
        with self.host:
            await self.connection.set_remote_description(description)

    def become_lite(self) -> None:
        if self._is_lite:
            self.agents.append(LiteAgent(self.connection))


async def negotiate(offerer: Side, answerer: Side) -> None:
    offer = await offerer.describe()
    await answerer.apply(offer)
    answerer.become_lite()
    answer = await answerer.describe()
    offerer.become_lite()
    await offerer.apply(answer)


@asynccontextmanager
async def open_sides(
    network: Network, **options: Any
) -> AsyncIterator[tuple[Side, Side, list[DataChannel]]]:
    """A full one, and a lite one, each with a channel to the other."""
    async with AsyncExitStack() as stack:
        sides: list[Side] = []
        channels: list[DataChannel] = []
        for name in ("full", "lite"):
            with network.host(name) as host:
                connection = await stack.enter_async_context(
                    open_peer_connection(**({} if sides else options))
                )
                sides.append(Side(host, connection, is_lite=name == "lite"))
                channels.append(await connection.create_data_channel("x", negotiated=True, id=4))
        yield sides[0], sides[1], channels


async def talk(channels: list[DataChannel]) -> None:
    with trio.fail_after(20):
        for sender, receiver in (channels, reversed(channels)):
            await sender.wait_open()
            await sender.send("hello")
            assert await receiver.receive() == "hello"


@pytest.mark.parametrize("offers", ["full", "lite"])
def test_a_lite_peer_is_led(offers: str) -> None:
    """Its pair is nominated once it works, by whom is not lite, whoever offers."""

    async def program(network: Network) -> None:
        async with open_sides(network) as (full, lite, channels):
            await negotiate(*((full, lite) if offers == "full" else (lite, full)))
            await talk(channels)
            assert lite.agents[0].nominations[0] is False
            assert lite.agents[0].nominations.count(True) == 1
            full.connection.restart_ice()
            await negotiate(full, lite)
            await trio.sleep(3)
            await talk(channels)
            assert lite.agents[-1].nominations.count(True) == 1

    run(program)


def test_a_relay_to_a_lite_peer_is_left_for_a_direct_way() -> None:
    async def program(network: Network) -> str:
        turn = network.turn_server()
        async with open_sides(network, ice_servers=[turn.turn]) as (full, lite, channels):
            network.part([full.host], [lite.host])
            await negotiate(full, lite)
            await talk(channels)
            network.heal()
            await trio.sleep(5)
            await talk(channels)
            stats = await full.connection.get_stats()
            assert stats.local_candidate is not None
            return stats.local_candidate.type

    assert run(program) == "host"

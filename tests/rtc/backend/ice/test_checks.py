"""Checks that go on after a pair works: for one without a relay, and of the pair in use."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import aioice
import pytest
from aioice.ice import CandidatePair

from trio_rtc.rtc.backend.ice.checks import Checks


def candidate(kind: str) -> aioice.Candidate:
    return aioice.Candidate("1", 1, "udp", 1, "192.0.2.1", 1000, kind)


def pair(local: str, remote: str) -> Any:
    protocol: Any = SimpleNamespace(local_candidate=candidate(local))
    made: Any = CandidatePair(protocol, candidate(remote))
    made.asked = 0.0
    return made


@pytest.mark.parametrize(
    ("relayed", "direct", "left"),
    [
        (("relay", "host"), ("host", "host"), True),
        (("host", "relay"), ("srflx", "prflx"), True),
        # Another relay is no better, and a direct way is looked for no further.
        (("relay", "host"), ("relay", "srflx"), False),
        (("host", "srflx"), ("host", "host"), False),
    ],
)
def test_a_relay_is_left_for_a_direct_way_whose_answer_comes_later(
    relayed: tuple[str, str], direct: tuple[str, str], left: bool
) -> None:
    async def main() -> None:
        agent: Any = aioice.Connection(ice_controlling=True)
        checks = Checks(agent)
        first, better = pair(*relayed), pair(*direct)
        agent._check_list[:] = [better, first]

        def complete(one: Any) -> None:
            one.nominated, one.state = True, CandidatePair.State.SUCCEEDED
            agent.check_complete(one)

        complete(first)
        # There is a call at once.
        assert await agent._check_list_state.get() == 1
        assert agent._nominated == {1: first}
        assert checks._better() == [better] * left
        if left:
            complete(better)
            assert agent._nominated == {1: better}
            assert checks._better() == []
        await agent.close()

    asyncio.run(main())


@pytest.mark.parametrize(("later", "asks"), [(False, 0), (True, 1)])
def test_the_pair_in_use_is_asked_again_if_another_works_that_was_tried_since(
    later: bool, asks: int
) -> None:
    async def main() -> None:
        agent: Any = aioice.Connection(ice_controlling=True)
        checks = Checks(agent)
        in_use, other = pair("host", "host"), pair("host", "prflx")
        asked: list[Any] = []

        async def request(_message: Any, address: Any, **_options: Any) -> None:
            asked.append(address)

        in_use.protocol.request = request
        agent.remote_username, agent.remote_password = "user", "password"
        now = asyncio.get_running_loop().time()
        for one in (in_use, other):
            # Both are checked at the same time.
            one.asked, one.state = now - 0.01, CandidatePair.State.SUCCEEDED
            agent._check_list.append(one)
        in_use.nominated = True
        agent.check_complete(in_use)
        assert await agent._check_list_state.get() == 1
        if later:
            other.asked = in_use.answered + 0.01
        agent.check_complete(other)
        if checks._verifying is not None:
            await checks._verifying
        assert asked == [in_use.remote_addr] * asks
        await agent.close()

    asyncio.run(main())


def test_a_round_trip_ends_with_the_answer_and_not_with_the_nomination() -> None:
    """The side that nominates nothing has its answer before the other one's choice comes."""

    async def main() -> None:
        agent: Any = aioice.Connection(ice_controlling=False)
        Checks(agent)
        agent.remote_username, agent.remote_password = "user", "password"
        one = pair("host", "host")
        agent._check_list.append(one)
        agent.build_request(one, nominate=False)
        one.state = CandidatePair.State.SUCCEEDED
        agent.check_complete(one)
        trip = one.round_trip
        one.asked -= 10.0
        one.nominated = True
        agent.check_complete(one)
        assert one.round_trip == trip
        # It is asked again, as for consent or a better pair.
        agent.build_request(one, nominate=False)
        assert one.round_trip is None
        agent.check_complete(one)
        assert one.round_trip is not None
        await agent.close()

    asyncio.run(main())

"""A run of a seed: its network, its parties, what disturbs them, and what is promised of them."""

from __future__ import annotations

import trio

import trio_rtc
from trio_rtc.testing import Host, Network, SimulatedServer, start_signaling_server
from trio_rtc.testing.network.turn_server import TurnServer

from .parties import Outcome, Party
from .plans import CallPlan, DisturbancePlan, Plan, random_plan
from .promises import check, check_nothing_is_left, check_times, connections

SETTLING_SECONDS = 45.0
"""More than a call takes to notice that the other side is gone: silence, a restart, closing."""

GIVING_UP_SECONDS = 110.0
"""More than a server takes to notice that a session has no connection, and to give it up."""

MOST_SECONDS = 600.0
"""Virtual seconds within which all of a plan is over."""


MOST_REAL_SECONDS = 600.0
"""A seed takes a second; a busy machine is no fault of it."""


async def run_seed(network: Network) -> None:
    """Do what a seed wants, and see whether all promises are kept."""
    before = connections()
    await run_plan(network, random_plan(network.seed))
    await check_nothing_is_left(network, before)


async def run_plan(network: Network, plan: Plan) -> None:
    """Do what a plan wants, and see whether all promises are kept."""
    server = await start_signaling_server(network)
    turn = network.turn_server()
    options = {
        "ice_servers": [turn.stun, turn.turn, turn.turn_over_tcp],
        "connect_timeout": 30.0,
    }
    outcome = Outcome()
    parties = [
        Party(
            f"party{number}",
            network.host(
                f"party{number}",
                link=link,
                router=None if router is None else network.router(f"router{number}", **router),
            ),
            server.url,
            outcome,
            options,
        )
        for number, (link, router) in enumerate(plan.parties)
    ]
    stop, restarting = trio.Event(), trio.Lock()
    async with trio.open_nursery() as everybody:
        for number, party in enumerate(parties):
            notes = [
                (each, f"party{each.receiver}") for each in plan.notes if each.sender == number
            ]
            everybody.start_soon(party.host.run, party.run, _calls_of(plan, number), notes, stop)
        async with trio.open_nursery() as disturbing:
            for each in plan.disturbances:
                link, _ = plan.parties[each.party]
                disturbing.start_soon(
                    _disturb, network, server, turn, parties, restarting, each, link.loss
                )
        await _until_calls_are_over(parties)
        await _until_notes_are_told(outcome)
        stop.set()
    check(plan, outcome)
    check_times(network)


def _calls_of(plan: Plan, party: int) -> list[tuple[int, CallPlan, str]]:
    return [
        (number, call, f"party{call.callee}")
        for number, call in enumerate(plan.calls)
        if call.caller == party
    ]


async def _until_calls_are_over(parties: list[Party]) -> None:
    """Until everybody has made all calls, and who was called has noticed their ends."""
    for party in parties:
        await party.done.wait()
    await trio.sleep(SETTLING_SECONDS)


async def _until_notes_are_told(outcome: Outcome) -> None:
    """Until everybody has heard what became of its notes, or would have."""
    with trio.move_on_after(GIVING_UP_SECONDS):
        while _is_any_untold(outcome):  # noqa: ASYNC110
            await trio.sleep(1)


def _is_any_untold(outcome: Outcome) -> bool:
    return any(
        notes.untold() and not notes.is_cut and outcome.lost.isdisjoint(parties)
        for parties, notes in outcome.notes.items()
    )


async def _disturb(
    network: Network,
    server: SimulatedServer,
    turn: TurnServer,
    parties: list[Party],
    restarting: trio.Lock,
    plan: DisturbancePlan,
    loss: float,
) -> None:
    await trio.sleep(plan.at)
    party = parties[plan.party]
    host: Host = party.host
    match plan.kind:
        case "unplug":
            host.unplug()
            await trio.sleep(plan.seconds)
            host.plug()
        case "move":
            host.move()
        case "leave":
            host.leave()
            await trio.sleep(plan.seconds)
            host.move()
        case "forget":
            if (router := host.router) is not None:
                router.forget()
        case "restart server":
            async with restarting:
                await server.stop()
                await trio.sleep(plan.seconds)
                await server.start()
        case "crash server":
            async with restarting:
                server.crash()
                await trio.sleep(plan.seconds)
                await server.start()
        case "part":
            other = parties[(plan.party + 1) % len(parties)].host
            network.part([host], [other])
            await trio.sleep(plan.seconds)
            network.heal()
        case "lossy":
            host.set_link(loss=0.3)
            await trio.sleep(plan.seconds)
            host.set_link(loss=loss)
        case "silent turn":
            turn.is_silent = True
            await trio.sleep(plan.seconds)
            turn.is_silent = False
        case "restart ice":
            if (call := party.current) is not None and call.end is None:
                with host:
                    await _restart(call)


async def _restart(call: trio_rtc.Call) -> None:
    try:
        await call.restart()
    except trio_rtc.TrioRTCError:
        # There is no other way, or the call is over.
        return

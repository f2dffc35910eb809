"""Hosts that move to other networks, and silences that end: how soon calls go on."""

from __future__ import annotations

import re

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Link, Network, simulate
from trio_rtc.testing import start_signaling_server as start
from trio_rtc.testing.network.network import WIRE

from .simulated import call_bob, run, say


async def longest_wait(call: trio_rtc.Call, seconds: float, echoes_for: float) -> float:
    """The longest time that one of many messages took to come back, from now on."""
    longest = 0.0
    end = trio.current_time() + echoes_for
    async with await call.open_channel("clock") as channel:
        while (began := trio.current_time()) < end:
            await channel.send("tick")
            assert await channel.receive() == "tick"
            longest = max(longest, trio.current_time() - began)
            await trio.sleep(seconds)
    return longest


@pytest.mark.parametrize(
    ("mover", "behind", "away"),
    [
        ("alice", False, 0.0),
        ("bob", True, 0.0),
        ("both", False, 0.0),
        ("both", True, 0.0),
        ("alice", True, 2.0),
        ("bob", False, 2.0),
    ],
)
def test_a_move_costs_little(mover: str, behind: bool, away: float) -> None:
    """With 40 ms from host to host and back, once there is an address again."""

    async def program(network: Network) -> float:
        servers = [network.turn_server().stun] if behind else []
        alice, bob = network.host("alice"), network.host("bob")
        movers = {"alice": [alice], "bob": [bob], "both": [alice, bob]}[mover]
        waits: list[float] = []

        async def during(call: trio_rtc.Call) -> None:
            async def keep_time() -> None:
                waits.append(await longest_wait(call, 0.05, 15))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_time)
                await trio.sleep(3)
                if away:
                    for host in movers:
                        host.leave()
                    await trio.sleep(away)
                for host in movers:
                    host.move(network.router(f"{host.name}'s") if behind else None)
            assert call.end is None

        await call_bob(network, alice, bob, during, ice_servers=servers)
        return waits[0]

    assert run(program) < away + 1.6


def test_a_call_over_a_relay_moves_as_well() -> None:
    async def program(network: Network) -> float:
        turn = network.turn_server()
        alice, bob = network.host("alice"), network.host("bob")
        waits: list[float] = []

        async def during(call: trio_rtc.Call) -> None:
            async def keep_time() -> None:
                waits.append(await longest_wait(call, 0.05, 15))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_time)
                await trio.sleep(3)
                alice.move()
            assert call.end is None

        await call_bob(
            network, alice, bob, during, ice_servers=[turn.turn], ice_transport_policy="relay"
        )
        return waits[0]

    assert run(program) < 2


@pytest.mark.parametrize("outage", [7.0, 8.0, 8.3, 8.6, 8.8, 9.0])
def test_the_end_of_a_silence_is_noticed_with_the_first_packet(outage: float) -> None:
    """So that a call which is heard again is not given up at the same moment."""

    async def program(network: Network) -> tuple[list[tuple[float, str]], list[float]]:
        alice, bob = network.host("alice"), network.host("bob")
        healed: list[float] = []

        async def during(call: trio_rtc.Call) -> None:
            await say(call, "hello")
            network.part([alice], [bob])
            await trio.sleep(outage)
            healed.append(trio.current_time())
            network.heal()
            await trio.sleep(3)

        await call_bob(network, alice, bob, during, silence_timeout=5.0, restart_timeout=60)
        sent = [
            entry.time
            for entry in network.record.select("packet", hosts=["bob"])
            # A question of the other side's is no answer to ours.
            if re.search(r"^udp .*(DTLS|STUN binding response)", entry.text)
            and entry.time > healed[0]
        ]
        states = [(e.time, e.text) for e in network.record.select("state", hosts=["alice"])]
        return states, sent

    states, sent = run(program)
    again = [time for time, text in states if text.endswith("is connected")][1]
    assert again < sent[0] + 0.02 + 0.06


def test_relays_that_fall_silent_do_not_hold_up_restarts() -> None:
    """Between two of them, the agent of the first does not wait long for the end of its relay."""

    async def program(network: Network) -> list[object]:
        turns = [network.turn_server(name) for name in ("turn1", "turn2")]
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> None:
            await say(call, "hello")
            # Each reaches nothing but a relay of its own.
            relays = [network.hosts[name] for name in ("turn1", "turn2")]
            network.part([alice, relays[0]], [bob, relays[1]])
            # Restarts begin after 5 s of silence, and there is another try each 3 s.
            await trio.sleep(6.5)
            for turn in turns:
                turn.is_silent = True
            await trio.sleep(4)
            network.heal()
            alice.move()
            await trio.sleep(8)
            assert call.end is None
            await say(call, "still there?")

        await call_bob(network, alice, bob, during, ice_servers=[turn.turn for turn in turns])
        await trio.sleep(120)
        return [*alice.udp, *bob.udp]

    assert run(program) == []


def test_who_asks_for_a_server_asks_again_at_once_from_another_address() -> None:
    """Whose address goes while a connection is being opened does not wait for its end."""

    async def program(network: Network) -> float:
        await start(network)
        alice = network.host("alice")
        network.part([alice], [network.hosts["server"]])

        async def sign_in() -> float:
            async with trio_rtc.open_signaling("ws://server:8888", name="alice"):
                return trio.current_time()

        async def move() -> None:
            await trio.sleep(1)
            network.heal()
            alice.move()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(move)
            return await alice.run(sign_in)

    # A SYN that is lost is sent again after 1, 3 and 7 s.
    assert run(program) < 1.3


def test_a_call_takes_the_address_that_packets_go_by_from_now_on() -> None:
    """As a laptop that is plugged in, whose network is better than the one it was on."""

    async def program(network: Network) -> tuple[str, str]:
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> tuple[str, str]:
            await say(call, "hello")
            old = alice.attachments[0]
            network.attach(alice, "alice's cable", None, WIRE, WIRE)
            # The first address is the one that packets go by.
            alice.attachments.reverse()
            await trio.sleep(2)
            await say(call, "hello")
            stats = await call.stats()
            assert stats.local_candidate is not None
            assert stats.local_candidate.address != old.addresses[0]
            states = list(network.record.select("state", hosts=["alice"]))
            return stats.local_candidate.address, states[-1].text

        address, state = await call_bob(network, alice, bob, during)
        assert address == alice.address
        return address, state

    assert run(program)[1] == "the call with bob is connected"


def test_a_link_that_changes_while_its_host_is_away_is_so_at_its_next_network() -> None:
    async def program(network: Network) -> None:
        alice = network.host("alice", link=Link(delay=0.02, loss=0.1))
        alice.leave()
        alice.set_link(loss=0.0)
        alice.set_link(down=False, delay=0.05)
        alice.move()
        [link] = alice.attachments
        assert (link.up.link, link.down.link) == (Link(delay=0.05), Link(delay=0.02))

    simulate(program, 1)

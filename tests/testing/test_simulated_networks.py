"""Routers, servers, outages and moves of a simulated network, as calls meet them."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import trio

import trio_rtc
from trio_rtc.testing import (
    HostCrashed,
    Link,
    Network,
    connected_pair,
    start_signaling_server,
)
from trio_rtc.testing.network.nat import Behaviour

from .simulated import URL, answer, call_bob, count_up, run, say, used_pair

SYMMETRIC: dict[str, Any] = {
    "mapping": "address-and-port-dependent",
    "filtering": "address-and-port-dependent",
    "keeps_ports": False,
}


async def by_servers(network: Network, alice: dict[str, Any], bob: dict[str, Any]) -> Any:
    """The pair of a call between hosts behind such routers, with STUN and TURN servers."""
    turn = network.turn_server()
    hosts = [
        network.host(name, router=network.router(f"{name}'s router", **options))
        for name, options in (("alice", alice), ("bob", bob))
    ]
    servers = (turn.stun, turn.turn, turn.turn_over_tcp)
    pair = await call_bob(network, hosts[0], hosts[1], used_pair, ice_servers=servers)
    await trio.sleep(30)
    assert turn.allocations == 0
    return pair


@pytest.mark.parametrize("mapping", get_args(Behaviour))
@pytest.mark.parametrize("filtering", get_args(Behaviour))
def test_one_who_is_behind_any_router_reaches_one_who_keeps_mappings(
    mapping: Behaviour, filtering: Behaviour
) -> None:
    options = {"mapping": mapping, "filtering": filtering}
    pair = run(lambda network: by_servers(network, options, {"filtering": filtering}))
    # With both filtering by port, one whose port is another for each destination needs a relay.
    blind = mapping != "endpoint-independent" and filtering == "address-and-port-dependent"
    assert ("relay" in pair) == blind


def test_two_behind_symmetric_routers_need_a_relay() -> None:
    assert "relay" in run(lambda network: by_servers(network, SYMMETRIC, SYMMETRIC))


def test_one_whose_router_stops_udp_has_a_relay_over_tcp() -> None:
    async def program(network: Network) -> Any:
        alice = network.host("alice", router=network.router("firewall", udp=False))
        turn = network.turn_server()
        servers = (turn.turn, turn.turn_over_tcp)
        return await call_bob(network, alice, network.host("bob"), used_pair, ice_servers=servers)

    assert run(program)[0] == "relay"


def test_two_behind_one_router_need_nobody_else() -> None:
    async def program(network: Network) -> Any:
        router = network.router("home")
        alice, bob = (network.host(name, router=router) for name in ("alice", "bob"))
        return await call_bob(network, alice, bob, used_pair)

    assert run(program) == ("host", "host")


def test_two_routers_one_behind_the_other() -> None:
    async def program(network: Network) -> Any:
        turn = network.turn_server()
        home = network.router("home", behind=network.router("provider"))
        alice, bob = network.host("alice", router=home), network.host("bob")
        return await call_bob(network, alice, bob, used_pair, ice_servers=[turn.stun])

    assert "relay" not in run(program)


def why_there_is_no_call(**options: object) -> str:
    """What the error says when no packet of UDP gets out of Alice's network."""

    async def program(network: Network) -> None:
        alice = network.host("alice", router=network.router("firewall", udp=False))
        bob = network.host("bob")
        await call_bob(network, alice, bob, used_pair, connect_timeout=20, **options)

    with pytest.raises(trio_rtc.CallError) as caught:
        run(program)
    assert caught.value.code in ("connection_lost", "connect_timeout")
    return str(caught.value)


def test_there_is_no_way_at_all_and_the_error_says_what_was_tried() -> None:
    said = why_there_is_no_call()
    assert re.search(r"bob.*: \S+ \(host\) does not reach \S+ \(host\)", said), said
    assert said.endswith("no TURN server was given")


def test_a_turn_server_that_gives_no_relay_is_named() -> None:
    server = trio_rtc.IceServer("turn:203.0.113.99", username="a", credential="b")
    assert why_there_is_no_call(ice_servers=[server]).endswith("the TURN server has given no relay")


def test_nobody_answers_and_the_error_says_so() -> None:
    async def call() -> None:
        async with (
            trio_rtc.open_signaling(URL, name="bob"),
            trio_rtc.open_signaling(URL, name="alice") as alice,
        ):
            await alice.wait_for_peer("bob")
            with pytest.raises(trio_rtc.CallError, match=r"5 s: they have not answered$"):
                async with trio_rtc.open_call(alice, "bob", connect_timeout=5):
                    pass

    async def program(network: Network) -> None:
        await start_signaling_server(network)
        await network.host("alice").run(call)

    run(program)


def test_addresses_of_ipv6() -> None:
    async def program(network: Network) -> Any:
        alice, bob = (
            network.host(name, address=f"2001:db8::{number}")
            for number, name in enumerate(("alice", "bob"), 1)
        )
        async with connected_pair(network) as (call, other):
            channel = await call.open_channel("chat")
            await channel.send("hello")
            assert await (await anext(aiter(other.channels))).receive() == "hello"
            stats = await call.stats()
            assert stats.local_candidate is not None
            assert stats.local_candidate.address == alice.address
            assert bob.address == "2001:db8::2"

    run(program)


def test_an_outage_is_survived_by_a_restart() -> None:
    async def program(network: Network) -> list[str]:
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count_up, call, 300)
                await trio.sleep(5)
                alice.unplug()
                await trio.sleep(8)
                alice.plug()
            assert call.end is None

        await call_bob(network, alice, bob, during)
        return [entry.text for entry in network.record.select("state", hosts=["alice"])]

    states = run(program)
    assert states[:3] == [
        "the call with bob is connected",
        "the call with bob is disconnected",
        "the call with bob is connected",
    ]


def test_a_host_that_moves_keeps_its_call() -> None:
    async def program(network: Network) -> None:
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> None:
            before = alice.address
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count_up, call, 400)
                await trio.sleep(5)
                alice.move(network.router("another network"))
                assert alice.address != before
            assert call.end is None

        await call_bob(network, alice, bob, during)

    run(program)


def test_a_router_that_forgets_is_got_over() -> None:
    async def program(network: Network) -> None:
        router = network.router("router", keeps_ports=False)
        alice, bob = network.host("alice", router=router), network.host("bob")

        async def during(call: trio_rtc.Call) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count_up, call, 300)
                await trio.sleep(5)
                router.forget()
            assert call.end is None

        await call_bob(network, alice, bob, during)

    run(program)


def test_hosts_that_are_parted_end_their_call_alike() -> None:
    async def program(network: Network) -> tuple[str, str]:
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> str:
            await say(call, "hello")
            network.part([alice], [bob])
            await call.wait_ended()
            assert call.end is not None
            return call.end.reason

        reason = await call_bob(network, alice, bob, during)
        last = [entry.text for entry in network.record.select("state", hosts=["bob"])][-1]
        return reason, last

    reason, other = run(program)
    assert reason == "connection_lost"
    assert other.startswith("the call with alice is ended")


def test_a_crash_is_noticed_by_the_other_side_alone() -> None:
    async def program(network: Network) -> None:
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> None:
            await say(call, "hello")
            began = trio.current_time()
            bob.crash()
            await call.wait_ended()
            assert call.end is not None
            assert call.end.reason in ("connection_lost", "peer_left")
            assert trio.current_time() - began < 60

        await call_bob(network, alice, bob, during)
        packets = [entry.text for entry in network.record.select("packet", hosts=["bob"])]
        assert "crashed" in network.record.text("network")
        del packets
        with pytest.raises(HostCrashed):
            await bob.run(trio.sleep, 1)
        await bob.restart()
        await bob.run(trio.sleep, 1)

    run(program)


def test_calls_outlive_the_signaling_server_and_others_are_made_by_the_next() -> None:
    async def program(network: Network) -> None:
        server = await start_signaling_server(network)
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count_up, call, 100)
                await trio.sleep(2)
                await server.stop()
                await trio.sleep(2)
                await server.start()

        await call_bob(network, alice, bob, during)
        bob.start_soon(answer, "carol")

        async def again() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("carol")
                async with trio_rtc.open_call(signaling, "carol") as call:
                    await say(call, "hello")

        await alice.run(again)

    run(program)


def test_a_session_goes_on_after_a_crash_of_nothing_but_its_path() -> None:
    async def program(network: Network) -> None:
        server = await start_signaling_server(network)
        alice, bob = network.host("alice"), network.host("bob")

        async def listen() -> None:
            async with trio_rtc.open_signaling(server.url, name="bob") as signaling:
                async for event in signaling:
                    if isinstance(event, trio_rtc.MessageReceived):
                        received.append(event.data)

        async def send() -> None:
            async with trio_rtc.open_signaling(server.url, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                for number in range(20):
                    if number == 8:
                        bob.unplug()
                    if number == 15:
                        bob.plug()
                    await signaling.send("bob", str(number))
                    await trio.sleep(1)
                await trio.sleep(60)

        received: list[bytes] = []
        bob.start_soon(listen)
        await alice.run(send)
        assert received == [str(number).encode() for number in range(20)]

    run(program)


def test_a_turn_server_that_is_silent_holds_nothing_up() -> None:
    async def program(network: Network) -> float:
        turn = network.turn_server()
        turn.is_silent = True
        alice, bob = network.host("alice"), network.host("bob")

        async def during(call: trio_rtc.Call) -> float:
            return call.setup_seconds

        servers = (turn.stun, turn.turn)
        seconds = await call_bob(network, alice, bob, during, ice_servers=servers)
        assert isinstance(seconds, float)
        return seconds

    assert run(program) < 1


def test_bad_networks_are_told() -> None:
    async def program(network: Network) -> None:
        network.host("alice", address="192.0.2.7")
        with pytest.raises(ValueError, match="called 'alice'"):
            network.host("alice")
        with pytest.raises(ValueError, match="address of alice"):
            network.host("bob", address="192.0.2.7")
        with pytest.raises(ValueError, match="mapping is 'cone'"):
            network.router("router", mapping="cone")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="colour"):
            network.hosts["alice"].set_link(colour="red")
        with pytest.raises(ValueError, match="loss"):
            network.hosts["alice"].set_link(loss=2.0)
        carol = network.host("carol")
        with pytest.raises(OSError, match="no simulated host is called 'dave'"):
            await carol.run(trio.open_tcp_stream, "dave", 80)
        with pytest.raises(OSError, match="attempts to connect"):
            await carol.run(trio.open_tcp_stream, "alice", 80)
        with pytest.raises(RuntimeError, match="on no simulated host"):
            trio.socket.socket()

    run(program)


def test_checks_of_the_two_sides_do_not_feed_each_other() -> None:
    """Where packets come twice, and the answer to a check is from elsewhere, and does not count."""

    async def program(network: Network) -> int:
        turn = network.turn_server()
        symmetric: dict[str, Any] = {"mapping": "address-and-port-dependent"}
        one = network.router("one", filtering="address-dependent", keeps_ports=False, **symmetric)
        other = network.router("other", filtering="endpoint-independent", **symmetric)
        link = Link(delay=0.04, jitter=0.03, duplication=0.02)
        alice = network.host("alice", router=one, link=link)
        bob = network.host("bob", router=other, link=Link(delay=0.001, duplication=0.02))

        async def during(call: trio_rtc.Call) -> None:
            await say(call, "hello")
            await trio.sleep(10)

        servers = (turn.stun, turn.turn, turn.turn_over_tcp)
        await call_bob(network, alice, bob, during, ice_servers=servers)
        return network.record.text("packet").count("binding request")

    assert run(program) < 2000


def test_no_route_is_told_as_by_a_kernel() -> None:
    async def program(network: Network) -> None:
        alice, bob = network.host("alice"), network.host("bob", address="2001:db8::1")
        bound = alice.bind((alice.address, 0), lambda data, source: None)
        with pytest.raises(OSError, match="attempts to connect") as refused:
            await alice.run(trio.open_tcp_stream, bob.address, 80)
        assert "Network is unreachable" in repr(refused.value.__cause__)
        alice.leave()
        with pytest.raises(OSError, match="attempts to connect") as refused:
            await alice.run(trio.open_tcp_stream, "198.51.100.77", 80)
        assert "Network is unreachable" in repr(refused.value.__cause__)
        with pytest.raises(OSError, match="Network is unreachable"):
            print(alice.address)
        with pytest.raises(OSError, match="Network is unreachable"):
            bound.send(b"hello", ("198.51.100.77", 9))
        alice.move()
        # From an address that is not there any more it is lost without a word.
        bound.send(b"hello", ("198.51.100.77", 9))
        alice.leave()
        with pytest.raises(trio_rtc.SignalingError) as caught:
            await alice.run(sign_in)
        assert caught.value.code == "server_unreachable"
        assert "unreachable" in str(caught.value)

    async def sign_in() -> None:
        async with trio_rtc.open_signaling("ws://198.51.100.77", name="alice"):
            pass

    run(program)


def test_a_slow_link_takes_its_time() -> None:
    async def program(network: Network) -> float:
        link = Link(rate=1_000_000, delay=0.01)
        alice, bob = (network.host(name, link=link) for name in ("alice", "bob"))

        async def serve(stream: trio.SocketStream) -> None:
            await stream.send_all(bytes(250_000))

        with bob:
            (listener,) = await trio.open_tcp_listeners(80, host="0.0.0.0")
        bob.start_soon(trio.serve_listeners, serve, [listener])

        async def fetch() -> float:
            began = trio.current_time()
            async with await trio.open_tcp_stream("bob", 80) as stream:
                assert sum([len(part) async for part in stream]) == 250_000
            return trio.current_time() - began

        return float(await alice.run(fetch))

    # Two megabits at one per second.
    assert 2.0 < run(program) < 2.4

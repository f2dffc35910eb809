"""Calls whose paths change all the time: what the states promise is compared with what happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, get_args

import pytest
import trio

import trio_rtc
from trio_rtc.testing import Host, Network, start_signaling_server
from trio_rtc.testing.network.nat import Behaviour

from .simulated import URL, answer, run

SILENCE, RESTART = 5.0, 15.0
"""Seconds after which a call counts as disconnected, and is given up: the defaults."""

SPARE = 3.0
"""Seconds that a message may take beside that: it is sent again after a loss, and waits then."""

EVENTS = 8
"""In a run."""


class Chaos:
    """What happens to two hosts and their routers."""

    def __init__(self, network: Network, hosts: list[Host], random: Random):
        self.network = network
        self.hosts = hosts
        self.random = random
        self.turn = network.turn_server()
        self._routers = 0

    def router(self) -> Any:
        """One of any kind, or none at all."""
        if self.random.random() < 0.2:
            return None
        self._routers += 1
        kinds = get_args(Behaviour)
        return self.network.router(
            f"router {self._routers}",
            mapping=self.random.choice(kinds),
            filtering=self.random.choice(kinds),
            keeps_ports=self.random.random() < 0.5,
            hairpins=self.random.random() < 0.5,
            udp=self.random.random() < 0.9,
        )

    async def move(self) -> None:
        self.random.choice(self.hosts).move(self.router())

    async def move_both(self) -> None:
        for host in self.hosts:
            host.move(self.router())

    async def away(self) -> None:
        host = self.random.choice(self.hosts)
        host.leave()
        await trio.sleep(self.random.uniform(0.1, RESTART / 3))
        host.move(self.router())

    async def lose(self) -> None:
        host = self.random.choice(self.hosts)
        loss = self.random.uniform(0.01, 0.2)
        host.attachments[0].change(up=True, down=True, loss=loss)
        await trio.sleep(self.random.uniform(1, 5))
        for attachment in host.attachments:
            attachment.change(up=True, down=True, loss=0.0)

    async def part(self) -> None:
        self.network.part(self.hosts[:1], self.hosts[1:])
        await trio.sleep(self.random.uniform(0.5, RESTART / 2))
        self.network.heal()

    async def forget(self) -> None:
        router = self.random.choice(self.hosts).router
        if router is not None:
            router.forget()

    async def run(self) -> None:
        """One thing after the other; after the last one there is a way again."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            self.move, self.move_both, self.away, self.lose, self.part, self.forget,
        ]  # fmt: skip
        for _ in range(EVENTS):
            await self.random.choice(kinds)()
            await trio.sleep(self.random.uniform(0.5, 8))


@pytest.mark.parametrize("seed", [0, 2])
def test_a_call_does_what_its_states_promise(seed: int) -> None:
    """It goes on as long as there is a way again in time, and each message comes once, in order.

    While it is said to be connected, silence is noticed in time; and it ends as it is told to.
    """

    async def program(network: Network) -> None:
        random = Random(seed)
        await start_signaling_server(network)
        hosts = [network.host(name) for name in ("alice", "bob")]
        chaos = Chaos(network, hosts, random)
        servers = [chaos.turn.stun, chaos.turn.turn, chaos.turn.turn_over_tcp]
        for host in hosts:
            host.move(chaos.router())
        state, changed = "new", 0.0

        def trace(step: trio_rtc.CallStep) -> None:
            nonlocal state, changed
            if step.name in ("connected", "disconnected"):
                state, changed = step.name, trio.current_time()

        waits: list[tuple[float, float]] = []

        async def talk(call: trio_rtc.Call, over: trio.Event) -> None:
            async with await call.open_channel("count") as channel:
                number = 0
                while not over.is_set():
                    began = trio.current_time()
                    await channel.send(str(number))
                    assert await channel.receive() == str(number)
                    waits.append((began, trio.current_time()))
                    number += 1
                    await trio.sleep(0.1)

        async def watch(over: trio.Event) -> None:
            """Silence is told as long as it lasts."""
            while not over.is_set():
                await trio.sleep(0.25)
                last = max([end for _, end in waits], default=0.0)
                quiet = trio.current_time() - max(last, changed)
                assert state != "connected" or quiet < SILENCE + SPARE, (quiet, seed)

        async def call() -> None:
            async with trio_rtc.open_signaling(URL, name="alice") as signaling:
                await signaling.wait_for_peer("bob")
                options: dict[str, Any] = {"ice_servers": servers, "trace": trace}
                async with trio_rtc.open_call(signaling, "bob", **options) as made:
                    over = trio.Event()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(talk, made, over)
                        nursery.start_soon(watch, over)
                        await chaos.run()
                        await trio.sleep(RESTART + SILENCE)
                        over.set()
                    assert made.end is None
                    assert state == "connected"
                    assert waits[-1][1] > trio.current_time() - 1
                    await made.hang_up("done")
                    assert (await made.wait_ended()).reason == "hung_up"

        hosts[1].start_soon(lambda: answer(ice_servers=servers))
        await hosts[0].run(call)
        await trio.sleep(60)
        assert not [*hosts[0].udp, *hosts[1].udp]

    run(program, seed)

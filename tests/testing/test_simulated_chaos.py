"""The chaos benchmark on a simulated network: each message is accounted for, whatever happens.

Its clients and its account are those of `benchmarks/chaos.py`; the network is what fails them.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
import trio

from trio_rtc import ServerLimits
from trio_rtc.signaling import event_queue
from trio_rtc.testing import Host, Link, Network, simulate, start_signaling_server

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))

CLIENTS, MESSAGES = 6, 150

#: So few places that some messages find none, and their senders are told.
PLACES, MAILBOX = 10, 40


async def fail_now_and_then(network: Network, host: Host) -> None:
    while True:
        await trio.sleep(random.expovariate(1 / 4))
        match random.randrange(3):
            case 0:
                host.unplug()
                await trio.sleep(random.uniform(0.1, 8))
                host.plug()
            case 1:
                host.leave()
                await trio.sleep(random.uniform(0, 4))
                host.move()
            case _:
                host.move()


async def account_for_everything(network: Network) -> None:
    from chaos import PACES, check
    from chaos_clients import Client

    limits = ServerLimits(mailbox_messages=MAILBOX, mailbox_bytes=MAILBOX * 512, resume_seconds=300)
    server = await start_signaling_server(network, limits=limits)
    names = [f"client {number}" for number in range(CLIENTS)]
    clients = [
        Client(server.url, name, "room", pace, MESSAGES, rate=4.0)
        for name, pace in zip(names, PACES, strict=True)
    ]
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as chaos:
            for client in clients:
                host = network.host(client.name, link=Link(delay=0.02, loss=0.01))
                others = [name for name in names if name != client.name]
                nursery.start_soon(host.run, client.run, others)
            for client in clients:
                await client.ready.wait()
                chaos.start_soon(fail_now_and_then, network, network.hosts[client.name])
            for client in clients:
                await client.done.wait()
            chaos.cancel_scope.cancel()
        for client in clients:
            network.hosts[client.name].move()
            network.hosts[client.name].plug()
            client.ending.set()
        # Sessions that nobody has noticed to be cut are noticed, and what waits is sent.
        await trio.sleep(120)
        nursery.cancel_scope.cancel()
    figures = check({client.name: client.account.as_json() for client in clients})
    assert figures.is_well, figures
    assert figures.sent == CLIENTS * MESSAGES
    assert figures.told > 0
    assert network.record.counts["network"] > 20


def test_each_message_is_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_queue, "PLACES", PLACES)
    simulate(account_for_everything, 3, shrink=False, real_seconds=600)

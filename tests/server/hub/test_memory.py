"""One budget for all that a server keeps: nobody can fill it, and the others go on."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics
from trio_rtc.server.hub.memory import SHARE, Memory

from ..harness import MemoryServer, get, memory_server
from ..native_client import NativeClient, join, pair, serves
from ..ws_client import frame, handshake, text

MIB = 1024 * 1024
LIMITS = ServerLimits(memory_bytes=MIB, ping_seconds=10_000, resume_seconds=1000)


def test_many_greedy_ones_leave_something_for_a_modest_one() -> None:
    statistics = Statistics()
    memory = Memory(MIB, statistics)
    greedy = [memory.open() for _ in range(500)]
    taken = True
    while taken:
        taken = sum(account.take(100) for account in greedy) > 0
    assert statistics.memory_bytes == sum(account.size for account in greedy) < MIB
    modest = memory.open()
    assert modest.take(1500)
    assert not modest.take(10_000)
    for account in greedy:
        account.close()
    assert modest.take(10_000)
    modest.close()
    assert statistics.memory_bytes == 0


def test_a_newcomer_may_keep_a_share_of_what_is_left_to_the_byte() -> None:
    statistics = Statistics()
    memory = Memory(SHARE * 100 + 100, statistics)
    assert memory.allows(0, 100)
    assert not memory.allows(1, 100)
    assert not memory.allows(0, 101)
    statistics.memory_bytes = 1
    assert not memory.allows(0, 100)


async def unread(server: MemoryServer, number: int) -> NativeClient:
    client = NativeClient(await server.listener.connect())
    await client.open()
    await client.join(f"unread {number}", room="crowd")
    return client


async def test_mailboxes_of_many(autojump_clock: trio.testing.MockClock) -> None:
    """The senders are told, and a pair that keeps up hears of nothing."""
    async with memory_server(limits=LIMITS) as server, pair(server) as (alice, bob):
        crowd = [await unread(server, number) for number in range(10)]
        for client in crowd:
            await client.stream.aclose()
        sender = NativeClient(await server.listener.connect())
        await sender.open()
        await sender.join("sender", room="crowd")
        failed = 0
        for seq in range(1, 201):
            await sender.say(type="send", seq=seq, to=crowd[seq % 10].id, data="x" * 10_000)
            # Each of these is in a mailbox, or its sender is told; and so are those of the pair.
            while server.statistics.messages < seq - failed + seq - 1:
                if (await sender.hear())["type"] == "failed":
                    failed += 1
            assert server.statistics.memory_bytes < MIB
            await alice.say(type="send", seq=seq, to=bob.id, data="x")
            while (await bob.hear())["type"] != "message":
                pass
            await bob.say(type="ack", received=seq)
        assert server.statistics.over_limit["memory_bytes"] >= failed > 100
        await trio.sleep(1002)
        await sender.stream.aclose()
        await trio.sleep(1002)
        # All that is left is what waits for the pair.
        assert server.statistics.memory_bytes < 10_000
    assert server.statistics.failures == 0


async def test_notices_for_many(autojump_clock: trio.testing.MockClock) -> None:
    """A notice cannot be refused: who has no place for it loses its session."""
    limits = ServerLimits(memory_bytes=MIB, mailbox_messages=10**6)
    async with memory_server(limits=limits) as server, pair(server) as (alice, bob):
        for number in range(200):
            client = NativeClient(await server.listener.connect())
            await client.open()
            await client.say(type="hello", name=f"{number}", room="crowd")
            await trio.testing.wait_all_tasks_blocked()
            await client.stream.aclose()
            assert server.statistics.memory_bytes < MIB
        await trio.sleep(1)
        assert server.statistics.over_limit["memory_bytes"] > 0
        await alice.say(type="send", seq=1, to=bob.id, data="x")
        while (await bob.hear())["type"] != "message":
            pass


async def test_bytes_of_notices_count(autojump_clock: trio.testing.MockClock) -> None:
    limits = ServerLimits(mailbox_bytes=20_000)
    async with memory_server(limits=limits) as server:
        lazy = await join(server, "lazy")
        await lazy.stream.aclose()
        for _ in range(200):
            await (await join(server, '"' * 500)).stream.aclose()
        assert server.statistics.over_limit["mailbox_bytes"] > 0
        other = NativeClient(await server.listener.connect())
        await other.open()
        await other.say(type="resume", session=lazy.session, received=0)
        assert (await other.hear())["code"] == "session_lost"
        await other.aclose()


#: What a client sends and then says no more: as much as may be, and not all of it.
UNFINISHED = {
    "frame": handshake() + text("x" * 200_000)[:-1],
    "fragments": handshake() + text("x" * 100_000, fin=False) + frame(0, b"x" * 90_000, fin=False),
    "frame after a ping": handshake() + frame(0x1, b"x", fin=False) + frame(0, b"x" * 190_000)[:-1],
    "body": b"POST /message?peer_id=1&to=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
    + b"x" * 190_000,
    "chunked body": b"POST /message?peer_id=1&to=2 HTTP/1.1\r\nHost: x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n30000\r\n" + b"x" * 190_000,
    "headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2500,
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
async def test_what_is_not_whole(sent: bytes, autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server(limits=LIMITS) as server, pair(server) as (alice, bob):
        clients = []
        for _ in range(200):
            client = await server.connect()
            clients.append(client)
            try:
                await client.send(sent)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                continue
            await trio.testing.wait_all_tasks_blocked()
            assert server.statistics.memory_bytes < MIB
        assert server.statistics.over_limit["memory_bytes"] > 0
        await alice.say(type="send", seq=1, to=bob.id, data="x")
        while (await bob.hear())["type"] != "message":
            pass
        for client in clients:
            await client.stream.aclose()
        await trio.sleep(30)
        assert server.statistics.memory_bytes < 10_000
        await serves(server)


async def test_who_is_told_that_there_is_no_place(autojump_clock: trio.testing.MockClock) -> None:
    limits = ServerLimits(memory_bytes=1000)
    async with memory_server(limits=limits) as server:
        client = await server.connect()
        await client.send(UNFINISHED["body"])
        answer = await client.answer()
        assert answer is not None
        assert (answer.status, answer.body) == (
            503, b"Too much waits here already: try again later."
        )  # fmt: skip
        await client.stream.aclose()
        speaker = NativeClient(await server.listener.connect())
        await speaker.open()
        await speaker.send_raw(UNFINISHED["frame"][len(handshake()) :])
        assert await speaker.closed() == (1013, "try_again_later")
        await speaker.aclose()


async def test_resuming_costs_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """What waits for a session is there once, however many connections it is sent on."""
    async with memory_server() as server, pair(server) as (alice, bob):
        await bob.stream.aclose()
        for seq in range(1, 200):
            await alice.say(type="send", seq=seq, to=bob.id, data="x" * 20_000)
        await alice.hear_all()
        kept = server.statistics.memory_bytes
        assert kept > 3 * MIB
        for _ in range(50):
            again = NativeClient(await server.listener.connect_unread())
            await again.open()
            assert (await again.resume(bob.session, 0))["type"] == "resumed"
            await trio.testing.wait_all_tasks_blocked()
            assert server.statistics.memory_bytes < kept + 51 * 64 * 1024


async def test_lists_of_a_room(autojump_clock: trio.testing.MockClock) -> None:
    """Who signs in and does not read who is there keeps no more than others."""
    limits = ServerLimits(memory_bytes=MIB, ping_seconds=10_000, send_seconds=10_000)
    async with memory_server(limits=limits) as server:
        name = "x" * 500
        members = [await join(server, name, room="crowd") for _ in range(30)]
        for member in members:
            await member.stream.aclose()
        before = server.statistics.memory_bytes
        unread = []
        while server.statistics.over_limit["memory_bytes"] == 0:
            client = NativeClient(await server.listener.connect_unread())
            await client.open()
            unread.append(client)
            with trio.move_on_after(1):
                await client.say(type="hello", name="unread", room="crowd")
            await trio.testing.wait_all_tasks_blocked()
            assert server.statistics.memory_bytes < MIB
        # A list of that room has 15 kB, and the one that was one too many had none.
        assert 2 < len(unread) < 2 * (MIB - before) / (30 * len(name))
        await serves(server)


async def test_a_list_for_a_classic_peer(autojump_clock: trio.testing.MockClock) -> None:
    limits = ServerLimits(memory_bytes=MIB, mailbox_bytes=64 * MIB)
    async with memory_server(limits=limits) as server:
        # The list that each is given is longer by a line than the one before.
        answer = await server.ask(get("/sign_in?" + "x" * 500))
        while answer.status == 200:
            answer = await server.ask(get("/sign_in?" + "x" * 500))
        assert answer.status == 503
        assert server.statistics.over_limit["memory_bytes"] >= 1
        assert server.statistics.memory_bytes < MIB


def test_who_keeps_little_may_keep_what_nobody_else_needs() -> None:
    """An eighth of what is left, counted with what is asked for: to the byte."""
    statistics = Statistics()
    memory = Memory(1000, statistics)
    account = memory.open()
    account.add(100)
    # 8 * (20 + x) <= 1000 - 100 - x
    assert memory.allows(20, 82)
    assert not memory.allows(20, 83)
    # 8 * (100 + x) <= 900 - x, and if it is one of two parts 8 * (50 + x) <= 900 - x.
    assert account.allows(11)
    assert not account.allows(12)
    assert account.allows(55, parts=2)
    assert not account.allows(56, parts=2)
    assert not account.take(12)
    assert (account.size, statistics.memory_bytes) == (100, 100)
    assert account.take(11)
    assert (account.size, statistics.memory_bytes) == (111, 111)


def test_what_is_left_may_be_used_up_to_the_last_byte() -> None:
    account = Memory(900, Statistics()).open()
    # 8 * 100 = 900 - 100
    assert account.allows(100)
    assert account.take(100)
    assert not account.allows(1)

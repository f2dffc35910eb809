"""What comes and goes with connections is nothing for the garbage collector to find.

It would stop everybody to look for it, and for longer the more there is.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable

import trio

from trio_rtc.server import ServerLimits
from trio_rtc.server.counters import Statistics

from ..waiting import until
from .harness import get, post, tcp_server
from .ws_client import WebSocketClient, handshake, text

Visit = Callable[[trio.SocketStream], Awaitable[None]]


async def read_all(stream: trio.SocketStream) -> None:
    async for _ in stream:
        pass


async def ask(stream: trio.SocketStream) -> None:
    await stream.send_all(get("/nothing"))
    await read_all(stream)


async def sign_in(stream: trio.SocketStream) -> None:
    await stream.send_all(get("/sign_in?somebody"))
    await read_all(stream)


async def ask_too_much(stream: trio.SocketStream) -> None:
    await stream.send_all(post(1, 2, b"x" * 300_000))
    await read_all(stream)


async def say_nothing(stream: trio.SocketStream) -> None:
    await stream.send_all(b"GET /sig")


async def join(stream: trio.SocketStream) -> None:
    hello = text('{"type":"hello","name":"x","room":"r"}')
    await stream.send_all(handshake() + hello + text('{"type":"leave"}'))
    while b"left" not in await stream.receive_some():
        pass


async def join_and_go(stream: trio.SocketStream) -> None:
    speaker = WebSocketClient(stream)
    await speaker.open()
    await speaker.send('{"type":"hello","name":"x","room":"r"}')
    await speaker.receive()


VISITS: list[Visit] = [ask, sign_in, ask_too_much, say_nothing, join, join_and_go]


async def test_visits_leave_no_cycles() -> None:
    limits = ServerLimits(resume_seconds=0.01, absent_seconds=0.01)
    statistics = Statistics()
    async with tcp_server(limits=limits, statistics=statistics) as port:

        async def visit_all() -> None:
            for visit in VISITS:
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await visit(stream)
            # Those who have left without a word are found out.
            await until(lambda: not (sum(statistics.peers.values()) or statistics.connections_open))

        # What is made once and stays is not counted.
        await visit_all()
        gc.collect()
        gc.disable()
        try:
            gc.set_debug(gc.DEBUG_SAVEALL)
            await visit_all()
            gc.collect()
            found = [type(one).__qualname__ for one in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert not found

"""The attacks: each goes on until it is cancelled.

Attributes:
    ATTACKS: by their names; each is given the port of the server and how large it is to be, 1 for
        the whole of it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeAlias

import trio

from .wire import (
    GONE,
    LONG_NAME,
    again,
    connection,
    frame,
    handshake,
    hello,
    many,
    read_all,
    read_for,
    say,
    text,
    welcomed,
)

Attack: TypeAlias = Callable[[int, float], Awaitable[None]]

POST: Final = b"POST /message?peer_id=1&to=2 HTTP/1.1\r\nHost: x\r\n"


async def empty_lines(port: int, size: float) -> None:
    async def one(number: int) -> None:
        async with connection(port) as stream:
            while True:
                await stream.send_all(b"\r\n" * 8192)

    await many(max(1, int(8 * size)), one)


async def trailers(port: int, size: float) -> None:
    async def one(number: int) -> None:
        async with connection(port) as stream:
            await stream.send_all(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
            while True:
                await stream.send_all(b"x" * 65536)

    await many(max(1, int(8 * size)), one)


async def notices(port: int, size: float) -> None:
    """A room of long names, in which nobody reads."""

    async def one(number: int) -> None:
        async with connection(port, small=True) as stream:
            await stream.send_all(hello(LONG_NAME, "crowd"))
            await trio.sleep_forever()

    await many(int(1500 * size), one)


async def mailboxes(port: int, size: float) -> None:
    """Many peers that read nothing, and one that sends all of them as much as it can."""
    async with AsyncExitStack() as stack:
        ids = []
        for number in range(int(120 * size)):
            stream = await stack.enter_async_context(connection(port, small=True))
            await stream.send_all(hello(f"lazy {number}", "mailboxes"))
            ids.append((await welcomed(stream))["id"])

        async def one(_: int) -> None:
            async with connection(port) as stream:
                await stream.send_all(hello("sender", "mailboxes"))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(read_all, stream)
                    for seq in range(1, 10**6):
                        body = "x" * 261_000
                        to = ids[seq % len(ids)]
                        await stream.send_all(say(type="send", seq=seq, to=to, data=body))
                        await trio.sleep(0.01)

        await many(1, one)


async def resumes(port: int, size: float) -> None:
    """One full session, resumed as fast as it goes, on connections that read nothing."""
    async with connection(port, small=True) as lazy, connection(port) as sender:
        await lazy.send_all(hello("lazy", "resumes"))
        session = await welcomed(lazy)
        await sender.send_all(hello("sender", "resumes"))
        await welcomed(sender)
        for seq in range(1, 17):
            body = "x" * 250_000
            await sender.send_all(say(type="send", seq=seq, to=session["id"], data=body))
        await read_for(sender, 0.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_all, sender)

            async def one(number: int) -> None:
                async with connection(port, small=True) as stream:
                    resume = say(type="resume", session=session["session"], received=0)
                    await stream.send_all(handshake() + resume)
                    await trio.sleep(1)

            await many(int(40 * size), one, pause=0)


async def unfinished(port: int, size: float) -> None:
    """Frames, fragments, bodies and heads that do not end."""
    kinds = [
        handshake() + text("x" * 262_000)[:-1],
        handshake() + text("x" * 130_000, fin=False) + frame(0, b"x" * 130_000, fin=False),
        POST + b"Content-Length: 262000\r\n\r\n" + b"x" * 261_000,
        POST + b"X: " + b"x" * 16_000,
    ]

    async def one(number: int) -> None:
        async with connection(port) as stream:
            await stream.send_all(kinds[number % len(kinds)])
            await read_for(stream, 10)

    await many(int(1000 * size), one)


async def slowloris(port: int, size: float) -> None:
    """Requests, handshakes and frames of which a byte comes now and then."""
    begun = [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nX: ",
        handshake()[:-10],
        handshake() + text("x" * 99)[:9],
    ]

    async def one(number: int) -> None:
        async with connection(port) as stream:
            await stream.send_all(begun[number % len(begun)])
            while True:
                await trio.sleep(1)
                await stream.send_all(b"x")

    await many(int(1500 * size), one)


async def metrics(port: int, size: float) -> None:
    """Pipelined on one connection, and asked for on many."""
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

    async def one(number: int) -> None:
        async with connection(port) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(read_all, stream)
            while True:
                await stream.send_all(request * (100 if number == 0 else 1))
                await trio.sleep(0 if number == 0 else 0.05)

    await many(int(200 * size), one)


async def not_found(port: int, size: float) -> None:
    request = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"

    async def one(number: int) -> None:
        async with connection(port) as stream:
            while True:
                await stream.send_all(request)
                if not await stream.receive_some(65536):
                    return

    await many(int(2000 * size), one)


async def unread_pages(port: int, size: float) -> None:
    """The page is asked for by many who do not read it."""

    async def one(number: int) -> None:
        async with connection(port, small=True) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
            await trio.sleep_forever()

    await many(int(1000 * size), one)


async def joins(port: int, size: float) -> None:
    """A large room in which all read, and somebody who comes and goes ten times in a second."""

    async def reader(number: int) -> None:
        async with connection(port) as stream:
            await stream.send_all(hello(f"{number}", "busy"))
            await read_all(stream)

    async def come_and_go() -> None:
        async with connection(port) as stream:
            await stream.send_all(hello(LONG_NAME, "busy"))
            await trio.sleep(0.05)
            await stream.send_all(say(type="leave"))
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(many, int(1500 * size), reader)
        nursery.start_soon(again, come_and_go, 0)


async def full_mailboxes(port: int, size: float) -> None:
    """A room in which most do not read any more: each that is lost is told to all the others."""

    async def lazy(number: int) -> None:
        async with connection(port, small=True) as stream:
            await stream.send_all(hello(LONG_NAME, "full"))
            await trio.sleep_forever()

    async def reader(number: int) -> None:
        async with connection(port) as stream:
            await stream.send_all(hello(f"{number}", "full"))
            await read_all(stream)

    async def come_and_go() -> None:
        async with connection(port) as stream:
            await stream.send_all(hello(LONG_NAME, "full") + say(type="leave"))
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(many, int(600 * size), lazy)
        nursery.start_soon(many, int(400 * size), reader)
        nursery.start_soon(again, come_and_go, 0)


def _peerjs(id_: str) -> bytes:
    return handshake(f"/peerjs?key=peerjs&id={id_}&token=t", subprotocol=None)


def _offer(dst: object, connection_id: str, padding: int = 0) -> bytes:
    payload = {
        "sdp": {"type": "offer", "sdp": "v=0" + "x" * padding},
        "type": "data",
        "connectionId": connection_id,
    }
    return text(json.dumps({"type": "OFFER", "dst": str(dst), "payload": payload}))


async def peerjs_pairs(port: int, size: float) -> None:
    """Each of many PeerJS peers makes the server remember each of many others."""
    async with AsyncExitStack() as stack:
        ids = []
        nursery = await stack.enter_async_context(trio.open_nursery())
        for number in range(int(300 * size)):
            stream = await stack.enter_async_context(connection(port))
            await stream.send_all(hello(f"native {number}", ""))
            ids.append((await welcomed(stream))["id"])
            nursery.start_soon(read_all, stream)

        async def one(number: int) -> None:
            async with connection(port) as stream, trio.open_nursery() as nursery:
                await stream.send_all(_peerjs(f"p{number}x{random.randrange(10**9)}"))
                nursery.start_soon(read_all, stream)
                for id_ in ids * 1000:
                    await stream.send_all(_offer(id_, "c" * random.choice([256, 257, 200_000])))
                    await trio.sleep(0.01)

        await many(int(20 * size), one)


async def peerjs_waiting(port: int, size: float) -> None:
    """What is for ids that nobody has."""

    async def one(number: int) -> None:
        async with connection(port) as stream, trio.open_nursery() as nursery:
            await stream.send_all(_peerjs(f"w{number}x{random.randrange(10**9)}"))
            nursery.start_soon(read_all, stream)
            for other in range(10**6):
                long = 200_000 if other % 20 == 0 else 0
                await stream.send_all(_offer(f"nobody{number}n{other}", "c", long))
                await trio.sleep(0.003)

    await many(int(30 * size), one)


async def pings(port: int, size: float) -> None:
    """Each asks for an answer that it does not read."""

    async def one(number: int) -> None:
        async with connection(port, small=True) as stream:
            await stream.send_all(hello("pings", f"pings {number}"))
            while True:
                await stream.send_all(frame(9, b"x" * 125) * 20)
                await trio.sleep(0.05)

    await many(int(50 * size), one)


async def mutants(port: int, size: float) -> None:
    """Good conversations in which some bytes are others."""
    seeds = [
        hello("mutant", "mutants") + say(type="send", seq=1, to=1, data="x") + say(type="leave"),
        POST + b"Content-Length: 3\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET /sign_in?mutant HTTP/1.0\r\n\r\n",
        _peerjs("mutant") + _offer("nobody", "c"),
    ]

    async def one(number: int) -> None:
        async with connection(port) as stream:
            data = bytearray(random.choice(seeds))
            for _ in range(random.randrange(1, 6)):
                data[random.randrange(len(data))] = random.randrange(256)
            await stream.send_all(data)
            await read_for(stream, 0.1)

    await many(int(20 * size), one, pause=0)


ATTACKS: Final[dict[str, Attack]] = {
    "empty lines": empty_lines,
    "trailers without end": trailers,
    "notices that nobody reads": notices,
    "mailboxes that nobody empties": mailboxes,
    "one session resumed over and over": resumes,
    "messages and requests without end": unfinished,
    "a byte now and then": slowloris,
    "metrics": metrics,
    "requests for nothing": not_found,
    "pages that nobody reads": unread_pages,
    "coming and going in a large room": joins,
    "a room of full mailboxes": full_mailboxes,
    "PeerJS: offers to everybody": peerjs_pairs,
    "PeerJS: offers to nobody": peerjs_waiting,
    "pings": pings,
    "mutants": mutants,
}

__all__ = ["ATTACKS", "GONE"]

"""Replays what was recorded from the original server, byte for byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from trio_rtc.server import serve_signaling

from ..harness import Answer, Client, memory_server, parse_head

WIRE = Path(__file__).parents[2] / "data" / "wire"
NAMES = sorted(path.name.removesuffix(".req.txt") for path in WIRE.glob("*.req.txt"))
#: The original's 500 Sorry, and its /quit, are 404 here.
NOT_FOUND = {"11", "12", "14", "24"}
#: One name that the original took as two lines of a presence list.
FORGED, HARMLESS = b"evil\nx,7,1\n", b"evil_x,7,1\n"

#: What the original does not say, and what it says without a meaning (Fetch, section 3.3.5).
ADDED = [
    ("Allow", "GET, HEAD, POST, OPTIONS"),
    ("X-Content-Type-Options", "nosniff"),
    ("Signaling-Server", "trio-rtc"),
    ("Access-Control-Expose-Headers", "Signaling-Server, Signaling-Session"),
    ("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
]
NOT_TOLD = {"Access-Control-Allow-Credentials"}

Connect = Callable[[], Awaitable[trio.abc.Stream]]


def recorded(name: str) -> tuple[bytes, Answer]:
    request = (WIRE / f"{name}.req.txt").read_bytes()
    head, _, body = (WIRE / f"{name}.resp.txt").read_bytes().partition(b"\r\n\r\n")
    expected = parse_head(head)
    assert int(expected.header("Content-Length") or 0) == len(body)
    if FORGED in body:
        body = body.replace(FORGED, HARMLESS)
    return request, Answer(expected.status, expected.reason, expected.headers, body)


def assert_same(name: str, answer: Answer | None, expected: Answer) -> None:
    assert answer is not None, name
    number = name[:2]
    if number in NOT_FOUND:
        assert (answer.status, answer.reason) == (404, "Not Found"), name
        names = [key for key, value in answer.headers if (key, value) not in ADDED]
        assert names == [key for key in expected.names if key not in NOT_TOLD]
        assert answer.header("Content-Type") == "text/plain"
        assert answer.body.endswith(b".")
        return
    assert (answer.status, answer.reason) == (expected.status, expected.reason), name
    # The one HTTP/1.1 request wants its connection kept, and it is.
    # What somebody says is plain text here, whatever he says it is.
    changed = {
        "Server": "trio-rtc",
        "Connection": "keep-alive" if number == "13" else "close",
        "Content-Type": "text/plain",
    }
    told = [header for header in answer.headers if header not in ADDED]
    if "_sign_in" in name:
        assert answer.header("Signaling-Session")
        told = [(key, value) for key, value in told if key != "Signaling-Session"]
    assert set(ADDED[1:]) < set(answer.headers), name
    recorded = [(key, value) for key, value in expected.headers if key not in NOT_TOLD]
    assert told == [(key, changed.get(key, value)) for key, value in recorded], name
    assert answer.body == expected.body, name


async def replay(connect: Connect, shut_down: Callable[[], None], *, bytewise: bool) -> None:
    async def send(request: bytes) -> Client:
        client = Client(await connect())
        for piece in [request[i : i + 1] for i in range(len(request))] if bytewise else [request]:
            await client.send(piece)
        return client

    async def ask(request: bytes) -> Answer | None:
        client = await send(request)
        answer = await client.answer()
        await client.stream.aclose()
        return answer

    for name in NAMES[:-1]:
        if name.startswith("22"):
            # The recording passes over what A heard of the sign-ins before.
            heard = []
            for _ in range(7):
                answer = await ask(b"GET /wait?peer_id=1 HTTP/1.0\r\n\r\n")
                assert answer is not None
                heard.append(answer.body.rsplit(b",", 2)[1])
            assert heard == [b"%d" % peer_id for peer_id in range(3, 10)]
        request, expected = recorded(name)
        assert_same(name, await ask(request), expected)
    request, expected = recorded(NAMES[-1])
    client = await send(request)
    await trio.testing.wait_all_tasks_blocked(0.05)
    shut_down()
    assert_same(NAMES[-1], await client.answer(), expected)
    await client.stream.aclose()


def test_recording_is_whole() -> None:
    assert len(NAMES) == 25
    assert NAMES[-1].startswith("25")


@pytest.mark.parametrize("bytewise", [False, True])
async def test_replay_over_memory(bytewise: bool) -> None:
    async with memory_server(page=False) as server:
        await replay(server.listener.connect, server.scope.cancel, bytewise=bytewise)


async def test_replay_over_tcp() -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            server = trio.CancelScope()

            async def serve(
                task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
            ) -> None:
                with server:
                    await serve_signaling(0, page=False, task_status=task_status)

            listeners = await nursery.start(serve)

            async def connect() -> trio.abc.Stream:
                return await trio.testing.open_stream_to_socket_listener(listeners[0])

            await replay(connect, server.cancel, bytewise=False)

"""WebSockets over streams of every kind: messages, closes, pings, and clients that do not read."""

from __future__ import annotations

import socket
import ssl
import struct

import pytest
import trio
import trio.testing
from websockets.frames import Close

from trio_rtc.server import ServerLimits
from trio_rtc.server.context import Context
from trio_rtc.server.http.responses import Response
from trio_rtc.server.http.serving.request_parser import RequestParser
from trio_rtc.server.websocket.frames import Receiver, WebSocket
from trio_rtc.server.websocket.upgrade import accept

from ..ws_client import frame, handshake, text
from .websocket_serving import Echo, echo, send_what_is_taken, serving, stream_pair, tcp_pair


@pytest.mark.parametrize("kind", ["memory", "lockstep", "tcp", "tls"])
async def test_messages_go_both_ways(kind: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    client, server = await stream_pair(kind, tls)
    async with serving(client, server) as speaker:
        for message in ("", "x", "ü" * 100, "y" * 70_000, "z" * 262_144):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speaker.send, message)
                assert await speaker.receive() == message
        await speaker.send_raw(frame(8, struct.pack("!H", 1000) + b"bye"))
        assert await speaker.receive() == Close(1000, "bye")


@pytest.mark.parametrize("kind", ["memory", "tcp", "tls"])
async def test_what_is_read_late_comes_whole(
    kind: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """Far more than the kernel takes at once."""
    sent = trio.Event()

    async def pour(websocket: WebSocket) -> Receiver | None:
        for number in range(3000):
            websocket.send(b"%d" % number * 1000)
            if not number % 7:
                websocket.flush()
        websocket.flush()
        sent.set()
        return await echo(websocket)

    client, server = await stream_pair(kind, tls)
    limits = ServerLimits(mailbox_bytes=16 * 1024 * 1024, memory_bytes=2**30)
    async with serving(client, server, pour, Context(limits=limits)) as speaker:
        await speaker.send_raw(frame(9, b"in between"))
        await sent.wait()
        for number in range(3000):
            assert await speaker.receive() == str(number) * 1000
        await speaker.send("after it")
        assert await speaker.receive() == "after it"


@pytest.mark.parametrize("kind", ["memory", "tcp"])
async def test_frames_that_follow_the_handshake_at_once(
    kind: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with serving(*await stream_pair(kind, tls), behind=text("early")) as speaker:
        assert await speaker.receive() == "early"


async def test_fragments_bytewise_with_pings_between_them() -> None:
    async with serving(*trio.testing.memory_stream_pair()) as speaker:
        data = "añ€𝄞".encode()
        pieces = [data[i : i + 1] for i in range(len(data))]
        raw = text(b"", fin=False)
        for piece in pieces:
            raw += frame(0, piece, fin=False) + frame(9, b"?")
        raw += frame(0)
        for byte in raw:
            await speaker.send_raw(bytes([byte]))
        assert await speaker.receive() == data.decode()


async def test_a_batch_is_answered_in_one_piece() -> None:
    client, server = trio.testing.memory_stream_pair()
    pieces: list[bytes] = []
    async with serving(client, server) as speaker:
        send_all = server.send_stream.send_all

        async def look(data: bytes) -> None:
            pieces.append(bytes(data))
            await send_all(data)

        server.send_stream.send_all = look  # type: ignore[method-assign, assignment]
        await speaker.send_raw(text("a") * 50)
        for _ in range(50):
            assert await speaker.receive() == "a"
    assert len(pieces[0]) == 50 * 3


async def test_messages_before_a_fault_arrive() -> None:
    class Collector(Echo):
        def receive(self, messages: list[str]) -> None:
            seen.extend(messages)

    seen: list[str] = []

    async def collect(websocket: WebSocket) -> Receiver | None:
        return Collector(websocket)

    async with serving(*trio.testing.memory_stream_pair(), collect) as speaker:
        await speaker.send_raw(text("1") + text("2") + frame(8))
        assert await speaker.receive() == Close(1005, "")
    assert seen == ["1", "2"]


async def test_a_close_of_ours_waits_for_theirs(autojump_clock: trio.testing.MockClock) -> None:
    async def close_at_once(websocket: WebSocket) -> Receiver | None:
        websocket.send(b"last")
        websocket.close(1012, "why")
        websocket.close(4400, "no more")
        websocket.fail(4400, "no more")
        websocket.send(b"too late")
        websocket.ping()
        assert not websocket.is_open
        assert await websocket.receive() is None
        return None

    started = trio.current_time()
    async with serving(*trio.testing.memory_stream_pair(), close_at_once) as speaker:
        assert await speaker.receive() == "last"
        assert await speaker.receive() == Close(1012, "why")
    assert trio.current_time() == started


@pytest.mark.parametrize("kind", ["memory", "tls"])
async def test_a_client_that_does_not_close_is_cut_off(
    kind: str,
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def close_at_once(websocket: WebSocket) -> Receiver | None:
        websocket.close(1012, "why")
        return Echo(websocket)

    async with serving(*await stream_pair(kind, tls), close_at_once) as speaker:
        speaker.pongs = False
        started = trio.current_time()
        assert await speaker.receive() == Close(1012, "why")
        # It sends on and on, but not its close.
        async with trio.open_nursery() as nursery:

            async def chatter() -> None:
                while True:
                    await send_what_is_taken(speaker, text("x"))
                    await trio.sleep(0.1)

            nursery.start_soon(chatter)
            while not speaker.protocol.reader.eof:
                await speaker._receive()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - started == pytest.approx(2, abs=0.2)


async def test_a_flood_after_our_close_is_cut_short() -> None:
    closing = trio.Event()

    async def close_at_once(websocket: WebSocket) -> Receiver | None:
        websocket.close(1012, "why")
        closing.set()
        return None

    async with serving(*trio.testing.memory_stream_pair(), close_at_once) as speaker:
        await closing.wait()
        for _ in range(20):
            await speaker.send_raw(text("x") * 1000)
        assert await speaker.closed() == (1012, "why")


async def test_the_other_side_of_a_handler_may_be_closed_by_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    websockets: list[WebSocket] = []

    async def wait_for_ever(websocket: WebSocket) -> Receiver | None:
        websockets.append(websocket)
        await trio.sleep_forever()
        return None

    async with serving(*trio.testing.memory_stream_pair(), wait_for_ever) as speaker:
        await trio.testing.wait_all_tasks_blocked()
        websockets[0].close(4409, "replaced")
        # The handler does not look; it has as long as the client.
        assert await speaker.closed() == (4409, "replaced")
    assert trio.current_time() == pytest.approx(2)


async def test_an_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(websocket: WebSocket) -> Receiver | None:
        raise RuntimeError("of its own making")

    context = Context()
    async with serving(*trio.testing.memory_stream_pair(), fail, context) as speaker:
        assert await speaker.closed() == (1011, "internal_error")
    (record,) = caplog.records
    assert "of its own making" in str(record.exc_info and record.exc_info[1])
    assert context.statistics.failures == 1


@pytest.mark.parametrize("reset", [False, True])
async def test_an_end_without_a_close(reset: bool) -> None:
    client, server = await tcp_pair()
    async with serving(client, server) as speaker:
        await speaker.send("x")
        assert await speaker.receive() == "x"
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()


@pytest.mark.parametrize("kind", ["lockstep", "tcp", "tls"])
async def test_a_client_that_reads_nothing(
    kind: str,
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It has its time, and is then cut off; whoever sends to it never waits."""

    ended = trio.Event()

    class Deaf(Echo):
        def disconnected(self) -> None:
            ended.set()

    async def pour(websocket: WebSocket) -> Receiver | None:
        for _ in range(200):
            websocket.send(b"x" * 100_000)
            websocket.flush()
        return Deaf(websocket)

    limits = ServerLimits(mailbox_bytes=32 * 1024 * 1024, memory_bytes=2**30)
    context = Context(limits=limits)
    started = trio.current_time()
    async with serving(*await stream_pair(kind, tls), pour, context):
        await ended.wait()
    assert trio.current_time() - started == pytest.approx(limits.send_seconds, abs=1)
    assert context.statistics.over_limit["send_seconds"] == 1


async def test_too_much_unsent_ends_the_connection_at_once() -> None:
    ended = trio.Event()

    async def pour(websocket: WebSocket) -> Receiver | None:
        try:
            while True:
                websocket.send(b"x" * 100_000)
                websocket.flush()
                await trio.lowlevel.checkpoint()
        finally:
            ended.set()

    context = Context(limits=ServerLimits(mailbox_bytes=1_000_000))
    async with serving(*trio.testing.lockstep_stream_pair(), pour, context):
        await ended.wait()
    assert context.statistics.over_limit["send_seconds"] == 1


@pytest.mark.parametrize("pongs", [False, True])
async def test_pings_want_pongs(pongs: bool, autojump_clock: trio.testing.MockClock) -> None:
    context = Context()
    started = trio.current_time()
    async with serving(*trio.testing.memory_stream_pair(), context=context) as speaker:
        speaker.pongs = pongs
        if pongs:
            with trio.move_on_after(1000):
                await speaker.receive()
            assert 20 < speaker.pings < 30
            await speaker.send("alive")
            assert await speaker.receive() == "alive"
        else:
            assert await speaker.closed() == (4408, "no_pong")
            assert 40 < trio.current_time() - started < 43
    assert context.statistics.over_limit["pong_seconds"] == (not pongs)


def refused(data: bytes) -> Response:
    parser = RequestParser(ServerLimits())
    parser.feed(data)
    request = parser.next_request()
    assert request is not None
    answer = accept(request, ["trio-rtc.v1"])
    assert isinstance(answer, Response)
    return answer


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (handshake(key=""), b"Sec-WebSocket-Key"),
        (handshake(key="Sec-WebSocket-Key: x\r\n"), b"Sec-WebSocket-Key"),
        (handshake(key="Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n"), b"Sec-WebSocket-Key"),
        (handshake(key="Sec-WebSocket-Key: \xff\r\n"), b"Sec-WebSocket-Key"),
        (handshake(extra="Sec-WebSocket-Key: BAAAAAAAAAAAAAAAAAAAAA==\r\n"), b"multiple"),
        (handshake(subprotocol=None), b"subprotocol"),
        (handshake(subprotocol="chat"), b"trio-rtc.v1"),
        (handshake(subprotocol="\xff"), b"Sec-WebSocket-Protocol"),
        (handshake(subprotocol="a b"), b"Sec-WebSocket-Protocol"),
        (handshake(extra="Content-Length: 2\r\n") + b"xx", b"body"),
    ],
)
def test_handshakes_that_are_none(data: bytes, sentence: bytes) -> None:
    answer = refused(data)
    assert answer.status == 400
    assert sentence in answer.body
    assert answer.body.endswith(b".")


def test_another_version_is_told_ours() -> None:
    answer = refused(handshake().replace(b"Version: 13", b"Version: 8"))
    assert (answer.status, answer.extra["Sec-WebSocket-Version"]) == (426, "13")

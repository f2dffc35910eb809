"""The client of the classic protocol, against the bytes of the original server."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_rtc.errors import MessageTooLarge, SignalingError, SignalingLost, UnknownPeer
from trio_rtc.signaling import MessageReceived, Peer, PeerJoined, PeerLeft, open_signaling

from ..rtc.virtual import in_virtual_time
from .scripted_server import CLOSE, Answer, scripted_server

WIRE = Path(__file__).parent.parent / "data" / "wire"


def recorded(name: str) -> bytes:
    return (WIRE / f"{name}.resp.txt").read_bytes()


def original(*polls: bytes, message: bytes | None = None, sign_in: bytes | None = None) -> Answer:
    """The original server: its recorded answers, those to a hanging GET one after the other."""
    queue = list(polls)

    async def answer(target: str, body: bytes) -> bytes:
        path = target.partition("?")[0]
        if path == "/sign_in":
            return sign_in or recorded("01_sign_in_A")
        if path == "/message":
            return message or recorded("04_message_A_to_B_post")
        if path == "/sign_out":
            return recorded("22_sign_out_B")
        if queue:
            return queue.pop(0)
        await trio.sleep_forever()
        raise AssertionError

    return answer


async def test_sign_in_and_out_as_the_original_server_knows_them() -> None:
    async with scripted_server(original()) as server:
        async with open_signaling(server.url, name="alice@host") as signaling:
            assert signaling.peer_id == 1
            assert signaling.name == "alice@host"
            assert signaling.peers == {}
        assert server.lines("GET /sign_in") == ["GET /sign_in?alice%40host HTTP/1.1"]
        assert server.lines("GET /sign_out") == ["GET /sign_out?peer_id=1 HTTP/1.1"]


@pytest.mark.parametrize(
    ("name", "query"),
    [("a b", "a%20b"), ("a+b", "a%2Bb"), ("é&=,", "%C3%A9%26%3D%2C"), ("100%", "100%25")],
)
async def test_any_name_arrives_as_it_is(name: str, query: str) -> None:
    async with scripted_server(original()) as server:
        async with open_signaling(server.url, name=name):
            pass
        assert server.lines("GET /sign_in") == [f"GET /sign_in?{query} HTTP/1.1"]


async def test_those_who_are_there_and_those_who_come_and_go() -> None:
    polls = [recorded("03_wait_A_presence_B_joined"), recorded("23_wait_A_presence_B_left")]
    async with (
        scripted_server(original(*polls)) as server,
        open_signaling(server.url, name="alice@host") as signaling,
    ):
        bob = Peer(2, "bob@host")
        assert await anext(signaling) == PeerJoined(bob)
        assert await anext(signaling) == PeerLeft(bob)
        assert signaling.peers == {}


async def test_who_was_there_before_is_in_the_answer_to_the_sign_in() -> None:
    answer = original(sign_in=recorded("20_sign_in_long"))
    async with (
        scripted_server(answer) as server,
        open_signaling(server.url, name="L") as signaling,
    ):
        assert signaling.peer_id == 8
        # "evil\nx" is two lines, of which one is an entry.
        assert list(signaling.peers) == [1, 2, 3, 4, 5, 6, 7]
        assert signaling.peers[5].name == "a_b_c d \N{LATIN SMALL LETTER E WITH ACUTE}3"
        assert signaling.peers[7].name == "x"
        assert await signaling.wait_for_peer("bob@host") == Peer(2, "bob@host")
        assert await signaling.wait_for_peer("2") == Peer(2, "bob@host")
        assert await anext(signaling) == PeerJoined(Peer(1, "alice@host"))


async def test_a_message_each_way() -> None:
    polls = [recorded("03_wait_A_presence_B_joined"), recorded("05_wait_B_message")]
    # That message was for peer 2; to peer 1 it would come from somebody else.
    polls[1] = polls[1].replace(b"Pragma: 1\r\n", b"Pragma: 2\r\n")
    async with scripted_server(original(*polls)) as server:
        async with open_signaling(server.url, name="alice@host") as signaling:
            bob = await signaling.wait_for_peer("bob@host")
            assert await anext(signaling) == PeerJoined(bob)
            assert await anext(signaling) == MessageReceived(bob, b'{"type":"offer","sdp":"v=0"}')
            await signaling.send(bob, "hello")
            await signaling.send("bob@host", b"\x00\xff")
        first, second = (r for r in server.requests if r.startswith(b"POST /message?"))
        assert first.startswith(b"POST /message?peer_id=1&to=2 HTTP/1.1\r\n")
        assert b"\r\nContent-Length: 5\r\n" in first
        assert b"\r\nContent-Type: text/plain" in first
        assert first.endswith(b"\r\n\r\nhello")
        assert second.endswith(b"\r\n\r\n\x00\xff")


async def test_messages_leave_one_at_a_time_and_in_order() -> None:
    under_way = most = 0
    inner = original(recorded("03_wait_A_presence_B_joined"))

    async def answer(target: str, body: bytes) -> bytes:
        nonlocal under_way, most
        if not target.startswith("/message"):
            return await inner(target, body)
        under_way += 1
        most = max(most, under_way)
        await wait_all_tasks_blocked()
        under_way -= 1
        return await inner(target, body)

    async with scripted_server(answer) as server:
        async with open_signaling(server.url, name="a") as signaling:
            bob = await signaling.wait_for_peer(2)
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(signaling.send, bob, str(number))
                    await wait_all_tasks_blocked()
        bodies = [r.rpartition(b"\r\n\r\n")[2] for r in server.requests if r.startswith(b"POST")]
        assert bodies == [b"%d" % number for number in range(10)]
        assert most == 1


async def test_a_peer_that_is_not_there() -> None:
    answer = original(message=recorded("09_message_bad_target"))
    async with (
        scripted_server(answer) as server,
        open_signaling(server.url, name="a") as signaling,
    ):
        with pytest.raises(UnknownPeer, match="Peer most likely gone") as caught:
            await signaling.send(999, "x")
        assert caught.value.code == "unknown_peer"
        with pytest.raises(UnknownPeer, match="nobody else"):
            await signaling.send("nobody", "x")


async def test_a_message_over_the_limit_of_the_server() -> None:
    too_large = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno."
    async with (
        scripted_server(original(message=too_large)) as server,
        open_signaling(server.url, name="a") as signaling,
    ):
        with pytest.raises(MessageTooLarge) as caught:
            await signaling.send(2, b"x" * 100)
        assert caught.value.code == "message_too_large"


async def test_the_server_shuts_down() -> None:
    async with (
        scripted_server(original(recorded("25_wait_A_server_shutdown"))) as server,
        open_signaling(server.url, name="a") as signaling,
    ):
        with pytest.raises(SignalingLost, match="Server shutting down") as caught:
            await anext(signaling)
        assert caught.value.code == "server_shutdown"
        for attempt in (signaling.wait_for_peer("x"), signaling.send(2, "x")):
            with pytest.raises(SignalingLost):
                await attempt


async def test_the_server_does_not_know_us_any_more() -> None:
    async with (
        scripted_server(original(recorded("11_wait_bad_peer"))) as server,
        open_signaling(server.url, name="a") as signaling,
    ):
        with pytest.raises(SignalingLost) as caught:
            await signaling.wait_for_peer("bob")
        assert caught.value.code == "signed_out"


async def test_a_hanging_get_that_ends_without_an_answer_is_asked_again() -> None:
    polls = [CLOSE, CLOSE, recorded("03_wait_A_presence_B_joined")]
    async with (
        scripted_server(original(*polls)) as server,
        open_signaling(server.url, name="a") as signaling,
    ):
        assert await signaling.wait_for_peer("bob@host") == Peer(2, "bob@host")
        assert len(server.lines("GET /wait")) >= 3


async def test_a_server_that_goes_is_lost_after_a_while(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        serving, url = await nursery.start(serve_until_cancelled)
        async with open_signaling(url, name="a") as signaling:
            serving.cancel()
            with pytest.raises(SignalingLost) as caught:
                await anext(signaling)
            assert (caught.value.code, caught.value.fault) == ("signaling_lost", "network")


async def serve_until_cancelled(
    task_status: trio.TaskStatus[tuple[trio.CancelScope, str]],
) -> None:
    with trio.CancelScope() as scope:
        async with scripted_server(original()) as server:
            task_status.started((scope, server.url))
            await trio.sleep_forever()


HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"


@pytest.mark.parametrize(
    "sign_in",
    [
        HTML,
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nPragma: no-cache\r\nContent-Length: 6\r\n\r\na,1,1\n",
        b"HTTP/1.1 200 OK\r\nPragma: 7\r\nContent-Length: 6\r\n\r\na,1,1\n",
        CLOSE,
    ],
)
async def test_something_else_than_a_signaling_server(sign_in: bytes) -> None:
    async def answer(target: str, body: bytes) -> bytes:
        return sign_in

    async with scripted_server(answer) as server:
        with pytest.raises(SignalingError) as caught:
            async with open_signaling(server.url, name="a"):
                raise AssertionError("it opened")
        assert caught.value.code == "not_signaling_server"
        assert server.url in str(caught.value)


async def test_a_server_that_is_not_there() -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(SignalingError) as caught:
            async with open_signaling(f"http://127.0.0.1:{port}", name="a"):
                raise AssertionError("it opened")
    assert (caught.value.code, caught.value.fault) == ("server_unreachable", "network")


@pytest.mark.parametrize("name", ["", "two\nlines", "a\0b", "\x1b[1m", "x" * 513, "é" * 257])
async def test_names_that_no_server_may_get(name: str) -> None:
    with pytest.raises(SignalingError) as caught:
        async with open_signaling("http://127.0.0.1:1", name=name):
            raise AssertionError("it opened")
    assert (caught.value.code, caught.value.fault) == ("bad_name", "local")


@pytest.mark.parametrize(
    "url", ["", "localhost:8888", "ftp://localhost", "http://", "http://x:99999", "http://[::1"]
)
async def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(SignalingError) as caught:
        async with open_signaling(url, name="a"):
            raise AssertionError("it opened")
    assert caught.value.code == "bad_url"


async def test_cancelling_signs_out() -> None:
    async with scripted_server(original()) as server:
        with trio.CancelScope() as scope:
            async with open_signaling(server.url, name="a"):
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert server.lines("GET /sign_out") == ["GET /sign_out?peer_id=1 HTTP/1.1"]


async def test_who_is_cancelled_while_it_signs_in_signs_out() -> None:
    """What it has asked for may be done by then."""
    ours = original()

    async def answer(target: str, body: bytes) -> bytes:
        if target.startswith("/sign_in"):
            scope.cancel()
        return await ours(target, body)

    async with scripted_server(answer) as server:
        with trio.CancelScope() as scope:
            async with open_signaling(server.url, name="a"):
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert server.lines("GET /sign_out") == ["GET /sign_out?peer_id=1 HTTP/1.1"]


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    async with scripted_server(original()) as server:
        with pytest.raises(KeyError, match="mine"):
            async with open_signaling(server.url, name="a"):
                raise KeyError("mine")
        assert server.lines("GET /sign_out")


@in_virtual_time
async def test_an_answer_that_never_ends_holds_up_no_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However steadily it goes on."""
    monkeypatch.setattr("trio_rtc.signaling.classic.WHOLE_SECONDS", 1)

    async def handle(stream: trio.SocketStream) -> None:
        request = bytes(await stream.receive_some())
        if request.startswith(b"GET /sign_in"):
            await stream.send_all(recorded("01_sign_in_A"))
        elif request.startswith(b"POST"):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
            with suppress(trio.BrokenResourceError):
                while True:
                    await stream.send_all(b"x")
                    await trio.sleep(0.1)
        else:
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        url = f"http://localhost:{listeners[0].socket.getsockname()[1]}"
        with trio.fail_after(20):
            async with open_signaling(url, name="alice@host") as signaling:
                for _ in range(2):
                    with pytest.raises(SignalingError) as raised:
                        await signaling.send(2, b"hello")
                    assert raised.value.code == "send_failed"
        nursery.cancel_scope.cancel()

"""The client of the native protocol, against the real server, over a network that fails."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
import trustme

from tests.server.harness import tcp_server
from trio_rtc.errors import MessageTooLarge, SignalingError, SignalingLost, UnknownPeer
from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import shared_secret
from trio_rtc.server.counters import Statistics
from trio_rtc.signaling import (
    MessageReceived,
    Peer,
    PeerJoined,
    PeerLeft,
    Signaling,
    native_connection,
    open_signaling,
    reconnecting,
)

from ..rtc.virtual import in_virtual_time
from .proxy import Proxy, open_proxy


@dataclass
class Pair:
    """Alice behind a proxy, and Bob who is not."""

    alice: Signaling
    bob: Signaling
    proxy: Proxy
    statistics: Statistics


@asynccontextmanager
async def open_pair(limits: ServerLimits | None = None) -> AsyncIterator[Pair]:
    statistics = Statistics()
    async with (
        tcp_server(limits=limits, statistics=statistics) as port,
        open_proxy(port) as (proxy, far),
        open_signaling(f"ws://127.0.0.1:{far}", name="alice") as alice,
        open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob,
    ):
        await alice.wait_for_peer("bob")
        yield Pair(alice, bob, proxy, statistics)


async def next_message(signaling: Signaling) -> bytes:
    async for event in signaling:
        if isinstance(event, MessageReceived):
            return event.data
    raise AssertionError


async def left(signaling: Signaling, name: str) -> None:
    async for event in signaling:
        if isinstance(event, PeerLeft) and event.peer.name == name:
            return


async def test_a_session_from_its_begin_to_its_end() -> None:
    async with tcp_server() as port:
        url = f"ws://127.0.0.1:{port}/"
        async with open_signaling(url, name="alice") as alice:
            assert (alice.name, alice.room, dict(alice.peers)) == ("alice", "", {})
            async with open_signaling(url, name="bob") as bob:
                peer = Peer(bob.peer_id, "bob")
                assert await anext(alice) == PeerJoined(peer)
                assert bob.peers == {alice.peer_id: Peer(alice.peer_id, "alice")}
                await alice.send("bob", "hello")
                assert await next_message(bob) == b"hello"
                await bob.send("alice", b"\xff\x00")
                assert await anext(alice) == MessageReceived(peer, b"\xff\x00")
            assert await anext(alice) == PeerLeft(peer)


async def test_what_was_sent_right_before_the_end_arrives() -> None:
    async with tcp_server() as port, open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob:
        async with open_signaling(f"ws://127.0.0.1:{port}", name="alice") as alice:
            for number in range(200):
                await alice.send("bob", str(number))
        for number in range(200):
            assert await next_message(bob) == str(number).encode()


async def test_rooms_do_not_see_each_other() -> None:
    async with tcp_server() as port:
        url = f"ws://127.0.0.1:{port}"
        async with (
            open_signaling(url, name="alice", room="one") as alice,
            open_signaling(url, name="bob", room="two") as bob,
            open_signaling(url, name="carol", room="one") as carol,
        ):
            assert (await alice.wait_for_peer("carol")).id == carol.peer_id
            assert (alice.room, bob.room) == ("one", "two")
            assert not bob.peers
            with pytest.raises(UnknownPeer):
                await alice.send(bob.peer_id, "hello?")


async def test_classic_and_native_peers_speak_with_each_other() -> None:
    async with (
        tcp_server() as port,
        open_signaling(f"ws://127.0.0.1:{port}", name="native") as native,
        open_signaling(f"http://127.0.0.1:{port}", name="classic") as classic,
    ):
        await native.send(await native.wait_for_peer("classic"), "to you")
        assert await next_message(classic) == b"to you"
        await classic.send(await classic.wait_for_peer("native"), b"\xc3\x28 and back")
        assert await next_message(native) == b"\xc3\x28 and back"


@in_virtual_time
async def test_messages_arrive_once_and_in_order_over_many_connections() -> None:
    async with open_pair() as pair, trio.open_nursery() as nursery:

        async def speak(sender: Signaling, to: str) -> None:
            for number in range(400):
                await sender.send(to, f"{number} {'x' * (number % 50)}")
                await trio.sleep(0.002)

        nursery.start_soon(speak, pair.alice, "bob")
        nursery.start_soon(speak, pair.bob, "alice")
        for number in range(400):
            if number % 40 == 20:
                pair.proxy.cut()
            expected = f"{number} {'x' * (number % 50)}".encode()
            assert await next_message(pair.alice) == expected
            assert await next_message(pair.bob) == expected
        assert pair.proxy.accepted > 3
        nursery.cancel_scope.cancel()


async def test_what_happens_meanwhile_is_told_afterwards() -> None:
    async with open_pair() as pair:
        pair.proxy.up = False
        pair.proxy.cut()
        await pair.alice.send("bob", "sent without a connection")
        await pair.bob.send("alice", "meanwhile")
        pair.proxy.up = True
        assert await next_message(pair.alice) == b"meanwhile"
        assert await next_message(pair.bob) == b"sent without a connection"
        assert pair.statistics.resumed == 1


@in_virtual_time
async def test_a_server_that_vanishes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_connection, "PING_SECONDS", 0.05)
    monkeypatch.setattr(native_connection, "PONG_SECONDS", 0.5)
    async with open_pair() as pair:
        pair.proxy.stall()
        await pair.proxy.wait_accepted(2)
        pair.proxy.flow()
        await pair.alice.send("bob", "here again")
        assert await next_message(pair.bob) == b"here again"


async def test_a_session_that_was_away_for_too_long_is_lost() -> None:
    async with open_pair(ServerLimits(resume_seconds=0.2)) as pair:
        pair.proxy.up = False
        pair.proxy.cut()
        with pytest.raises(SignalingLost) as raised:
            async for _ in pair.alice:
                pass
        assert raised.value.code == "session_lost"
        with pytest.raises(SignalingLost):
            await pair.alice.send("bob", "hello?")
        with pytest.raises(SignalingLost):
            await pair.alice.wait_for_peer("carol")


@in_virtual_time
async def test_a_server_that_has_forgotten_the_session_ends_it() -> None:
    limits = ServerLimits(resume_seconds=0.2)
    async with open_pair(limits) as pair:
        pair.proxy.stall()
        # The server is the one that notices; then it has the session expire.
        pair.proxy.cut()
        pair.proxy.up = False
        await left(pair.bob, "alice")
        pair.proxy.up = True
        pair.proxy.flow()
        with pytest.raises(SignalingLost) as raised:
            async for _ in pair.alice:
                pass
        assert raised.value.code == "session_lost"


@in_virtual_time
async def test_sending_waits_while_nothing_can_go_out() -> None:
    async with open_pair() as pair:
        pair.proxy.up = False
        pair.proxy.cut()
        sent = 0
        with trio.move_on_after(0.5):
            while True:
                await pair.alice.send("bob", str(sent))
                sent += 1
        assert 0 < sent <= 256
        pair.proxy.up = True
        await pair.alice.send("bob", "the last")
        for number in range(sent):
            assert await next_message(pair.bob) == str(number).encode()
        assert await next_message(pair.bob) == b"the last"


async def test_the_rate_of_the_server_is_kept() -> None:
    limits = ServerLimits(messages_per_second=200, messages_burst=20)
    async with open_pair(limits) as pair:
        for number in range(100):
            await pair.alice.send("bob", str(number))
        for number in range(100):
            assert await next_message(pair.bob) == str(number).encode()
        assert not pair.statistics.over_limit["messages_per_second"]


async def test_a_message_over_the_limit_is_refused_here() -> None:
    async with open_pair(ServerLimits(body_bytes=1000)) as pair:
        with pytest.raises(MessageTooLarge, match="1000"):
            await pair.alice.send("bob", b"x" * 1000)
        await pair.alice.send("bob", "small")
        assert await next_message(pair.bob) == b"small"


async def test_a_token_is_asked_for() -> None:
    async with tcp_server(authorize=shared_secret("open sesame")) as port:
        url = f"ws://127.0.0.1:{port}"
        async with open_signaling(url, name="alice", token="open sesame"):
            pass
        for token in ("wrong", None):
            with pytest.raises(SignalingError) as raised:
                async with open_signaling(url, name="alice", token=token):
                    pass
            assert raised.value.code in ("not_authorized", "forbidden")
            assert "token" in str(raised.value)


async def test_a_full_server_says_so() -> None:
    async with tcp_server(limits=ServerLimits(peers=1)) as port:
        url = f"ws://127.0.0.1:{port}"
        async with open_signaling(url, name="alice"):
            with pytest.raises(SignalingError) as raised:
                async with open_signaling(url, name="bob"):
                    pass
        assert raised.value.code == "no_place"


async def test_tls() -> None:
    authority = trustme.CA()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    async with tcp_server(ssl_context=server_side) as port:
        for scheme in ("wss", "https"):
            url = f"{scheme}://localhost:{port}"
            async with open_signaling(url, name="alice", ssl_context=client_side) as alice:
                assert alice.name == "alice"
            with pytest.raises(SignalingError) as raised:
                async with open_signaling(url, name="alice"):
                    pass
            assert raised.value.code == "server_unreachable"
            assert "certificate" in str(raised.value)


async def test_nothing_listens() -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(SignalingError) as raised:
            async with open_signaling(f"ws://127.0.0.1:{port}", name="alice"):
                pass
    assert raised.value.code == "server_unreachable"
    assert str(port) in str(raised.value)


ANSWERS = [
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 101 \xff\r\n\xff: \xff\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("answer", ANSWERS)
async def test_something_else_listens(answer: bytes) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(SignalingError) as raised:
            async with open_signaling(f"ws://127.0.0.1:{port}", name="alice"):
                pass
        nursery.cancel_scope.cancel()
    assert raised.value.code in ("not_signaling_server", "server_unreachable")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"url": "http://localhost", "room": "r"}, "bad_room"),
        ({"url": "https://localhost", "token": "t"}, "bad_token"),
        ({"url": "ws://localhost", "room": "a\nb"}, "bad_room"),
        ({"url": "ws://localhost", "room": "x" * 513}, "bad_room"),
        ({"url": "ws://"}, "bad_url"),
        ({"url": "ws://localhost:0"}, "bad_url"),
        ({"url": "wsx://localhost"}, "bad_url"),
    ],
)
async def test_arguments_that_cannot_be(arguments: dict[str, str], code: str) -> None:
    with pytest.raises(SignalingError) as raised:
        async with open_signaling(name="alice", **arguments):  # type: ignore[arg-type]
            pass
    assert raised.value.code == code
    assert raised.value.fault == "local"


async def test_cancelling_leaves_the_session_at_once() -> None:
    async with tcp_server() as port, open_signaling(f"ws://127.0.0.1:{port}", name="bob") as bob:
        with trio.CancelScope() as scope:
            async with open_signaling(f"ws://127.0.0.1:{port}", name="alice"):
                await bob.wait_for_peer("alice")
                scope.cancel()
                await trio.sleep_forever()
        await left(bob, "alice")


@in_virtual_time
async def test_cancelling_without_a_connection_takes_no_longer_than_with_one() -> None:
    with trio.fail_after(30), trio.CancelScope() as scope:
        async with open_pair() as pair:
            pair.proxy.up = False
            pair.proxy.cut()
            await pair.alice.send("bob", "never arrives")
            scope.cancel()


async def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "ANSWER_SECONDS", 0.2)
    async with trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            await trio.sleep_forever()

        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(SignalingError, match="no answer") as raised:
            async with open_signaling(f"ws://127.0.0.1:{port}", name="alice"):
                pass
        nursery.cancel_scope.cancel()
    assert raised.value.code == "server_unreachable"


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_a_close_by_something_on_the_way_ends_nothing(code: int) -> None:
    async with open_pair() as pair:
        accepted = pair.proxy.accepted
        await pair.proxy.say(b"\x88\x02" + code.to_bytes(2, "big"))
        await pair.proxy.wait_accepted(accepted + 1)
        await pair.alice.send("bob", "still here")
        assert await next_message(pair.bob) == b"still here"

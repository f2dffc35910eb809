"""What a Python peer makes of its server, and of what others say through it."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
from trio_websocket import ConnectionClosed

from trio_rtc import CallError, NegotiationError, SignalingError, SignalingLost
from trio_rtc.peerjs import (
    DataConnection,
    MediaConnection,
    PeerJSPeer,
    address,
    open_peerjs,
    serve_peerjs,
    server_connection,
)
from trio_rtc.peerjs import offer_answer as exchange
from trio_rtc.server.authorize import Admission, JoinRequest, NotAuthorized
from trio_rtc.signaling import reconnecting

from ..server.harness import tcp_server
from ..signaling.proxy import Proxy, open_proxy
from .scripted import Guest, ScriptedServer, scripted_server


@asynccontextmanager
async def scripted_peer(**options: Any) -> AsyncIterator[tuple[PeerJSPeer, Guest]]:
    """A peer named alice, and what the server has of it."""
    async with scripted_server() as server, trio.open_nursery() as nursery:
        guests: list[Guest] = []

        async def welcome() -> None:
            guests.append(await server.guest())
            await guests[0].say(type="OPEN")

        nursery.start_soon(welcome)
        async with open_peerjs(server.url, "alice", **options) as alice:
            yield alice, guests[0]


async def test_what_a_server_is_asked() -> None:
    attempts: list[list[str]] = []
    done = trio.Event()

    async def talk(server: ScriptedServer) -> None:
        for _ in range(2):
            guest = await server.guest()
            parts = urlsplit(guest.path)
            assert parts.path == "/peerjs"
            query = {name: value for name, (value,) in parse_qs(parts.query).items()}
            attempts.append(query.pop("attempt").split("-"))
            assert query == {"id": "alice", "token": "mine", "key": "a key", "version": "1.5.5"}
            await guest.say(type="OPEN")
            guest.leave()
        done.set()

    async with scripted_server() as server, trio.open_nursery() as nursery:
        nursery.start_soon(talk, server)
        async with open_peerjs(server.url, "alice", token="mine", key="a key"):
            with trio.fail_after(10):
                await done.wait()
    # Of one program's connections it is known which is the later one.
    assert attempts[0][0] == attempts[1][0]
    assert [int(number) for _, number in attempts] == [1, 2]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"type": "ID-TAKEN", "payload": {"msg": "ID is taken"}}, "id_taken"),
        ({"type": "ID-TAKEN"}, "id_taken"),
        ({"type": "INVALID-KEY"}, "invalid_key"),
        ({"type": "ERROR", "payload": {"msg": "no place"}}, "refused"),
        ({"type": "ERROR", "payload": 5}, "refused"),
        ({"kind": "other"}, "not_peerjs_server"),
    ],
)
async def test_a_server_that_refuses(said: dict[str, Any], code: str) -> None:
    async with scripted_server() as server, trio.open_nursery() as nursery:

        async def refuse() -> None:
            await (await server.guest()).say(**said)

        nursery.start_soon(refuse)
        with pytest.raises(SignalingError) as raised:
            async with open_peerjs(server.url, "alice"):
                pass
        assert raised.value.code == code


async def test_our_server_refuses_too() -> None:
    async with tcp_server() as port, open_peerjs(f"http://127.0.0.1:{port}", "alice"):
        for id_, key, code in (
            ("alice", "peerjs", "id_taken"),
            ("bob", "other", "invalid_key"),
            (None, "other", "not_peerjs_server"),
        ):
            with pytest.raises(SignalingError) as raised:
                async with open_peerjs(f"http://127.0.0.1:{port}", id_, key=key):
                    pass
            assert raised.value.code == code


@pytest.mark.parametrize("id_", [None, "alice"])
async def test_no_server_there(id_: str | None) -> None:
    with pytest.raises(SignalingError) as raised:
        async with open_peerjs("http://127.0.0.1:1", id_):
            pass
    assert (raised.value.code, raised.value.fault) == ("server_unreachable", "network")


@pytest.mark.parametrize("id_", [None, "alice"])
async def test_something_else_is_there(id_: str | None) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 mail.example.org ESMTP\r\n\r\n")
        async for _ in stream:
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, talk, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(SignalingError) as raised:
            async with open_peerjs(f"http://127.0.0.1:{port}", id_):
                pass
        assert raised.value.code == "not_peerjs_server"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("id_", [None, "alice"])
async def test_a_server_that_says_nothing(id_: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(address, "ANSWER_SECONDS", 0.2)

    async def say_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, say_nothing, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(SignalingError) as raised:
            async with open_peerjs(f"http://127.0.0.1:{port}", id_):
                pass
        assert raised.value.code == "server_unreachable"
        nursery.cancel_scope.cancel()
    async with scripted_server() as server:
        with pytest.raises(SignalingError) as raised:
            async with open_peerjs(server.url, "alice"):
                pass
        assert raised.value.code == "not_peerjs_server"


async def test_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "HEARTBEAT_SECONDS", 0.02)
    async with scripted_peer() as (_, guest):
        for _ in range(3):
            assert await guest.hear() == {"type": "HEARTBEAT"}


@asynccontextmanager
async def behind_a_proxy() -> AsyncIterator[tuple[PeerJSPeer, PeerJSPeer, Proxy]]:
    """Alice has a way to the server that can be cut, Bob echoes."""

    async def echo(connection: DataConnection | MediaConnection) -> None:
        assert isinstance(connection, DataConnection)
        async for value in connection:
            await connection.send(value)

    async with (
        tcp_server() as port,
        open_proxy(port) as (proxy, way),
        open_peerjs(f"http://127.0.0.1:{port}", "bob") as bob,
        open_peerjs(f"http://127.0.0.1:{way}", "alice") as alice,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(serve_peerjs, echo, bob)
        yield alice, bob, proxy
        nursery.cancel_scope.cancel()


async def test_the_way_to_the_server_is_lost_and_found() -> None:
    async with behind_a_proxy() as (alice, _, proxy), alice.connect("bob") as before:
        for cut in range(3):
            proxy.cut()
            # It is asked for at once, and goes out when there is a way again.
            async with alice.connect("bob") as after:
                await after.send(cut)
                assert await after.receive() == cut
            await before.send("still here")
            assert await before.receive() == "still here"


async def test_a_server_that_vanishes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(server_connection, "PONG_SECONDS", 0.5)
    async with behind_a_proxy() as (alice, _, proxy):
        proxy.stall()
        await proxy.wait_accepted(2)
        proxy.flow()
        async with alice.connect("bob") as connection:
            await connection.send("here again")
            assert await connection.receive() == "here again"


async def test_what_is_said_on_a_dead_path_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(server_connection, "PONG_SECONDS", 0.3)
    async with behind_a_proxy() as (alice, _, proxy):
        proxy.swallow()
        async with alice.connect("bob") as connection:
            await connection.send("here after all")
            assert await connection.receive() == "here after all"
        assert proxy.accepted > 1


async def test_what_a_pong_has_proven_is_not_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "HEARTBEAT_SECONDS", 0.02)
    async with scripted_server() as server, trio.open_nursery() as nursery:
        offers: list[str] = []
        done = trio.Event()

        async def talk() -> None:
            guest = await server.guest()
            await guest.say(type="OPEN")
            offers.append((await guest.hear("HEARTBEAT", "CANDIDATE"))["dst"])
            # Each comes after the pong of the one before.
            for _ in range(3):
                while (await guest.hear())["type"] != "HEARTBEAT":
                    pass
            guest.leave()
            guest = await server.guest()
            await guest.say(type="OPEN")
            nursery.start_soon(connect, "carol")
            offers.append((await guest.hear("HEARTBEAT", "CANDIDATE"))["dst"])
            done.set()

        async def connect(to: str) -> None:
            async with alice.connect(to):
                pass

        nursery.start_soon(talk)
        async with open_peerjs(server.url, "alice") as alice:
            nursery.start_soon(connect, "bob")
            await done.wait()
            nursery.cancel_scope.cancel()
    assert offers == ["bob", "carol"]


@pytest.mark.parametrize("is_answered", [False, True])
async def test_an_offer_that_has_been_heard_of_is_not_said_again(is_answered: bool) -> None:
    async with scripted_server() as server, trio.open_nursery() as nursery:
        offers: list[str] = []
        done = trio.Event()

        async def talk() -> None:
            guest = await server.guest()
            await guest.say(type="OPEN")
            offer = await guest.hear("HEARTBEAT", "CANDIDATE")
            offers.append(offer["dst"])
            guest.leave()
            guest = await server.guest()
            await guest.say(type="OPEN")
            if is_answered:
                connection = offer["payload"]["connectionId"]
                candidate = {"candidate": {"candidate": ""}, "type": "data"}
                await guest.say(
                    type="CANDIDATE",
                    src="bob",
                    dst="alice",
                    payload={**candidate, "connectionId": connection},
                )
            nursery.start_soon(connect, "carol")
            offers.append((await guest.hear("HEARTBEAT", "CANDIDATE"))["dst"])
            done.set()

        async def connect(to: str) -> None:
            async with alice.connect(to):
                pass

        nursery.start_soon(talk)
        async with open_peerjs(server.url, "alice") as alice:
            nursery.start_soon(connect, "bob")
            await done.wait()
            nursery.cancel_scope.cancel()
    assert offers == (["bob", "carol"] if is_answered else ["bob", "bob"])


async def test_a_server_that_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "RETRY_SECONDS", 0.3)

    async def never(connection: DataConnection | MediaConnection) -> None:
        raise AssertionError

    async with behind_a_proxy() as (alice, _, proxy), alice.connect("bob") as before:
        proxy.up = False
        proxy.cut()
        with pytest.raises(SignalingLost) as raised:
            await serve_peerjs(never, alice)
        assert raised.value.fault == "network"
        with pytest.raises(SignalingLost):
            async with alice.connect("bob"):
                pass
        await before.send("still here")
        assert await before.receive() == "still here"


async def test_an_id_that_somebody_took_meanwhile() -> None:
    async with scripted_server() as server, trio.open_nursery() as nursery:

        async def talk() -> None:
            guest = await server.guest()
            await guest.say(type="OPEN")
            guest.leave()
            await (await server.guest()).say(type="ID-TAKEN")

        nursery.start_soon(talk)
        async with open_peerjs(server.url, "alice") as alice:
            with pytest.raises(SignalingLost) as raised:
                async with alice.connect("bob"):
                    pass
            assert (raised.value.code, raised.value.fault) == ("id_taken", "remote")


@asynccontextmanager
async def reconnected(
    talk: Callable[[Guest], Awaitable[None]],
) -> AsyncIterator[PeerJSPeer]:
    """Alice, who has lost her first connection; ``talk`` is how the server takes each other one."""
    async with scripted_server() as server, trio.open_nursery() as nursery:

        async def serve() -> None:
            first = await server.guest()
            await first.say(type="OPEN")
            first.leave()
            while True:
                guest = await server.guest()
                # A guest may be refused while it says something.
                with suppress(ConnectionClosed):
                    await talk(guest)

        nursery.start_soon(serve)
        async with open_peerjs(server.url, "alice") as alice:
            yield alice
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("said", "close", "code"),
    [
        ("The token has expired", 4401, "refused"),
        ("The token has expired", None, "refused"),
        ("It is for another id", 4403, "refused"),
        ("No key", 4400, "refused"),
        ("Server has reached its concurrent user limit", 4503, "refused"),
        ("It refuses", 1000, "refused"),
        ("", 4401, "refused"),
        ("", 4409, "superseded"),
        ("", 1008, "refused"),
        ("", 1000, "refused"),
    ],
)
async def test_a_refusal_on_reconnecting_ends_it_at_once(
    said: str, close: int | None, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connection, "REFUSAL_SECONDS", 0.1)
    heard: list[dict[str, Any]] = []

    async def refuse(guest: Guest) -> None:
        if said:
            await guest.say(type="ERROR", payload={"msg": said})
        if close is None:
            heard.append(await guest.hear())
        else:
            await guest.close(close)

    with trio.fail_after(20):
        async with reconnected(refuse) as alice:
            with pytest.raises(SignalingLost, match=said or str(close)) as raised:
                async with alice.connect("bob"):
                    pass
            assert (raised.value.code, raised.value.fault) == (code, "remote")
    assert heard == []


@pytest.mark.parametrize("close", [1001, 1012, 4408])
async def test_a_server_that_ends_while_one_comes_back_is_no_refusal(close: int) -> None:
    attempts = 0
    served = trio.Event()

    async def end_twice(guest: Guest) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            await guest.say(type="ERROR", payload={"msg": "The server ends."})
            await guest.close(close)
            return
        await guest.say(type="OPEN")
        assert (await guest.hear("CANDIDATE", "HEARTBEAT"))["type"] == "OFFER"
        served.set()

    async with reconnected(end_twice) as alice, trio.open_nursery() as nursery:

        async def connect() -> None:
            async with alice.connect("bob"):
                pass

        nursery.start_soon(connect)
        await served.wait()
        nursery.cancel_scope.cancel()


async def test_a_server_that_says_no_open_again_is_believed_after_a_pong() -> None:
    served = trio.Event()

    async def say_nothing(guest: Guest) -> None:
        assert (await guest.hear("CANDIDATE", "HEARTBEAT"))["type"] == "OFFER"
        served.set()
        await trio.sleep_forever()

    async with reconnected(say_nothing) as alice, trio.open_nursery() as nursery:

        async def connect() -> None:
            async with alice.connect("bob"):
                pass

        nursery.start_soon(connect)
        await served.wait()
        nursery.cancel_scope.cancel()


async def test_attempts_that_fail_do_not_move_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_connection, "RETRY_SECONDS", 0.5)

    async def go_away(guest: Guest) -> None:
        await guest.close(1012)

    with trio.fail_after(20):
        async with reconnected(go_away) as alice:
            with pytest.raises(SignalingLost, match="1012") as raised:
                async with alice.connect("bob"):
                    pass
            assert (raised.value.code, raised.value.fault) == ("signaling_lost", "network")


async def test_a_token_that_has_expired_meanwhile() -> None:
    """With our own server, whose refusal comes only when it has looked at the token."""
    expired = False

    async def decide(request: JoinRequest) -> Admission:
        await trio.sleep(0.2)
        if expired:
            raise NotAuthorized("The token has expired.")
        return Admission(name=request.name, room=request.room)

    async with (
        tcp_server(authorize=decide) as port,
        open_proxy(port) as (proxy, way),
        open_peerjs(f"http://127.0.0.1:{way}", "alice") as alice,
    ):
        expired = True
        proxy.cut()
        with trio.fail_after(20), pytest.raises(SignalingLost, match="has expired") as raised:
            async with alice.connect("bob"):
                pass
        assert (raised.value.code, raised.value.fault) == ("refused", "remote")


async def test_a_function_gives_a_fresh_token_for_each_connection() -> None:
    """Our own server ends the stay of a peer with its token, and takes it in with another."""
    tokens = iter(["first", "second", "third"])
    shown: list[str | None] = []

    async def decide(request: JoinRequest) -> Admission:
        shown.append(request.token)
        until = time.time() + 0.2 if request.token == "first" else math.inf
        return Admission(name=request.name, room=request.room, until=until)

    async def token() -> str:
        await trio.lowlevel.checkpoint()
        return next(tokens)

    async with (
        tcp_server(authorize=decide) as port,
        open_proxy(port) as (proxy, way),
        open_peerjs(f"http://127.0.0.1:{way}", "alice", token=token) as alice,
    ):
        with trio.fail_after(30):
            await alice.wait_for_state("reconnecting")
            await alice.wait_for_state("connected")
            proxy.cut()
            await alice.wait_for_state("reconnecting")
            await alice.wait_for_state("connected")
        assert shown == ["first", "second", "third"]


async def test_a_function_that_fails_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    given: list[str] = []

    def token() -> str:
        given.append("token")
        if len(given) == 2:
            raise RuntimeError("out of tokens")
        return "token"

    async with (
        tcp_server() as port,
        open_proxy(port) as (proxy, way),
        open_peerjs(f"http://127.0.0.1:{way}", "alice", token=token) as alice,
    ):
        proxy.cut()
        with trio.fail_after(30):
            await alice.wait_for_state("reconnecting")
            await alice.wait_for_state("connected")
        assert len(given) == 3
        assert "there is no fresh token" in caplog.text


async def test_a_function_whose_token_is_refused_is_asked_no_more() -> None:
    good = True

    async def decide(request: JoinRequest) -> Admission:
        if not good:
            raise NotAuthorized("That is no token.")
        return Admission(name=request.name, room=request.room)

    async with (
        tcp_server(authorize=decide) as port,
        open_proxy(port) as (proxy, way),
        open_peerjs(f"http://127.0.0.1:{way}", "alice", token=lambda: "token") as alice,
    ):
        good = False
        proxy.cut()
        with trio.fail_after(30):
            await alice.wait_for_state("lost")
            with pytest.raises(SignalingLost, match="no token"):
                async with alice.connect("bob"):
                    pass


GOOD = {"type": "answer", "sdp": "v=0"}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"sdp": GOOD},
        {"sdp": {"type": "answer"}, "type": "data"},
        {"sdp": GOOD, "type": "data"},
        {"sdp": {"type": "answer", "sdp": "nonsense"}, "type": "data"},
    ],
)
async def test_an_answer_that_cannot_be_used(answer: dict[str, Any]) -> None:
    async with scripted_peer() as (alice, guest), trio.open_nursery() as nursery:

        async def talk() -> None:
            offer = await guest.hear("CANDIDATE")
            assert (offer["type"], offer["dst"]) == ("OFFER", "bob")
            connection = offer["payload"]["connectionId"]
            payload = {**answer, "connectionId": connection}
            await guest.say(type="ANSWER", src="bob", payload=payload)

        nursery.start_soon(talk)
        with pytest.raises(NegotiationError) as raised:
            async with alice.connect("bob"):
                pass
        assert raised.value.fault == "remote"


async def test_nobody_answers() -> None:
    async with scripted_peer(connect_timeout=0.3) as (alice, _):
        with pytest.raises(CallError) as raised:
            async with alice.connect("bob"):
                pass
        assert raised.value.code == "connect_timeout"


async def test_the_other_one_leaves_instead() -> None:
    async with scripted_peer() as (alice, guest), trio.open_nursery() as nursery:

        async def talk() -> None:
            await guest.hear("CANDIDATE")
            await guest.say(type="LEAVE", src="carol")
            await guest.say(type="LEAVE", src="bob")

        nursery.start_soon(talk)
        with pytest.raises(CallError) as raised:
            async with alice.connect("bob"):
                pass
        assert raised.value.code == "peer_left"


async def test_what_makes_no_sense_is_passed_over() -> None:
    async with scripted_peer() as (alice, guest), trio.open_nursery() as nursery:

        async def never(connection: DataConnection | MediaConnection) -> None:
            raise AssertionError

        nursery.start_soon(serve_peerjs, never, alice)
        for text in ("hello", "[]", '{"type":7}'):
            await guest.say_text(text)
        for fields in (
            {"type": "SOMETHING-NEW"},
            {"type": "ERROR", "payload": {"msg": "a complaint"}},
            {"type": "ANSWER", "src": "bob", "payload": {"connectionId": "none"}},
            {"type": "ANSWER", "src": "bob", "payload": 5},
            {"type": "CANDIDATE", "src": "bob"},
            {"type": "OFFER"},
        ):
            await guest.say(**fields)
        offer = {
            "sdp": {"type": "offer", "sdp": "v=0"},
            "type": "data",
            "connectionId": "dc_1",
        }
        for bad in (
            {},
            {**offer, "connectionId": None},
            {**offer, "type": "other"},
            {**offer, "sdp": GOOD},
            {**offer, "serialization": "own"},
        ):
            await guest.say(type="OFFER", src="bob", payload=bad)
            assert await guest.hear() == {"type": "EXPIRE", "dst": "bob"}
        nursery.cancel_scope.cancel()


UNUSABLE_OFFER = {
    "sdp": {"type": "offer", "sdp": "nonsense"},
    "type": "data",
    "connectionId": "dc_1",
    "serialization": "binary",
}


async def test_an_offer_that_comes_again_when_its_connection_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted_peer() as (alice, guest), trio.open_nursery() as nursery:

        async def never(connection: DataConnection | MediaConnection) -> None:
            raise AssertionError

        await nursery.start(serve_peerjs, never, alice)
        for connection in ("dc_1", "dc_1", "dc_2"):
            offer = {**UNUSABLE_OFFER, "connectionId": connection}
            await guest.say(type="OFFER", src="bob", payload=offer)
            while not failed(caplog, connection):  # noqa: ASYNC110 (a log wakes nobody)
                await trio.sleep(0.01)
        assert failed(caplog, "dc_1") == failed(caplog, "dc_2") == 1
        nursery.cancel_scope.cancel()


def failed(caplog: pytest.LogCaptureFixture, connection: str) -> int:
    texts = [record.getMessage() for record in caplog.records]
    return sum(f"{connection} with bob failed" in text for text in texts)


async def test_more_is_said_about_a_connection_than_can_be_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exchange, "MAX_UNHEARD", 2)
    async with scripted_peer() as (alice, guest), trio.open_nursery() as nursery:

        async def never(connection: DataConnection | MediaConnection) -> None:
            raise AssertionError

        await guest.say(type="OFFER", src="bob", payload=UNUSABLE_OFFER)
        candidate = {"candidate": {"candidate": ""}, "type": "data", "connectionId": "dc_1"}
        for _ in range(4):
            await guest.say(type="CANDIDATE", src="bob", payload=candidate)
        # When this is declined, all before it has been heard.
        await guest.say(type="OFFER", src="carol", payload={})
        assert (await guest.hear("HEARTBEAT"))["type"] == "EXPIRE"
        await nursery.start(serve_peerjs, never, alice)
        while not failed(caplog, "dc_1"):  # noqa: ASYNC110 (a log wakes nobody)
            await trio.sleep(0.01)
        assert "too much is said" in caplog.text
        nursery.cancel_scope.cancel()

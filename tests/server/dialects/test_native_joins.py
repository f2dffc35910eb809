"""Who may open a session, and with what it begins."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Sequence

import jwt
import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import (
    Admission,
    Authorize,
    JoinRequest,
    NotAuthorized,
    jwt_tokens,
    shared_secret,
)
from trio_rtc.server.http import accepting as connections
from trio_rtc.server.turn import TurnCredentials

from ..harness import MemoryServer, get, memory_server
from ..native_client import NativeClient, connect, join, serves

KEY = "k" * 32
PAGE = "https://app.example.org"


def token(**claims: object) -> str:
    return jwt.encode({"exp": time.time() + 3600, **claims}, KEY, "HS256")


async def refused(server: MemoryServer, **hello: object) -> tuple[str, int, str]:
    client = await connect(server)
    await client.say(type="hello", **hello)
    refusal = await client.refusal()
    await client.aclose()
    return refusal


REFUSED: Sequence[tuple[Authorize, dict[str, object], tuple[str, int, str]]] = [
    (shared_secret("s"), {}, ("not_authorized", 4401, "not_authorized")),
    (shared_secret("s"), {"token": "t"}, ("not_authorized", 4401, "not_authorized")),
    (shared_secret("s"), {"token": None}, ("not_authorized", 4401, "not_authorized")),
    (shared_secret("s"), {"token": "ß"}, ("not_authorized", 4401, "not_authorized")),
    (jwt_tokens(KEY, ["HS256"]), {}, ("not_authorized", 4401, "not_authorized")),
    (jwt_tokens(KEY, ["HS256"]), {"token": "a.b.c"}, ("not_authorized", 4401, "not_authorized")),
    (jwt_tokens(KEY, ["HS256"]), {"token": token(exp=1)}, ("not_authorized", 4401,
                                                           "not_authorized")),
    (jwt_tokens(KEY, ["HS256"]), {"token": token(name="bob")}, ("forbidden", 4403, "forbidden")),
    (jwt_tokens(KEY, ["HS256"]), {"token": token(room="attic")}, ("forbidden", 4403,
                                                                  "forbidden")),
]  # fmt: skip


@pytest.mark.parametrize(("authorize", "fields", "refusal"), REFUSED)
async def test_without_the_right_token(
    authorize: Authorize, fields: dict[str, object], refusal: tuple[str, int, str]
) -> None:
    async with memory_server(authorize=authorize) as server:
        assert await refused(server, name="alice", room="den", **fields) == refusal
        assert server.statistics.refused == 1
        assert server.statistics.joined["native"] == server.statistics.rooms == 0
        await server.is_well()


async def test_a_shared_secret_lets_in() -> None:
    async with memory_server(authorize=shared_secret("s")) as server:
        await (await join(server, "alice", token="s")).aclose()


async def test_a_token_fixes_name_and_room() -> None:
    async with memory_server(authorize=jwt_tokens(KEY, ["HS256"])) as server:
        client = await join(server, "", token=token(name="alice", room="den"))
        assert (client.welcome["name"], client.welcome["room"]) == ("alice", "den")
        await client.aclose()


@pytest.mark.parametrize("forbidden", [False, True])
async def test_a_hook_refuses_with_its_own_words(forbidden: bool) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        raise NotAuthorized("You are not on the list.", forbidden=forbidden)

    async with memory_server(authorize=authorize) as server:
        client = await connect(server)
        await client.say(type="hello", name="alice")
        assert (await client.hear())["message"] == "You are not on the list."
        assert (await client.closed())[0] == (4403 if forbidden else 4401)
        await client.aclose()


async def test_a_hook_that_fails_ends_that_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        if request.name == "alice":
            raise RuntimeError("of its own making")
        room = "\ud800" if request.name == "bob" else request.room
        return Admission(name=request.name, room=room)

    async with memory_server(authorize=authorize) as server:
        for number, name in enumerate(["alice", "bob"], start=1):
            client = await connect(server)
            await client.say(type="hello", name=name)
            assert await client.closed() == (1011, "internal_error")
            assert server.statistics.failures == number
            assert server.statistics.joined["native"] == 0
            await client.aclose()
        await serves(server)
    assert [vars(record)["connection"] for record in caplog.records] == [1, 2]


async def test_a_hook_that_takes_too_long(autojump_clock: trio.testing.MockClock) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        await trio.sleep(60 if request.name == "slow" else 1)
        return Admission(name=request.name, room=request.room)

    async with memory_server(authorize=authorize) as server:
        assert await refused(server, name="slow") == ("timeout", 4408, "timeout")
        assert trio.current_time() == pytest.approx(10, abs=0.1)
        assert server.statistics.over_limit["handshake_seconds"] == 1
        assert server.statistics.joined["native"] == 0
        await serves(server)


async def test_a_client_that_goes_while_it_is_being_admitted() -> None:
    admitted = trio.Event()

    async def authorize(request: JoinRequest) -> Admission:
        await admitted.wait()
        return Admission(name=request.name, room=request.room)

    async with memory_server(authorize=authorize) as server:
        client = await connect(server)
        await client.say(type="hello", name="alice")
        await client.aclose()
        admitted.set()
        await trio.testing.wait_all_tasks_blocked()
        assert server.statistics.websockets_open == 0
        await server.is_well()


@pytest.mark.parametrize("limit", ["peers", "peers_per_address", "rooms"])
async def test_a_server_without_a_place(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "peer_address", lambda stream: "192.0.2.1")
    async with memory_server(limits=ServerLimits(**{limit: 2})) as server:
        inside = [await join(server, "x", room=room) for room in ("a", "b")]
        assert await refused(server, name="y", room="c") == (limit, 4503, "no_place")
        assert server.statistics.over_limit[limit] == 1
        assert server.statistics.peers["native"] == 2
        # Classic peers share the places; those who are inside notice nothing.
        status = (await server.ask(get("/sign_in?z"))).status
        assert status == 503
        assert [await client.hear_all() for client in inside] == [[], []]
        await inside[0].say(type="leave")
        assert await inside[0].closed() == (1000, "left")
        inside.append(await join(server, "y", room="c"))
        for client in inside:
            await client.aclose()


async def test_another_address_has_places_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async with memory_server(limits=ServerLimits(peers_per_address=1)) as server:
        inside: list[NativeClient] = []
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"):
            monkeypatch.setattr(
                connections, "peer_address", lambda stream, address=address: address
            )
            inside.append(await join(server, "x"))
            # The same host, of which IPv6 has many addresses.
            if ":" in address:
                other = address + "2"
                monkeypatch.setattr(connections, "peer_address", lambda stream, other=other: other)
            assert (await refused(server, name="y"))[0] == "peers_per_address"
        for client in inside:
            await client.aclose()


async def test_pages_that_may_connect() -> None:
    async with memory_server(origins=[PAGE]) as server:
        for headers, status in [
            ({"Origin": PAGE}, 101), ({}, 101), ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403), ({"Origin": f"{PAGE}.evil.example"}, 403),
        ]:  # fmt: skip
            client = NativeClient(await server.listener.connect())
            response = await client.open(headers)
            assert response.status_code == status
            if status == 403:
                assert "Access-Control-Allow-Origin" not in response.headers
            await client.aclose()
        assert server.statistics.refused == 3


async def test_turn_credentials_come_with_the_welcome_and_again_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    urls = ["stun:stun.example.org", "turn:turn.example.org:3478"]
    turn = TurnCredentials("secret", urls, lifetime=600)
    limits = ServerLimits(ping_seconds=10_000)
    async with memory_server(turn=turn, limits=limits) as server:
        client = await join(server, "alice")
        check(client.welcome["ice_servers"], client.id)
        for number in (1, 2, 3):
            # Half of them would still be good.
            before = trio.current_time()
            news = await client.hear()
            assert 299 <= trio.current_time() - before <= 302
            assert (news["type"], news["seq"]) == ("ice_servers", number)
            check(news["ice_servers"], client.id)
        # Away, it is told when it comes back.
        await trio.sleep(290)
        await client.aclose()
        await trio.sleep(20)
        away = trio.current_time()
        again = await connect(server)
        assert (await again.resume(client.session, 3))["type"] == "resumed"
        assert (await again.hear())["seq"] == 4
        assert trio.current_time() == away
        await again.say(type="leave")
        await again.closed()
        await again.aclose()


def check(servers: list[dict[str, object]], id_: int) -> None:
    stun, turn = servers
    assert stun == {"urls": ["stun:stun.example.org"]}
    username = str(turn["username"])
    expiry, _, user = username.partition(":")
    assert user == str(id_)
    assert 590 < int(expiry) - time.time() < 610
    digest = hmac.digest(b"secret", username.encode(), "sha1")
    assert turn["credential"] == base64.b64encode(digest).decode()
    assert turn["urls"] == ["turn:turn.example.org:3478"]


async def test_without_turn_there_are_no_servers() -> None:
    async with memory_server() as server:
        client = await join(server, "alice")
        assert "ice_servers" not in client.welcome
        await client.aclose()

"""Whose address may speak for a classic peer, and who may join at all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_rtc.server.authorize import Admission, JoinRequest, NotAuthorized, shared_secret
from trio_rtc.server.http import accepting as connections

from ..harness import Answer, MemoryServer, get, memory_server, post

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class Places:
    """Lets the next connections come from some address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.address = HOME
        monkeypatch.setattr(connections, "peer_address", self._look)

    def _look(self, stream: trio.abc.Stream) -> str:
        return self.address

    async def ask(self, server: MemoryServer, address: str, request: bytes) -> Answer:
        self.address = address
        return await server.ask(request)


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(monkeypatch)


REQUESTS: list[Callable[[int, int], bytes]] = [
    lambda alice, bob: post(alice, bob, b"as alice"),
    lambda alice, bob: post(alice, alice, b"to herself"),
    lambda alice, bob: get(f"/wait?peer_id={alice}"),
    lambda alice, bob: get(f"/sign_out?peer_id={alice}"),
]


@pytest.mark.parametrize("request_of", REQUESTS)
async def test_nobody_speaks_for_a_peer_from_elsewhere(
    request_of: Callable[[int, int], bytes], places: Places
) -> None:
    async with memory_server() as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        answer = await places.ask(server, ELSEWHERE, request_of(alice, bob))
        assert (answer.status, answer.reason) == (403, "Forbidden")
        assert answer.body.endswith(b"another address.")
        assert server.statistics.refused == 1
        # Nothing has happened to either.
        assert (await places.ask(server, HOME, get(f"/wait?peer_id={alice}"))).pragma == alice
        assert (await places.ask(server, HOME, post(alice, bob, b"really"))).status == 200
        assert (await server.poll(bob)).body == b"really"


async def signed_in(server: MemoryServer, name: str) -> tuple[int, str]:
    """Somebody's id, and what shows that a request is his."""
    answer = await server.ask(get(f"/sign_in?{name}"))
    session = answer.header("Signaling-Session")
    assert answer.pragma is not None
    assert session
    return answer.pragma, session


def with_session(request: bytes, session: str) -> bytes:
    """A request that shows a session."""
    path, _, rest = request.partition(b" HTTP/")
    return path + b"&session=" + session.encode() + b" HTTP/" + rest


@pytest.mark.parametrize("request_of", REQUESTS)
async def test_a_session_is_shown_from_anywhere(
    request_of: Callable[[int, int], bytes], places: Places
) -> None:
    async with memory_server() as server:
        (alice, session), (bob, _) = [await signed_in(server, name) for name in ("alice", "bob")]
        request = with_session(request_of(alice, bob), session)
        assert (await places.ask(server, ELSEWHERE, request)).status == 200
        assert server.statistics.refused == 0


@pytest.mark.parametrize("session", ["x", "%C3%A9", "of bob"])
@pytest.mark.parametrize("request_of", REQUESTS)
async def test_with_another_session_it_is_somebody_else(
    request_of: Callable[[int, int], bytes], session: str, places: Places
) -> None:
    """Such as one whose id somebody else has, since the server was started again."""
    async with memory_server() as server:
        (alice, _), (bob, bobs) = [await signed_in(server, name) for name in ("alice", "bob")]
        await server.poll(alice)
        hanging = await server.hang(alice)
        request = with_session(request_of(alice, bob), bobs if session == "of bob" else session)
        answer = await places.ask(server, HOME, request)
        assert (answer.status, answer.reason) == (404, "Not Found")
        # Nothing has happened to either.
        assert (await server.ask(post(bob, alice, b"really"))).status == 200
        heard = await hanging.answer()
        assert heard is not None
        assert heard.body == b"really"
        await hanging.stream.aclose()


@pytest.mark.parametrize("request_of", REQUESTS)
async def test_the_guard_is_a_setting(
    request_of: Callable[[int, int], bytes], places: Places
) -> None:
    async with memory_server(bind_classic=False) as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        assert (await places.ask(server, ELSEWHERE, request_of(alice, bob))).status == 200


async def test_a_hanging_get_cannot_be_ended_from_elsewhere(places: Places) -> None:
    async with memory_server() as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        await server.poll(alice)
        hanging = await server.hang(alice)
        request = get(f"/wait?peer_id={alice}")
        assert (await places.ask(server, ELSEWHERE, request)).status == 403
        await places.ask(server, HOME, post(bob, alice, b"for alice"))
        answer = await hanging.answer()
        assert answer is not None
        assert answer.body == b"for alice"
        await hanging.stream.aclose()


async def test_classic_clients_are_asked_about_without_a_token(places: Places) -> None:
    asked: list[JoinRequest] = []

    async def authorize(request: JoinRequest) -> Admission:
        asked.append(request)
        await trio.lowlevel.checkpoint()
        return Admission(name="ali,ce\n", room="den")

    async with memory_server(authorize=authorize) as server:
        answer = await server.ask(get("/sign_in?al%2Cice"))
        assert answer.body == b"ali_ce_,1,1\n"
        assert asked == [JoinRequest(name="al_ice", room="", token=None, address=HOME)]


@pytest.mark.parametrize(("forbidden", "status"), [(False, 401), (True, 403)])
async def test_who_may_not_join_is_told_why(forbidden: bool, status: int) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        raise NotAuthorized("You are not on the list.", forbidden=forbidden)

    async with memory_server(authorize=authorize) as server:
        answer = await server.ask(get("/sign_in?alice"))
        assert (answer.status, answer.body) == (status, b"You are not on the list.")
        assert server.statistics.refused == 1
        assert server.statistics.joined["classic"] == 0
        await server.is_well()


async def test_a_secret_keeps_classic_clients_out() -> None:
    async with memory_server(authorize=shared_secret("x")) as server:
        assert (await server.ask(get("/sign_in?alice"))).status == 401


async def test_an_authorizer_that_fails_ends_that_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        raise RuntimeError("of its own making")

    async with memory_server(authorize=authorize) as server:
        client = await server.connect()
        await client.send(get("/sign_in?alice"))
        assert await client.ended()
        await client.stream.aclose()
        assert server.statistics.failures == 1
        await server.is_well()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_client_that_goes_while_it_is_being_admitted() -> None:
    admitted = trio.Event()

    async def authorize(request: JoinRequest) -> Admission:
        await admitted.wait()
        return Admission(name=request.name, room=request.room)

    async with memory_server(authorize=authorize) as server:
        client = await server.connect()
        await client.send(get("/sign_in?alice"))
        await client.stream.aclose()
        admitted.set()
        await wait_all_tasks_blocked()
        # It never learns its id, so that it is signed out.
        assert (await server.ask(get("/sign_in?bob"))).body == b"bob,2,1\n"
        await server.is_well()

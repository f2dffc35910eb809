"""A token ends, and with it whoever came by it, unless a fresh one is shown before."""

from __future__ import annotations

import math
import time

import jwt
import pytest
import trio
import trio.testing
from websockets.frames import Close

from trio_rtc.server.authorize import Admission, JoinRequest, NotAuthorized, jwt_tokens
from trio_rtc.server.scheduling.deadlines import Deadlines
from trio_rtc.server.turn import TurnCredentials

from ..peerjs import clients as peerjs_clients
from ..peerjs.clients import PeerClient
from .harness import MemoryServer, get, memory_server
from .native_client import NativeClient, connect, join

SECRET = "a secret of the length that SHA-256 is worth"
NOW = 1_800_000_000.0
LIFE = 100.0


class WallClock:
    """The time of day, which is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr(time, "time", clock)
    return clock


def token(exp: float = NOW + LIFE, **claims: object) -> str:
    return jwt.encode({"exp": exp, **claims}, SECRET, "HS256")


def serving(**options: object):  # type: ignore[no-untyped-def]
    return memory_server(authorize=jwt_tokens(SECRET, ["HS256"]), **options)


async def tick() -> None:
    """Let the server look at what is due."""
    await trio.sleep(2)
    await trio.testing.wait_all_tasks_blocked()


async def gone(client: NativeClient) -> None:
    assert await client.refusal() == ("not_authorized", 4401, "not_authorized")


async def test_a_session_ends_with_its_token(
    wall: WallClock, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving() as server:
        alice = await join(server, "alice", token=token())
        assert alice.welcome["token_seconds"] == LIFE
        bob = await join(server, "bob", token=token(NOW + 10 * LIFE))
        wall.now += LIFE - 1
        await tick()
        assert server.statistics.peers["native"] == 2
        wall.now += 1
        await tick()
        assert (await alice.hear())["type"] == "joined"
        await gone(alice)
        assert await bob.hear() == {"type": "left", "seq": 1, "id": alice.id}
        late = await connect(server)
        await late.say(type="resume", session=alice.session, received=0)
        assert await late.refusal() == ("session_lost", 4404, "session_lost")


async def test_a_resume_does_not_outlive_the_token(
    wall: WallClock, autojump_clock: trio.testing.MockClock
) -> None:
    """Not even until the server looks."""
    async with serving() as server:
        alice = await join(server, "alice", token=token())
        await alice.aclose()
        wall.now += LIFE
        late = await connect(server)
        await late.say(type="resume", session=alice.session, received=0)
        await gone(late)
        assert server.statistics.peers["native"] == 0


async def test_the_clock_is_set_back(
    wall: WallClock, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving() as server:
        alice = await join(server, "alice", token=token())
        wall.now -= 3600
        await tick()
        assert server.statistics.peers["native"] == 1
        wall.now += 3600 + LIFE
        await tick()
        await gone(alice)


async def test_a_fresh_token_has_the_session_go_on(
    wall: WallClock, autojump_clock: trio.testing.MockClock
) -> None:
    turn = TurnCredentials("secret", ["turn:t.example.org"], lifetime=3600)
    async with serving(turn=turn) as server:
        alice = await join(server, "alice", token=token(name="alice"))
        assert alice.welcome["ice_servers"][0]["username"] == f"{NOW + LIFE:.0f}:1"
        wall.now += LIFE / 2
        await alice.say(type="token", token=token(NOW + 2 * LIFE, name="alice"))
        assert await alice.hear() == {"type": "token_accepted", "token_seconds": 1.5 * LIFE}
        renewed = await alice.hear()
        assert renewed["type"] == "ice_servers"
        assert renewed["ice_servers"][0]["username"] == f"{NOW + 2 * LIFE:.0f}:1"
        wall.now += LIFE
        await tick()
        assert server.statistics.peers["native"] == 1
        wall.now += LIFE / 2
        await tick()
        await gone(alice)


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (token(name="bob"), "The token is for the name 'bob', not for 'alice'."),
        (token(NOW - LIFE), "The token has expired."),
        (token(room="attic"), "The token is for the room 'attic', not for 'den'."),
        (token(name="alice", sub="eve"), "the token is for somebody else, or for another room"),
        ("x", "The token is not a JSON Web Token that is accepted here."),
    ],
)
async def test_a_token_that_is_refused_changes_nothing(
    wall: WallClock, autojump_clock: trio.testing.MockClock, shown: str, why: str
) -> None:
    async with serving() as server:
        alice = await join(server, "alice", room="den", token=token(sub="alice"))
        await alice.say(type="token", token=shown)
        assert await alice.hear() == {"type": "error", "code": "token_refused", "message": why}
        assert server.statistics.refused == 1
        wall.now += LIFE - 1
        await tick()
        assert server.statistics.peers["native"] == 1
        wall.now += 1
        await tick()
        await gone(alice)


async def test_an_authorizer_that_fails_or_hangs(autojump_clock: trio.testing.MockClock) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        if request.token == "fail":
            raise RuntimeError("a mistake")
        if request.token == "hang":
            await trio.sleep_forever()
        return Admission(name=request.name, room=request.room)

    async with memory_server(authorize=authorize) as server:
        alice = await join(server, "alice")
        assert "token_seconds" not in alice.welcome
        for shown in ("fail", "hang"):
            await alice.say(type="token", token=shown)
            assert (await alice.hear())["code"] == "token_refused"
        await alice.say(type="token", token="hang")
        await alice.say(type="token", token="fine")
        assert "already" in (await alice.hear())["message"]
        assert (await alice.hear())["code"] == "token_refused"
        await alice.say(type="token", token="fine")
        assert await alice.hear() == {"type": "token_accepted"}
        await alice.say(type="token", token="hang")
        await alice.say(type="leave")
        assert await alice.closed() == (1000, "left")
        assert server.statistics.failures == 1


async def peerjs(server: MemoryServer, shown: str) -> PeerClient:
    return await peerjs_clients.connect(server, peerjs_clients.path("alice", shown))


async def test_peerjs_ends_with_the_token(
    wall: WallClock, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving() as server:
        client = await peerjs(server, token(sub="a"))
        assert (await client.hear())["type"] == "OPEN"
        # Another token of the same person goes on with the id; one of somebody else does not.
        other = await peerjs(server, token(sub="b"))
        assert (await other.hear())["type"] == "ID-TAKEN"
        again = await peerjs(server, token(NOW + 2 * LIFE, sub="a"))
        assert (await again.hear())["type"] == "OPEN"
        wall.now += LIFE
        await tick()
        assert server.statistics.peers["peerjs"] == 1
        wall.now += LIFE
        await tick()
        assert (await again.hear())["type"] == "ERROR"
        closed = await again.receive()
        assert isinstance(closed, Close)
        assert closed.code == 4401
        assert server.statistics.peers["peerjs"] == 0


async def test_classic_peers_end_with_their_admission(
    wall: WallClock, autojump_clock: trio.testing.MockClock
) -> None:
    async def authorize(request: JoinRequest) -> Admission:
        return Admission(name=request.name, room="", until=NOW + LIFE)

    async with memory_server(authorize=authorize) as server:
        alice = await server.sign_in("alice")
        hanging = await server.hang(alice)
        wall.now += LIFE
        await tick()
        assert await hanging.answer() is None
        assert (await server.ask(get(f"/wait?peer_id={alice}"))).status == 404


async def test_leeway(wall: WallClock) -> None:
    authorize = jwt_tokens(SECRET, ["HS256"])

    async def ask(**claims: object) -> Admission:
        shown = jwt.encode({"exp": NOW + LIFE, **claims}, SECRET, "HS256")
        return await authorize(JoinRequest(name="a", room="", token=shown, address=""))

    assert (await ask()).until == NOW + LIFE
    # Whoever comes late has what is left of the leeway.
    assert (await ask(exp=NOW - 2)).until == NOW + 3
    assert await ask(nbf=NOW + 2)
    assert await ask(iat=NOW + 3600)
    refusals: list[tuple[dict[str, object], str]] = [
        ({"exp": NOW - 5}, "The token has expired."),
        ({"nbf": NOW + 6}, "The token is not valid yet."),
        ({"sub": 7}, "The token's claim 'sub' is no text."),
        ({"jti": 7}, "The token's claim 'jti' is no text."),
        ({"exp": "soon"}, "The token's claim 'exp' is no time."),
        ({"nbf": True}, "The token's claim 'nbf' is no time."),
        ({"iat": []}, "The token's claim 'iat' is no time."),
        ({"exp": 10**400}, "The token's claim 'exp' is no time."),
    ]
    for claims, why in refusals:
        with pytest.raises(NotAuthorized) as refused:
            await ask(**claims)
        assert str(refused.value) == why
    strict = jwt_tokens(SECRET, ["HS256"], leeway=0)
    with pytest.raises(NotAuthorized, match="expired"):
        await strict(JoinRequest(name="a", room="", token=token(NOW), address=""))


async def test_claims_are_compared_as_the_server_writes_them(
    wall: WallClock, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving() as server:
        jane = await join(server, "Doe, Jane", token=token(name="Doe, Jane"))
        assert jane.welcome["name"] == "Doe_ Jane"
        again = await join(server, "Doe_ Jane", token=token(name="Doe, Jane"))
        assert again.welcome["name"] == "Doe_ Jane"


def test_no_turn_credentials_for_the_time_after() -> None:
    turn = TurnCredentials("secret", ["turn:t.example.org", "stun:s.example.org"], lifetime=600)
    for until, expiry in [(math.inf, NOW + 600), (NOW + 30.9, NOW + 30)]:
        username = turn.issue(NOW, "1", until)[1]["username"]
        assert username == f"{expiry:.0f}:1"
    assert turn.issue(NOW, "1", NOW) == [{"urls": ["stun:s.example.org"]}]


def test_deadlines_that_are_moved() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for when in range(1000):
        deadlines.set("a", when)
    deadlines.set("b", 500)
    deadlines.set("c", 600)
    deadlines.end("c")
    assert len(deadlines._heap) < 100
    assert list(deadlines.due(998)) == ["b"]
    assert list(deadlines.due(999)) == ["a"]
    assert list(deadlines.due(math.inf)) == []
    deadlines.set("a", math.inf)
    assert len(deadlines) == 0

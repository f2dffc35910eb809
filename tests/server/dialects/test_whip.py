"""WHIP and WHEP: a call of a peer by HTTP requests, with somebody of another protocol called."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
import trio
import trio.testing

from tests.server.harness import Answer, Client, MemoryServer, memory_server
from tests.server.native_client import NativeClient, join, serves
from trio_rtc.server import ServerLimits
from trio_rtc.server.authorize import jwt_tokens, shared_secret
from trio_rtc.server.dialects.whip import whip_dialect
from trio_rtc.server.turn import TurnCredentials
from trio_rtc.wire.rate import TokenBucket
from trio_rtc.wire.whip import FRAGMENT, SDP, parse_fragment, parse_links

UFRAG, PASSWORD = "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1"
HOST = "candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host"
OTHER = "candidate:2 1 udp 2122194687 198.51.100.2 61765 typ host"


def description(setup: str, ufrag: str = UFRAG, password: str = PASSWORD) -> str:
    return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" + "".join(
        f"m={kind} 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n"
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=fingerprint:sha-256 AA\r\n"
        f"a=setup:{setup}\r\na=sendonly\r\n"
        for mid, kind in enumerate(["audio", "video"])
    )


OFFER = description("actpass")
ANSWER = description("passive", "theirs00", "t" * 22)


def fragment(*candidates: str, ufrag: str = UFRAG, password: str = PASSWORD) -> str:
    lines = [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}", "m=audio 9 RTP/AVP 0", "a=mid:0"]
    lines += [f"a={line}" for line in candidates]
    return "".join(f"{line}\r\n" for line in lines)


def request(
    method: str, target: str, body: str | bytes = "", content_type: str | None = None, **extra: str
) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    head = f"{method} {target} HTTP/1.0\r\nContent-Length: {len(data)}\r\n"
    if content_type is not None:
        head += f"Content-Type: {content_type}\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in extra.items())
    return f"{head}\r\n".encode() + data


def post(target: str, body: str | bytes = OFFER, **extra: str) -> bytes:
    return request("POST", target, body, SDP, **extra)


class Camera:
    """A client of WHIP, whose offer somebody is about to answer."""

    def __init__(self, server: MemoryServer, target: str = "/whip/studio"):
        self.server = server
        self.target = target
        self.url = ""
        self.etag = ""

    async def post(self, **extra: str) -> Client:
        """A connection with an offer under way."""
        client = await self.server.connect()
        await client.send(post(self.target, **extra))
        await trio.testing.wait_all_tasks_blocked()
        return client

    def opened(self, answer: Answer | None) -> Answer:
        assert answer is not None
        assert answer.status == 201, answer
        location, etag = answer.header("Location"), answer.header("ETag")
        assert location is not None
        assert etag is not None
        self.url = f"{self.target.rpartition('/')[0]}/{location}"
        self.etag = etag
        return answer

    async def ask(self, method: str, body: str = "", **extra: str) -> Answer:
        return await self.server.ask(request(method, self.url, body, FRAGMENT, **extra))


async def offered(studio: NativeClient) -> dict[str, Any]:
    """The offer that somebody hears: gives the whole message, with the body read."""
    while (heard := await studio.hear())["type"] != "message":
        pass
    return {**heard, "body": json.loads(heard["data"])}


async def say(studio: NativeClient, to: int, seq: int, body: object) -> None:
    data = body if isinstance(body, str) else json.dumps(body)
    await studio.say(type="send", seq=seq, to=to, data=data)


@asynccontextmanager
async def call(
    server: MemoryServer, target: str = "/whip/studio", **extra: str
) -> AsyncIterator[tuple[Camera, NativeClient, int]]:
    """A call that stands: the camera, who was called, and the camera's id."""
    studio = await join(server, "studio")
    camera = Camera(server, target)
    client = await camera.post(**extra)
    offer = await offered(studio)
    assert offer["body"] == {"type": "offer", "sdp": OFFER}
    await say(studio, offer["from"], 1, {"type": "answer", "sdp": ANSWER})
    await say(studio, offer["from"], 2, {"candidate": HOST, "sdpMid": "0"})
    await say(studio, offer["from"], 3, {"candidate": "", "sdpMid": "0"})
    camera.opened(await client.answer())
    yield camera, studio, offer["from"]
    await studio.aclose()


@pytest.mark.parametrize("protocol", ["whip", "whep"])
async def test_an_offer_is_answered_with_all_candidates(
    autojump_clock: trio.testing.MockClock, protocol: str
) -> None:
    async with memory_server() as server:
        studio = await join(server, "studio")
        camera = Camera(server, f"/{protocol}/studio")
        client = await camera.post()
        joined = await studio.hear()
        assert (joined["type"], joined["name"]) == ("joined", protocol)
        offer = await offered(studio)
        await say(studio, offer["from"], 1, {"type": "answer", "sdp": ANSWER})
        for seq, line in enumerate([HOST, OTHER, ""], 2):
            await say(studio, offer["from"], seq, {"candidate": line, "sdpMid": "1"})
        answer = camera.opened(await client.answer())
        assert answer.header("Content-Type") == SDP
        assert answer.header("Accept-Patch") == FRAGMENT
        assert answer.body.decode() == (
            ANSWER.replace("m=video", "a=end-of-candidates\r\nm=video")
            + f"a={HOST}\r\na={OTHER}\r\n"
        )
        assert server.statistics.peers[protocol] == 1
        assert (await camera.ask("DELETE")).status == 200
        assert (await studio.hear())["data"] == "BYE"
        assert (await studio.hear())["type"] == "left"
        assert server.statistics.peers[protocol] == 0
        for method in ("DELETE", "PATCH"):
            assert (await camera.ask(method, fragment())).status == 404


async def test_candidates_are_waited_for_a_second(autojump_clock: trio.testing.MockClock) -> None:
    """Peers of classic clients never tell that there are no more."""
    async with memory_server() as server:
        studio = await join(server, "studio")
        camera = Camera(server)
        client = await camera.post()
        offer = await offered(studio)
        await say(studio, offer["from"], 1, {"type": "answer", "sdp": ANSWER})
        await say(studio, offer["from"], 2, {"candidate": HOST})
        began = trio.current_time()
        answer = camera.opened(await client.answer())
        assert trio.current_time() - began == pytest.approx(1.0)
        assert f"a={HOST}\r\nm=video" in answer.body.decode()
        assert b"end-of-candidates" not in answer.body


async def test_candidates_are_trickled(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server, call(server) as (camera, studio, id_):
        body = fragment(HOST, OTHER, "end-of-candidates")
        answer = await camera.ask("PATCH", body, If_Match=camera.etag)
        assert (answer.status, answer.body) == (204, b"")
        for line in (HOST, OTHER, ""):
            heard = await offered(studio)
            assert heard["from"] == id_
            expected = {"candidate": line, "sdpMid": "0", "usernameFragment": UFRAG}
            assert heard["body"] == expected


async def test_ice_is_restarted(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server, call(server) as (camera, studio, id_):
        client = await server.connect()
        body = fragment(OTHER, ufrag="fresh0", password="f" * 24)
        await client.send(request("PATCH", camera.url, body, FRAGMENT, If_Match="*"))
        offer = (await offered(studio))["body"]
        assert offer["type"] == "offer"
        assert offer["sdp"].count("a=ice-ufrag:fresh0\r\n") == 2
        assert offer["sdp"].count(f"a=ice-pwd:{'f' * 24}\r\n") == 2
        assert "o=- 1 2 IN IP4 0.0.0.0\r\n" in offer["sdp"]
        assert f"a={OTHER}\r\n" in offer["sdp"]
        # Another one does not come between.
        again = await camera.ask("PATCH", fragment(ufrag="other0"), If_Match="*")
        assert again.status == 409
        other = description("passive", "theirs01", "u" * 22)
        await say(studio, id_, 4, {"type": "answer", "sdp": other})
        await say(studio, id_, 5, {"candidate": HOST, "sdpMid": "0"})
        await say(studio, id_, 6, {"candidate": "", "sdpMid": "0"})
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 200
        assert answer.header("Content-Type") == FRAGMENT
        assert answer.header("ETag") not in (None, camera.etag)
        told = parse_fragment(answer.body.decode())
        assert (told.ufrag, told.password) == ("theirs01", "u" * 22)
        assert [candidate.candidate for candidate in told.candidates] == [HOST]
        # The old generation is over.
        old = await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)
        assert old.status == 412
        assert old.header("ETag") == answer.header("ETag")


async def test_a_restart_that_is_not_answered_leaves_the_session(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server, call(server) as (camera, _, _):
        body = fragment(ufrag="fresh0", password="f" * 24)
        assert (await camera.ask("PATCH", body, If_Match="*")).status == 504
        trickled = await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)
        assert trickled.status == 204


@pytest.mark.parametrize("end", ["BYE", '{"type": "bye", "reason": "enough"}', "leave", "gone"])
async def test_the_one_who_is_called_ends_it(
    autojump_clock: trio.testing.MockClock, end: str
) -> None:
    limits = ServerLimits(resume_seconds=1)
    async with memory_server(limits=limits) as server, call(server) as (camera, studio, id_):
        if end == "leave":
            await studio.say(type="leave")
        elif end == "gone":
            await studio.aclose()
        else:
            await say(studio, id_, 4, end)
        await trio.sleep(5)
        assert (await camera.ask("DELETE")).status == 404
        assert server.statistics.peers["whip"] == 0


@pytest.mark.parametrize(
    ("said", "status", "sentence"),
    [
        ("BYE", 503, "studio has hung up."),
        ('{"type": "bye", "reason": "busy"}', 503, "studio has hung up: busy."),
        ('{"type": "answer", "sdp": "v=0"}', 503, "studio has sent no answer that can be used."),
        ('{"type": "offer", "sdp": "v=0"}', 504, "studio does not answer."),
        ("what?", 504, "studio does not answer."),
        (None, 504, "studio does not answer."),
    ],
)
async def test_there_is_no_answer(
    autojump_clock: trio.testing.MockClock, said: str | None, status: int, sentence: str
) -> None:
    async with memory_server() as server:
        studio = await join(server, "studio")
        camera = Camera(server)
        client = await camera.post()
        offer = await offered(studio)
        if said is not None:
            await say(studio, offer["from"], 1, said)
        answer = await client.answer()
        assert answer is not None
        assert (answer.status, answer.body.decode()) == (status, sentence)
        assert server.statistics.peers["whip"] == 0
        await studio.say(type="leave")
        assert await studio.closed() == (1000, "left")
        assert server.statistics.memory_bytes == 0


async def test_a_client_that_goes_is_hung_up_for(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        studio = await join(server, "studio")
        client = await Camera(server).post()
        offer = await offered(studio)
        await client.stream.aclose()
        bye = await studio.hear()
        assert (bye["from"], bye["data"]) == (offer["from"], "BYE")
        assert (await studio.hear())["type"] == "left"
        await serves(server)


async def test_the_one_who_is_called_leaves_before_it_answers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        studio = await join(server, "studio")
        client = await Camera(server).post()
        await offered(studio)
        await studio.say(type="leave")
        answer = await client.answer()
        assert answer is not None
        assert (answer.status, answer.body) == (503, b"studio has left the server.")


async def test_the_server_ends(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        studio = await join(server, "studio")
        client = await Camera(server).post()
        await offered(studio)
        server.scope.cancel()
        answer = await client.answer()
        assert answer is not None
        assert (answer.status, answer.body) == (503, b"The server ends.")


async def test_who_calls_a_camera_is_turned_away(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server, call(server) as (camera, _, id_):
        alice = await join(server, "alice")
        await say(alice, id_, 1, {"type": "offer", "sdp": OFFER})
        heard = await alice.hear()
        while heard["type"] != "message":
            heard = await alice.hear()
        assert (heard["from"], heard["data"]) == (id_, "BYE")
        # And does not disturb the call, whatever else it says.
        await say(alice, id_, 2, "BYE")
        await say(alice, id_, 3, {"type": "answer", "sdp": ANSWER})
        await trio.sleep(5)
        assert (await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)).status == 204


async def test_rooms_and_names(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        studio = await join(server, "the studio: 1", room="on/air")
        camera = Camera(server, "/whip/on%2Fair/the%20studio%3A%201")
        client = await camera.post()
        offer = await offered(studio)
        await say(studio, offer["from"], 1, {"type": "answer", "sdp": ANSWER})
        camera.opened(await client.answer())
        assert camera.url.startswith("/whip/on%2Fair/the%20studio%3A%201/")
        assert (await camera.ask("DELETE")).status == 200
        for target in ("/whip/the%20studio%3A%201", "/whip/elsewhere/the%20studio%3A%201"):
            answer = await server.ask(post(target))
            assert answer.status == 404
            assert answer.body == b"Nobody is called 'the studio: 1' there."
            assert answer.header("Retry-After") == "2"
        for target in ("/whip/", "/whip/room/", "/whip/a/b/c", "/whip/a%00b", "/whip/a,b/c"):
            assert (await server.ask(post(target))).status == 404, target


async def test_nobody_hears_of_those_who_call_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        alice = await join(server, "alice")
        for _ in range(100):
            assert (await server.ask(post("/whep/nobody"))).status == 404
        assert await alice.hear_all() == []
        assert server.statistics.joined["whep"] == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status", "sentence"),
    [
        (OFFER, None, 415, "The body is application/sdp."),
        (OFFER, "application/json", 415, "The body is application/sdp."),
        (b"\xff", SDP, 400, "The body is no text in UTF-8."),
        ("", SDP, 400, "The offer is no SDP: it does not begin with v=0."),
        ("hello", SDP, 400, "The offer is no SDP: it does not begin with v=0."),
        ("v=0\r\n", SDP, 400, "The offer has no section of audio or video."),
        (OFFER.replace("a=setup:", "a=s:"), SDP, 400, "The offer has no a=setup."),
        (OFFER.replace(":actpass", ":holdconn"), SDP, 400, "The offer has no a=setup."),
        (OFFER.replace("a=finger", "a=f"), SDP, 400, "The offer has no fingerprint: only DTLS is"),
        (OFFER.replace("a=ice-pwd", "a=x"), SDP, 400, "The offer has no ICE credentials."),
        ("x" * 300_000, SDP, 413, ""),
    ],
)
async def test_bad_offers(
    autojump_clock: trio.testing.MockClock,
    body: str | bytes,
    content_type: str | None,
    status: int,
    sentence: str,
) -> None:
    async with memory_server() as server:
        studio = await join(server, "studio")
        answer = await server.ask(request("POST", "/whip/studio", body, content_type))
        assert answer.status == status
        assert answer.body.decode().startswith(sentence)
        assert answer.body.endswith(b".")
        assert await studio.hear_all() == []


async def test_the_type_of_an_offer_may_have_parameters(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        answer = await server.ask(
            request("POST", "/whip/nobody", OFFER, "Application/SDP; charset=utf-8")
        )
        assert answer.status == 404


async def test_bad_patches(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server, call(server) as (camera, studio, _):
        for extra, body, status, sentence in [
            ({}, fragment(HOST), 428, "A PATCH says in If-Match"),
            ({"If_Match": '"7"'}, fragment(HOST), 412, "If-Match is not the session's ETag"),
            ({"If_Match": camera.etag}, fragment(HOST, ufrag="other0"), 409, "The candidates are"),
            ({"If_Match": camera.etag}, "nonsense", 400, "An SDP fragment"),
            ({"If_Match": camera.etag}, "", 400, "An SDP fragment has no ICE credentials."),
        ]:
            answer = await camera.ask("PATCH", body, **extra)
            assert answer.status == status
            assert answer.body.decode().startswith(sentence)
        wrong = await server.ask(request("PATCH", camera.url, fragment(), SDP, If_Match="*"))
        assert wrong.status == 415
        for method in ("GET", "POST", "PUT"):
            answer = await server.ask(request(method, camera.url))
            assert answer.status == 405
            assert answer.header("Allow") == "PATCH, DELETE, OPTIONS"
        # The session is none the worse for it.
        assert await studio.hear_all() == []
        assert (await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)).status == 204


async def test_a_session_may_not_trickle_too_fast(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = TokenBucket(1, 3, 0)
    monkeypatch.setattr(whip_dialect, "TokenBucket", lambda *args: bucket)
    async with memory_server() as server, call(server) as (camera, _, _):
        answers = [
            (await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)).status
            for _ in range(4)
        ]
        assert answers == [204] * 3 + [429]
        assert server.statistics.over_limit["messages_per_second"] == 1
        await trio.sleep(1)
        assert (await camera.ask("PATCH", fragment(HOST), If_Match=camera.etag)).status == 204


async def test_methods_of_the_endpoint(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server() as server:
        for method in ("GET", "PUT"):
            answer = await server.ask(request(method, "/whip/studio"))
            assert answer.status == 405
            assert answer.header("Allow") == "POST, OPTIONS"
        options = await server.ask(
            request("OPTIONS", "/whip/studio", Origin="https://page.example")
        )
        assert options.status == 200
        assert options.header("Accept-Post") == SDP
        assert "PATCH" in (options.header("Access-Control-Allow-Methods") or "")
        assert "Authorization" in (options.header("Access-Control-Allow-Headers") or "")
        assert "Location" in (options.header("Access-Control-Expose-Headers") or "")
        classic = await server.ask(request("OPTIONS", "/sign_in"))
        assert "Authorization" not in (classic.header("Access-Control-Allow-Headers") or "")


async def test_pages_of_other_origins(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server(origins=["https://good.example"]) as server:
        refused = await server.ask(post("/whip/studio", Origin="https://evil.example"))
        assert refused.status == 403
        allowed = await server.ask(post("/whip/studio", Origin="https://good.example"))
        assert allowed.status == 404
        assert allowed.header("Access-Control-Allow-Origin") == "https://good.example"


async def test_tokens(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server(authorize=shared_secret("sesame")) as server:
        for extra in ({}, {"Authorization": "Basic sesame"}, {"Authorization": "Bearer wrong"}):
            answer = await server.ask(post("/whip/studio", **extra))
            assert answer.status == 401
            assert answer.header("WWW-Authenticate") == "Bearer"
        answer = await server.ask(post("/whip/studio", Authorization="bearer  sesame"))
        assert answer.status == 404


async def test_a_session_ends_with_its_token(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "k" * 32
    now = time.time()
    claims = {"exp": now + 100, "name": "camera one", "room": "air"}
    token = jwt.encode(claims, key)
    async with memory_server(authorize=jwt_tokens(key, ["HS256"])) as server:
        assert (await server.ask(post("/whip/x/y", Authorization=f"Bearer {token}"))).status == 403
        later = jwt.encode({**claims, "exp": now + 10_000, "name": "studio"}, key)
        studio = await join(server, "studio", room="air", token=later)
        client = await Camera(server, "/whip/air/studio").post(Authorization=f"Bearer {token}")
        joined = await studio.hear()
        assert joined["name"] == "camera one"
        offer = await offered(studio)
        await say(studio, offer["from"], 1, {"type": "answer", "sdp": ANSWER})
        assert (await client.answer()) is not None
        monkeypatch.setattr(time, "time", lambda: now + 101)
        while (heard := await studio.hear())["type"] != "message":
            pass
        assert heard["data"] == "BYE"
        assert (await studio.hear())["type"] == "left"


async def test_ice_servers_are_told(autojump_clock: trio.testing.MockClock) -> None:
    turn = TurnCredentials("secret", ["stun:stun.example", "turn:turn.example?transport=udp"])
    async with memory_server(turn=turn) as server:
        studio = await join(server, "studio")
        client = await Camera(server).post()
        offer = await offered(studio)
        await say(studio, offer["from"], 1, {"type": "answer", "sdp": ANSWER})
        answer = await client.answer()
        assert answer is not None
        stun, relay = parse_links(answer.header("Link") or "")
        assert (stun.url, stun.username) == ("stun:stun.example", None)
        assert relay.url == "turn:turn.example?transport=udp"
        assert relay.username
        assert relay.credential


async def test_there_is_no_place(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_server(limits=ServerLimits(peers=1)) as server:
        studio = await join(server, "studio")
        answer = await server.ask(post("/whip/studio"))
        assert answer.status == 503
        assert server.statistics.over_limit["peers"] == 1
        assert server.statistics.memory_bytes == 0
        assert await studio.hear_all() == []


async def test_an_answer_and_candidates_without_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with memory_server() as server:
        studio = await join(server, "studio")
        camera = Camera(server)
        client = await camera.post()
        offer = await offered(studio)
        for seq in range(1, 600):
            line = f"{HOST} {seq}"
            await say(studio, offer["from"], seq, {"candidate": line, "sdpMid": "0"})
        await say(studio, offer["from"], 600, {"type": "answer", "sdp": ANSWER})
        answer = camera.opened(await client.answer())
        assert answer.body.count(b"a=candidate") == 256

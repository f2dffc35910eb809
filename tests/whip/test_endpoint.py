"""The requests of a WHIP client, and what it makes of any answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from trio_rtc.errors import SignalingError
from trio_rtc.whip.endpoint import WhipEndpoint, whip_address
from trio_rtc.wire.whip import FRAGMENT, SDP, Fragment, format_fragment

URL = "https://live.example/whip/studio"
ANSWER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
OURS = Fragment("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", [])
THEIRS = Fragment("theirs00", "t" * 22, [])

Server = Callable[[httpx.Request], httpx.Response]


class Asked:
    """An endpoint of others: what it is asked, and what it answers in turn."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(request.method, str(request.url)) for request in self.requests]


@asynccontextmanager
async def endpoint(asked: Server, token: str | None = None) -> AsyncIterator[WhipEndpoint]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(asked)) as http:
        yield WhipEndpoint(http, whip_address(URL), token)


def created(location: str = "studio/1", **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        201, headers={"Content-Type": SDP, "Location": location, **names}, text=ANSWER
    )


def fragment(etag: str | None = None) -> httpx.Response:
    headers = {"Content-Type": FRAGMENT, **({} if etag is None else {"ETag": etag})}
    return httpx.Response(200, headers=headers, text=format_fragment(THEIRS))


@pytest.mark.parametrize(
    ("location", "session"),
    [
        ("studio/1", "https://live.example/whip/studio/1"),
        ("/sessions/1", "https://live.example/sessions/1"),
        ("https://other.example/s?x=1", "https://other.example/s?x=1"),
        ("?session=1", "https://live.example/whip/studio?session=1"),
    ],
)
async def test_a_session_from_its_begin_to_its_end(location: str, session: str) -> None:
    asked = Asked(
        created(location, ETag='"1"'),
        httpx.Response(204),
        fragment('"2"'),
        httpx.Response(204),
        httpx.Response(200),
    )
    async with endpoint(asked, "sesame") as whip:
        assert await whip.offer("v=0 ours") == ANSWER
        assert whip.trickles
        await whip.trickle(OURS)
        assert await whip.restart(OURS) == THEIRS
        await whip.trickle(OURS)
        await whip.end()
        await whip.end()
    methods = ["POST", "PATCH", "PATCH", "PATCH", "DELETE"]
    assert asked.told == list(zip(methods, [URL] + [session] * 4, strict=True))
    assert asked.requests[0].headers["content-type"] == SDP
    assert asked.requests[0].content == b"v=0 ours"
    assert [each.headers.get("if-match") for each in asked.requests] == [
        None, '"1"', "*", '"2"', None
    ]  # fmt: skip
    assert asked.requests[1].headers["content-type"] == FRAGMENT
    # The token is for the endpoint alone.
    tokens = {each.headers.get("authorization") for each in asked.requests[1:]}
    assert asked.requests[0].headers["authorization"] == "Bearer sesame"
    assert tokens == ({None} if "other" in session else {"Bearer sesame"})


async def test_an_endpoint_that_takes_no_candidates() -> None:
    asked = Asked(created(), httpx.Response(405))
    async with endpoint(asked) as whip:
        await whip.offer("v=0")
        assert not whip.trickles
        with pytest.raises(SignalingError) as caught:
            await whip.restart(OURS)
        assert caught.value.code == "refused"


async def test_redirections_are_followed_with_the_method_and_the_body() -> None:
    asked = Asked(
        httpx.Response(307, headers={"Location": "/a"}),
        httpx.Response(308, headers={"Location": "https://edge.example/b/c"}),
        created("d"),
        httpx.Response(200),
    )
    async with endpoint(asked, "sesame") as whip:
        await whip.offer("v=0")
        await whip.end()
    assert asked.told == [
        ("POST", URL),
        ("POST", "https://live.example/a"),
        ("POST", "https://edge.example/b/c"),
        ("DELETE", "https://edge.example/b/d"),
    ]
    assert [each.content for each in asked.requests[:3]] == [b"v=0"] * 3
    assert [each.headers.get("authorization") for each in asked.requests] == [
        "Bearer sesame", "Bearer sesame", None, None
    ]  # fmt: skip


@pytest.mark.parametrize("location", ["/whip/studio", "ftp://x/", "http:///x:y", "javascript:x"])
async def test_redirections_to_nowhere(location: str) -> None:
    def again(request: httpx.Request) -> httpx.Response:
        return httpx.Response(307, headers={"Location": location})

    async with endpoint(again) as whip:
        with pytest.raises(SignalingError, match=r"leads to|no endpoint answers") as caught:
            await whip.offer("v=0")
        assert caught.value.code == "server_unreachable"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "refused"),
        (401, "not_authorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (406, "refused"),
        (422, "refused"),
        (429, "no_place"),
        (500, "refused"),
        (502, "server_unreachable"),
        (503, "no_place"),
    ],
)
async def test_refusals(status: int, code: str) -> None:
    words = "Not today,\r\n\x1b[31mmy friend."
    asked = Asked(httpx.Response(status, headers={"Content-Type": "text/plain"}, text=words))
    async with endpoint(asked) as whip:
        with pytest.raises(SignalingError) as caught:
            await whip.offer("v=0")
        await whip.end()
    assert caught.value.code == code
    text = str(caught.value)
    assert text.startswith(f"{URL}: it answers with {status}")
    assert "my friend." in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        (httpx.Response(200, text="<html>"), False),
        (httpx.Response(201, headers={"Content-Type": SDP}, text=ANSWER), False),
        (httpx.Response(201, headers={"Location": "x"}, text=ANSWER), True),
        (httpx.Response(201, headers={"Content-Type": SDP, "Location": "x"}, text="hello"), True),
    ],
)
async def test_what_is_no_endpoint(answer: httpx.Response, ends: bool) -> None:
    asked = Asked(answer, httpx.Response(200))
    async with endpoint(asked) as whip:
        with pytest.raises(SignalingError, match="is no WHIP or WHEP endpoint") as caught:
            await whip.offer("v=0")
        assert caught.value.code == "not_whip"
        # A session that was made is ended.
        await whip.end()
    assert len(asked.requests) == 1 + ends


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ReadTimeout("slow")])
async def test_nobody_answers(error: Exception) -> None:
    async with endpoint(Asked(error, error)) as whip:
        for ask in (whip.look(), whip.offer("v=0")):
            with pytest.raises(SignalingError, match="no endpoint answers") as caught:
                await ask
            assert (caught.value.code, caught.value.fault) == ("server_unreachable", "network")


async def test_ice_servers_are_learnt_before_or_with_the_answer() -> None:
    link = '<turn:turn.example>; rel="ice-server"; username="u"; credential="c"'
    asked = Asked(
        httpx.Response(200, headers={"Link": '<stun:stun.example>; rel="ice-server"'}),
        created(Link=link),
    )
    async with endpoint(asked) as whip:
        await whip.look()
        assert [server.urls for server in whip.ice_servers] == [["stun:stun.example"]]
        await whip.offer("v=0")
        (server,) = whip.ice_servers
        assert (server.urls, server.username, server.credential) == (
            ["turn:turn.example"],
            "u",
            "c",
        )


async def test_an_endpoint_may_know_nothing_of_options() -> None:
    async with endpoint(Asked(httpx.Response(405), httpx.Response(404))) as whip:
        await whip.look()
        await whip.look()
        assert whip.ice_servers == ()


async def test_a_restart_with_a_broken_answer() -> None:
    answer = httpx.Response(200, headers={"Content-Type": FRAGMENT}, text="nonsense")
    async with endpoint(Asked(created(), answer)) as whip:
        await whip.offer("v=0")
        with pytest.raises(SignalingError) as caught:
            await whip.restart(OURS)
        assert caught.value.code == "not_whip"


@pytest.mark.parametrize(
    "url", ["", "studio", "ws://x/whip", "http://", "https://u:p@x/whip", "http://x:0/"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(SignalingError) as caught:
        whip_address(url)
    assert caught.value.code == "bad_url"
    assert ":p@" not in str(caught.value)

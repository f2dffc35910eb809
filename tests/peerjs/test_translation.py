"""PeerJS clients and peers of other dialects, over memory streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from ..server.harness import MemoryServer, get, post
from .clients import OFFER, PeerClient, join, server_for_peers

MEDIA = "v=0\r\nm=audio 9 x\r\na=sendrecv\r\nm=application 9 x\r\n"
NO_MEDIA = "v=0\r\nm=audio 9 x\r\na=recvonly\r\nm=application 9 x\r\na=sendrecv\r\n"
ANSWER = {"type": "answer", "sdp": "v=0"}
CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0"}


class Meeting:
    """A PeerJS client, and a classic one."""

    def __init__(self, server: MemoryServer, page: PeerClient, classic: int):
        self.server = server
        self.page = page
        self.classic = classic

    async def page_id(self) -> int:
        """What the classic client knows it by, when it has just come."""
        lines = (await self.server.ask(get("/sign_in?another"))).body.decode().splitlines()
        return next(int(line.split(",")[1]) for line in lines if line.startswith("page,"))

    async def heard(self) -> Any:
        """What the classic client hears, but for who comes and goes."""
        while (answer := await self.server.poll(self.classic)).pragma == self.classic:
            pass
        return answer.body if answer.body == b"BYE" else json.loads(answer.body)

    async def say(self, message: dict[str, Any] | bytes) -> None:
        """Have the classic client say something to the page."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        answer = await self.server.ask(post(self.classic, await self.page_id(), body))
        assert answer.status == 200


@asynccontextmanager
async def meeting() -> AsyncIterator[Meeting]:
    async with server_for_peers() as server:
        classic = await server.sign_in("classic%20one")
        yield Meeting(server, await join(server, "page"), classic)


async def test_a_page_is_a_member_with_its_id_as_the_name() -> None:
    async with meeting() as here:
        answer = await here.server.poll(here.classic)
        assert answer.body.decode() == "page,2,1\n"
        await here.page.say(type="LEAVE")
        await here.page.closed()
        assert (await here.server.poll(here.classic)).body.decode() == "page,2,0\n"


@pytest.mark.parametrize("address", ["classic one", "1"])
async def test_a_page_calls_by_name_or_number(address: str) -> None:
    async with meeting() as here:
        await here.page.offer(address)
        sdp = OFFER["sdp"]["sdp"]
        assert await here.heard() == {"type": "offer", "sdp": sdp, "call": "dc_1"}
        await here.page.say(
            type="CANDIDATE",
            dst=address,
            payload={"candidate": CANDIDATE, "type": "data", "connectionId": "dc_1"},
        )
        assert await here.heard() == {**CANDIDATE, "call": "dc_1"}
        # Peers of libwebrtc's know of no calls, others do.
        for extra in ({}, {"call": "dc_1"}):
            await here.say({"type": "answer", "sdp": "v=0", **extra})
            assert await here.page.hear() == {
                "type": "ANSWER",
                "src": address,
                "dst": "page",
                "payload": {
                    "sdp": {"type": "answer", "sdp": "v=0"},
                    "type": "data",
                    "connectionId": "dc_1",
                },
            }
            await here.say({**CANDIDATE, **extra})
            heard = await here.page.hear()
            assert (heard["type"], heard["src"]) == ("CANDIDATE", address)
            assert heard["payload"] == {
                "candidate": CANDIDATE,
                "type": "data",
                "connectionId": "dc_1",
            }
        await here.page.say(type="LEAVE", dst=address)
        assert await here.heard() == b"BYE"


@pytest.mark.parametrize(("sdp", "kind"), [(MEDIA, "media"), (NO_MEDIA, "data")])
@pytest.mark.parametrize("call", ["a-call", None])
async def test_a_page_is_called(sdp: str, kind: str, call: str | None) -> None:
    async with meeting() as here:
        await here.say({"type": "offer", "sdp": sdp, **({"call": call} if call else {})})
        heard = await here.page.hear()
        assert (heard["type"], heard["src"], heard["dst"]) == ("OFFER", "classic one", "page")
        payload = heard["payload"]
        connection = payload["connectionId"]
        if call is not None:
            assert connection == call
        assert payload["sdp"] == {"type": "offer", "sdp": sdp}
        assert (payload["type"], payload["serialization"]) == (kind, "raw")
        await here.page.say(
            type="ANSWER",
            dst="classic one",
            payload={
                "sdp": {"type": "answer", "sdp": "v=0"},
                "type": kind,
                "connectionId": connection,
            },
        )
        assert await here.heard() == {"type": "answer", "sdp": "v=0", "call": connection}
        await here.say({**CANDIDATE})
        assert (await here.page.hear())["payload"]["connectionId"] == connection
        # The end of candidates, a second offer, and what is no message, are nothing to PeerJS.
        for nothing in (
            {**CANDIDATE, "candidate": ""},
            {"type": "offer", "sdp": sdp, "call": connection},
        ):
            await here.say(nothing)
        await here.say(b"hello")
        await here.say(b"BYE")
        if kind == "data":
            # PeerJS sees its channel close; LEAVE would end a connection that it opens meanwhile.
            await here.page.say(type="CANDIDATE", dst="page", payload="nothing came before")
            assert (await here.page.hear())["payload"] == "nothing came before"
        else:
            assert await here.page.hear() == {"type": "LEAVE", "src": "classic one", "dst": "page"}


async def test_a_call_that_is_declined_is_an_error_in_the_page() -> None:
    async with meeting() as here:
        await here.page.offer("classic one")
        await here.heard()
        await here.say(b"BYE")
        assert await here.page.hear() == {"type": "EXPIRE", "src": "classic one", "dst": "page"}


async def test_messages_wait_for_other_dialects_too(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with server_for_peers() as server:
        page = await join(server, "page")
        await page.offer("late")
        await trio.sleep(2)
        late = await server.sign_in("late")
        answer = await server.poll(late)
        assert json.loads(answer.body)["type"] == "offer"
        await page.offer("never")
        assert (await page.hear()) == {"type": "EXPIRE", "src": "never", "dst": "page"}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {**OFFER, "sdp": "v=0"},
        {**OFFER, "sdp": {"type": "answer", "sdp": "v=0"}},
        {**OFFER, "connectionId": 5},
        {**OFFER, "type": "other"},
    ],
)
async def test_a_payload_that_cannot_be_translated(payload: Any) -> None:
    async with meeting() as here:
        await here.page.say(type="OFFER", dst="classic one", payload=payload)
        heard = await here.page.hear()
        assert heard["type"] == "ERROR"
        await here.page.offer("classic one")
        assert (await here.heard())["type"] == "offer"
        assert here.server.statistics.malformed == 1


async def test_answers_and_candidates_of_another_connection_go_nowhere() -> None:
    async with meeting() as here:
        description = {"type": "answer", "sdp": "v=0"}
        for payload in ({"sdp": description}, {"candidate": CANDIDATE}):
            type_ = "ANSWER" if "sdp" in payload else "CANDIDATE"
            full = {**payload, "type": "data", "connectionId": "dc_other"}
            await here.page.say(type=type_, dst="classic one", payload=full)
        await here.page.say(type="LEAVE", dst="classic one")
        await here.say(description)
        await here.page.offer("classic one")
        assert (await here.heard())["type"] == "offer"


async def test_whoever_comes_last_has_the_name() -> None:
    async with server_for_peers() as server:
        page = await join(server, "page")
        first, second = await server.sign_in("twin"), await server.sign_in("twin")
        await page.offer("twin")
        await page.offer(str(first))
        for peer in (second, first):
            while (answer := await server.poll(peer)).pragma == peer:
                pass
            assert json.loads(answer.body)["type"] == "offer"
        twin = await join(server, "twin")
        await page.offer("twin")
        assert (await twin.hear())["type"] == "OFFER"


@pytest.mark.parametrize("taken", ["classic one", "1"])
async def test_nobody_takes_over_what_is_said_on_a_connection(taken: str) -> None:
    """Neither by the name of the other peer, nor by its number."""
    async with meeting() as here:
        if taken == "1":
            # Two have one name: each goes by its number.
            assert await here.server.sign_in("classic%20one")
        call = {"type": "offer", "sdp": NO_MEDIA, "call": "dc_9"}
        await here.say(call)
        offered = await here.page.hear()
        src = offered["src"]
        assert src == taken
        eve = await join(here.server, taken)
        about = {"type": "data", "connectionId": "dc_9"}
        await here.page.say(type="ANSWER", dst=src, payload={"sdp": ANSWER, **about})
        assert (await here.heard())["type"] == "answer"
        await here.say({**CANDIDATE, "call": "dc_9"})
        assert (await here.page.hear())["src"] == src
        await here.page.say(type="CANDIDATE", dst=src, payload={"candidate": CANDIDATE, **about})
        assert await here.heard() == {**CANDIDATE, "call": "dc_9"}
        # A connection of its own is its own.
        await eve.say(type="OFFER", dst="page", payload={**OFFER, "connectionId": "dc_eve"})
        assert (await here.page.hear())["payload"]["connectionId"] == "dc_eve"
        await here.page.say(
            type="ANSWER", dst=taken, payload={"sdp": ANSWER, **about, "connectionId": "dc_eve"}
        )
        assert (await eve.hear())["payload"]["connectionId"] == "dc_eve"


async def test_one_keeps_its_name_when_another_comes_who_has_it() -> None:
    async with meeting() as here:
        await here.say({"type": "offer", "sdp": NO_MEDIA, "call": "dc_9"})
        src = (await here.page.hear())["src"]
        await here.server.sign_in("classic%20one")
        await here.say({**CANDIDATE, "call": "dc_9"})
        assert (await here.page.hear())["src"] == src

"""Another dialect is a module and a line: a small one over HTTP, among those that there are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.server.harness import Answer, MemoryServer, get, memory_server
from tests.server.native_client import join
from trio_rtc.server import ServerLimits, serve
from trio_rtc.server.authorize import Admission, JoinRequest, NotAuthorized
from trio_rtc.server.context import Context
from trio_rtc.server.counters import PROTOCOLS
from trio_rtc.server.dialects.dialect import Dialect, Endpoints, all_endpoints
from trio_rtc.server.dialects.membership import Membership, admit
from trio_rtc.server.dialects.refusal import Refused
from trio_rtc.server.http.connection import HttpExchange
from trio_rtc.server.http.requests import RequestError
from trio_rtc.server.http.responses import Response
from trio_rtc.server.hub.hub import Hub, Member, Relayed
from trio_rtc.server.hub.mailbox import PollingMailbox
from trio_rtc.server.scheduling.steps import Turn

ROOT = "/pager/"


class _Pager:
    """Somebody who asks for what has come, one message at a time."""

    member: Member

    def __init__(self, exchange: HttpExchange, context: Context, key: str):
        self.client_network = exchange.client_network
        self.key = key
        account = context.memory.open()
        self.mailbox = PollingMailbox(context.limits, account, lambda: None)


class PagerDialect(Dialect):
    """``PUT /pager/NAME`` joins, ``GET`` gives a message, ``POST`` sends one, ``DELETE`` leaves."""

    def __init__(self, hub: Hub, context: Context):
        self.hub = hub
        self.context = context
        self.removed: list[str] = []
        self.drained = 0
        self.peers: Membership[_Pager] = Membership("pager", hub, context, self._removed)

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(resources={ROOT: self.handle})

    def tick(self, now: float) -> bool:
        turn = Turn()
        for peer in self.peers.expired(turn):
            self.peers.leave(peer)
        return turn.is_over

    def drain(self) -> None:
        self.drained += 1

    def _removed(self, peer: _Pager) -> None:
        self.removed.append(peer.key)

    async def handle(self, exchange: HttpExchange) -> None:
        name, method = exchange.request.path.removeprefix(ROOT), exchange.request.method
        try:
            if method == "PUT":
                await self._join(exchange, name)
                exchange.respond(Response(201, "Created"))
                return
            peer = await self.peers.find(name)
            if peer is None:
                raise RequestError(404, "Not Found", "Nobody is called so.")
            if method == "GET":
                mail = peer.mailbox.take()
                if mail is not None:
                    peer.mailbox.delivered()
                exchange.respond(Response(200, "OK", str(mail).encode()))
            elif method == "POST":
                to = int(exchange.request.query)
                self.hub.send(peer.member, Relayed(peer.member.id, exchange.request.body), to)
                exchange.respond(Response(200, "OK"))
            else:
                self.peers.leave(peer)
                exchange.respond(Response(200, "OK"))
        except Refused as refusal:
            exchange.refuse(refusal.over_http())
        except RequestError as error:
            exchange.refuse(error)

    async def _join(self, exchange: HttpExchange, name: str) -> None:
        asked = JoinRequest(name=name, room="", token=None, address=exchange.address)
        admission = await admit(asked, self.context)
        peer = _Pager(exchange, self.context, name)
        await self.peers.join(peer, peer.mailbox, admission)


@asynccontextmanager
async def server_with_pagers(
    monkeypatch: pytest.MonkeyPatch, **options: Any
) -> AsyncIterator[tuple[MemoryServer, PagerDialect]]:
    """A server with one more line."""
    pagers: list[PagerDialect] = []
    dialects = serve._dialects

    def and_pagers(hub: Hub, context: Context, options: Any) -> list[Dialect]:
        pagers.append(PagerDialect(hub, context))
        return [*dialects(hub, context, options), *pagers]

    monkeypatch.setattr(serve, "_dialects", and_pagers)
    async with memory_server(**options) as server:
        await trio.testing.wait_all_tasks_blocked()
        yield server, pagers[0]


async def page(server: MemoryServer, method: str, target: str, body: bytes = b"") -> Answer:
    head = f"{method} {ROOT}{target} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    return await server.ask(head.encode() + body)


async def test_its_peers_are_among_those_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server_with_pagers(monkeypatch) as (server, pagers):
        alice = await join(server, "alice")
        assert (await page(server, "PUT", "pia")).status == 201
        joined = await alice.hear()
        assert (joined["type"], joined["name"]) == ("joined", "pia")
        carol = await server.sign_in("carol")
        assert (await page(server, "POST", f"pia?{carol}", b"to carol")).status == 200
        assert (await server.poll(carol)).body == b"to carol"
        await alice.say(type="send", seq=1, to=joined["id"], data="to pia")
        assert b"carol" in (await page(server, "GET", "pia")).body
        assert b"to pia" in (await page(server, "GET", "pia")).body
        assert server.statistics.peers == {
            **dict.fromkeys(PROTOCOLS, 0), "classic": 1, "native": 1, "pager": 1
        }  # fmt: skip
        assert (await page(server, "DELETE", "pia")).status == 200
        assert (await page(server, "DELETE", "pia")).status == 404
        assert pagers.removed == ["pia"]
        assert server.statistics.peers["pager"] == 0
        assert server.statistics.joined["pager"] == 1
        assert (await server.poll(carol)).body.startswith(b"pia,")
        await alice.aclose()


async def test_it_is_held_to_the_same_limits(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def authorize(asked: JoinRequest) -> Admission:
        if asked.name == "slow":
            await trio.sleep_forever()
        if asked.name in ("mallory", "eve"):
            raise NotAuthorized("Not you.", forbidden=asked.name == "eve")
        return Admission(name=asked.name, room=asked.room)

    limits = ServerLimits(peers=1)
    async with server_with_pagers(monkeypatch, limits=limits, authorize=authorize) as (server, _):
        for name, status in (("mallory", 401), ("eve", 403), ("slow", 503)):
            assert (await page(server, "PUT", name)).status == status
            # A classic peer is told the same.
            assert (await server.ask(get(f"/sign_in?{name}"))).status == status
        assert (await page(server, "PUT", "pia")).status == 201
        assert (await page(server, "PUT", "pat")).status == 503
        assert (await server.ask(get("/sign_in?pat"))).status == 503
        assert server.statistics.refused == 4
        assert server.statistics.over_limit["handshake_seconds"] == 2
        assert server.statistics.over_limit["peers"] == 2


async def test_what_came_of_a_join_is_undone_once_however_it_ends(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])

    async def authorize(asked: JoinRequest) -> Admission:
        return Admission(name=asked.name, room=asked.room, until=now[0] + 10)

    limits = ServerLimits(mailbox_messages=3, absent_seconds=1000)
    async with server_with_pagers(monkeypatch, limits=limits, authorize=authorize) as (
        server,
        pagers,
    ):
        for name in ("expires", "is-told-too-much", "leaves"):
            assert (await page(server, "PUT", name)).status == 201
        assert len(pagers.hub) == 3
        await page(server, "DELETE", "leaves")
        for name in ("one", "two", "three", "four"):
            await server.sign_in(name)
        # Nobody has asked for the news: they were more than may wait.
        assert sorted(pagers.removed) == ["expires", "is-told-too-much", "leaves"]
        await page(server, "PUT", "expires")
        now[0] += 11
        await trio.sleep(2)
        assert pagers.removed.count("expires") == 2
        assert list(pagers.peers) == []
        assert server.statistics.peers == dict.fromkeys((*PROTOCOLS, "pager"), 0)
        assert len(pagers.hub) == 0
        server.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert pagers.drained == 1


def test_two_do_not_answer_the_same_requests() -> None:
    context = Context()
    hub = Hub(context.limits, context.statistics)
    with pytest.raises(ValueError, match="two protocols are spoken at /pager/"):
        all_endpoints([PagerDialect(hub, context), PagerDialect(hub, context)])

"""What stands between client and server answers in its place: that is never the server's word."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from trio_rtc import MessageReceived, MessageTooLarge, Peer, SignalingError, SignalingLost
from trio_rtc import UnknownPeer as Unknown
from trio_rtc.signaling import open_signaling

from ..proxies.sessions import PROTOCOLS, open_session
from ..rtc.virtual import in_virtual_time
from ..server.harness import tcp_server
from .proxy import open_proxy
from .scripted_server import CLOSE, Answer, ScriptedServer, scripted_server
from .test_addresses import answering, said


def http(status: str, body: bytes = b"", *, ours: bool = False, pragma: int = 0) -> bytes:
    """An answer; if it is ours, as it comes out of nginx, which puts its own name into it."""
    lines = [f"HTTP/1.1 {status}", "Server: nginx", f"Content-Length: {len(body)}"]
    lines.append(f"Content-Type: text/{'plain' if ours else 'html'}")
    if ours:
        lines.append("Signaling-Server: trio-rtc")
    if pragma:
        lines.append(f"Pragma: {pragma}")
    return "\r\n".join([*lines, "", ""]).encode() + body


NOTHING = http("200 OK", b",0,0\n", ours=True, pragma=1)
HELLO = http("200 OK", b"hello", ours=True, pragma=2)

#: What a gateway, a captive portal or a page for the time of a deployment may say.
FOREIGN = [
    http("502 Bad Gateway", b"<html>"),
    http("503 Service Unavailable", b"<html>"),
    http("504 Gateway Timeout", b"<html>"),
    http("500 Internal Server Error", b"<html>"),
    http("520 Unknown", b"<html>"),
    http("404 Not Found", b"<html>"),
    http("403 Forbidden", b"<html>"),
    http("401 Unauthorized", b"<html>"),
    http("302 Found", b"<html>"),
    http("200 OK", b"<html>"),
    http("200 OK", b"<html>", pragma=2),
    http("200 OK", b""),
    http("200 OK", b"Server shutting down"),
    http("429 Too Many Requests", b"<html>"),
    CLOSE,
    b"nonsense\r\n\r\n",
]


def server(
    polls: Sequence[bytes] = (), posts: Sequence[bytes] = (), *, ours: bool = True
) -> Answer:
    """A server with these answers to GETs that hang, and to POSTs; then nothing, and 200."""
    waiting, messages = list(polls), list(posts)

    async def answer(target: str, body: bytes) -> bytes:
        path = target.partition("?")[0]
        if path == "/sign_in":
            return http("200 Added", b"alice,1,1\nbob,2,1\n", ours=ours, pragma=1)
        if path == "/message":
            return messages.pop(0) if messages else http("200 OK", ours=ours)
        if path == "/sign_out":
            return http("200 OK", ours=ours)
        if waiting:
            return waiting.pop(0)
        await trio.sleep_forever()
        raise AssertionError

    return answer


def waits(running: ScriptedServer) -> list[str]:
    return [line.split()[1] for line in running.lines("GET /wait")]


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_a_get_that_hangs_is_asked_again(foreign: bytes) -> None:
    async with (
        scripted_server(server([NOTHING, foreign, foreign, HELLO])) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        bob = Peer(2, "bob")
        async for event in alice:
            if isinstance(event, MessageReceived):
                assert event == MessageReceived(bob, b"hello")
                break
        # Who was in doubt asks for a quick answer.
        assert [wait.partition("seconds=")[2] for wait in waits(running)][:4] == [
            "10", "10", "1", "1",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "code"),
    [
        (http("404 Not Found", b"No peer 1.", ours=True), "signed_out"),
        (http("403 Forbidden", b"Another address.", ours=True), "signed_out"),
        (http("401 Unauthorized", b"Expired.", ours=True), "signed_out"),
        (http("200 OK", b"Server shutting down", ours=True), "server_shutdown"),
    ],
)
async def test_the_servers_own_word_ends_it(own: bytes, code: str) -> None:
    async with (
        scripted_server(server([own])) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        with pytest.raises(SignalingLost) as raised:
            async for _ in alice:
                pass
        assert (raised.value.code, raised.value.fault) == (code, "remote")


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable", "408 T"])
async def test_what_a_server_cannot_do_now_it_can_do_later(status: str) -> None:
    polls = [http(status, b"Later.", ours=True), HELLO]
    async with (
        scripted_server(server(polls)) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        async for event in alice:
            if isinstance(event, MessageReceived):
                break


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_a_gateway_that_answers_for_good_ends_it_after_a_while(
    foreign: bytes, autojump_clock: MockClock
) -> None:
    async with (
        scripted_server(server([foreign] * 1000)) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        began = trio.current_time()
        with pytest.raises(SignalingLost) as raised:
            async for _ in alice:
                pass
        assert (raised.value.code, raised.value.fault) == ("signaling_lost", "network")
        assert "<" not in str(raised.value)
        assert str(raised.value).isprintable()
        assert 24 < trio.current_time() - began < 30


async def test_a_path_that_is_dead_is_given_up(autojump_clock: MockClock) -> None:
    """No attempt of those that get no answer moves the end."""
    async with (
        scripted_server(server()) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        began = trio.current_time()
        with pytest.raises(SignalingLost) as raised:
            async for _ in alice:
                pass
        assert (raised.value.code, raised.value.fault) == ("signaling_lost", "network")
        assert trio.current_time() - began < 60


async def test_a_dead_path_is_noticed_by_one_who_only_listens(autojump_clock: MockClock) -> None:
    async with (
        scripted_server(server()) as running,
        open_signaling(running.url, name="alice"),
    ):
        began = trio.current_time()
        while len(waits(running)) < 2:  # noqa: ASYNC110
            await trio.sleep(0.1)
        assert trio.current_time() - began < 20


async def test_a_gateway_that_cuts_off_what_hangs_is_got_along_with(
    autojump_clock: MockClock,
) -> None:
    inner = server()

    async def answer(target: str, body: bytes) -> bytes:
        if not target.startswith("/wait"):
            return await inner(target, body)
        seconds = float(target.partition("seconds=")[2])
        await trio.sleep(min(seconds, 4))
        return NOTHING if seconds < 4 else http("504 Gateway Timeout")

    async with (
        scripted_server(answer) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        await trio.sleep(1000)
        await alice.send(2, "still here")
        asked = [float(wait.partition("seconds=")[2]) for wait in waits(running)]
        assert max(asked[8:]) < 4


@pytest.mark.parametrize("lost", FOREIGN[:2])
async def test_a_message_that_has_not_arrived_is_sent_again(lost: bytes) -> None:
    async with (
        scripted_server(server(posts=[lost, lost])) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        await alice.send(2, "hello")
        assert len(running.lines("POST /message")) == 3


@pytest.mark.parametrize("foreign", FOREIGN[2:])
async def test_a_message_of_which_only_a_gateway_speaks(foreign: bytes) -> None:
    async with (
        scripted_server(server(posts=[foreign])) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        with pytest.raises(SignalingError) as raised:
            await alice.send(2, "hello")
        assert not isinstance(raised.value, Unknown)
        assert (raised.value.code, raised.value.fault) == ("send_failed", "network")
        assert "<" not in str(raised.value)
        # The next one may get through.
        await alice.send(2, "hello")


@pytest.mark.parametrize("status", ["500 Error", "404 Not Found"])
async def test_a_peer_that_the_server_does_not_know(status: str) -> None:
    gone = http(status, b"Peer most likely gone.", ours=True)
    async with (
        scripted_server(server(posts=[gone])) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        with pytest.raises(Unknown, match=r"Peer most likely gone\."):
            await alice.send(2, "hello")


async def test_a_peer_for_which_too_much_waits() -> None:
    full = http("503 Service Unavailable", b"Too much waits.", ours=True)
    async with (
        scripted_server(server(posts=[full])) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        with pytest.raises(SignalingError, match=r"Too much waits\.") as raised:
            await alice.send(2, "hello")
        assert (raised.value.code, raised.value.fault) == ("mailbox_full", "remote")


async def test_a_message_that_is_too_large_for_what_is_in_between() -> None:
    async with (
        scripted_server(server(posts=[http("413 Too Large", b"<html>")])) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        with pytest.raises(MessageTooLarge):
            await alice.send(2, "hello")


@pytest.mark.parametrize("alive", [True, False])
async def test_a_gateway_that_cuts_off_what_hangs_at_another_server(
    alive: bool, autojump_clock: MockClock
) -> None:
    """That one has no end to what hangs: a 504 tells nothing, until it is asked something else."""
    inner = server(ours=False)

    async def answer(target: str, body: bytes) -> bytes:
        if not target.startswith("/wait"):
            return await inner(target, body)
        if running.requests[-1].startswith(b"OPTIONS"):
            return http("200 OK" if alive else "504 Gateway Timeout")
        await trio.sleep(60)
        return http("504 Gateway Timeout")

    async with (
        scripted_server(answer) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        with trio.move_on_after(1000) as patience, pytest.raises(SignalingLost):
            async for _ in alice:
                pass
        assert patience.cancelled_caught == alive


async def test_other_servers_are_not_asked_for_what_they_cannot_do() -> None:
    polls = [http("200 OK", b"hello", pragma=2)]
    async with (
        scripted_server(server(polls, ours=False)) as running,
        open_signaling(running.url, name="alice") as alice,
    ):
        async for event in alice:
            if isinstance(event, MessageReceived):
                break
        await alice.send(2, "hello")
        assert set(waits(running)) == {"/wait?peer_id=1"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "foreign",
    [
        said("404 Not Found\r\nContent-Type: text/html", b"<html>"),
        said("403 Forbidden"),
        said("200 OK", b"<html>"),
        said("302 Found\r\nLocation: https://portal.example/"),
        b"nonsense\r\n\r\n",
    ],
)
@in_virtual_time
async def test_a_page_instead_of_a_server_ends_no_session(protocol: str, foreign: bytes) -> None:
    async with (
        tcp_server() as port,
        answering(foreign) as elsewhere,
        open_proxy(port) as (path, way),
        open_session(protocol, way) as alice,
    ):
        path.target = elsewhere
        path.cut()
        await path.wait_accepted(path.accepted + 1)
        path.target = port
        path.cut()
        await alice.exchange(port)

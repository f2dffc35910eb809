"""What the classic protocol promises its peers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.server import ServerLimits
from trio_rtc.server.hub.member_names import clean_name, decode_name

from ..harness import Answer, Client, MemoryServer, get, memory_server, post


async def two(server: MemoryServer) -> tuple[int, int]:
    """Alice and bob, who have heard of each other."""
    alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
    await server.poll(alice)
    return alice, bob


async def answered(client: Client) -> Answer:
    answer = await client.answer()
    assert answer is not None
    await client.stream.aclose()
    return answer


async def test_a_message_wakes_the_hanging_get() -> None:
    async with memory_server() as server:
        alice, bob = await two(server)
        hanging = await server.hang(bob)
        sent = await server.ask(post(alice, bob, b"hello", extra="Content-Type: a/b; c=d\r\n"))
        assert (sent.status, sent.body, sent.pragma) == (200, b"", None)
        answer = await answered(hanging)
        assert (answer.body, answer.pragma) == (b"hello", alice)
        assert answer.header("Content-Type") == "text/plain"


async def test_one_thing_per_answer_in_order() -> None:
    async with memory_server() as server:
        alice, bob = await two(server)
        for body in (b"1", b"2"):
            await server.ask(post(bob, alice, body))
        await server.ask(get(f"/sign_out?peer_id={bob}"))
        heard = [await server.poll(alice) for _ in range(3)]
        assert [(a.body, a.pragma) for a in heard] == [
            (b"1", bob),
            (b"2", bob),
            (b"bob,2,0\n", alice),
        ]


async def test_who_asks_for_them_gets_notices_together() -> None:
    """As far as nothing else comes between; none is told twice."""
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        ids = [await server.sign_in(name) for name in ("b", "c", "d")]
        await server.ask(post(ids[0], alice, b"hello"))
        await server.ask(get(f"/sign_out?peer_id={ids[0]}"))
        wait = get(f"/wait?peer_id={alice}&notices=2")
        heard = [(await server.ask(wait)).body for _ in range(4)]
        assert heard == [b"b,2,1\nc,3,1\n", b"d,4,1\n", b"hello", b"b,2,0\n"]
        # What has not reached its reader is told again.
        stuck = await server.listener.connect_unread()
        for name in ("e", "f", "g"):
            await server.sign_in(name)
        await stuck.send_all(wait)
        await trio.testing.wait_all_tasks_blocked()
        heard = [(await server.ask(wait)).body for _ in range(2)]
        assert heard == [b"e,5,1\nf,6,1\n", b"g,7,1\n"]
        await stuck.aclose()


@pytest.mark.parametrize("asked", ["x", "-1", "1" * 20])
async def test_notices_that_are_no_number(asked: str) -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        answer = await server.ask(get(f"/wait?peer_id={alice}&notices={asked}"))
        assert (answer.status, answer.body.endswith(b".")) == (400, True)


SCRIPT = b"<script>alert(document.domain)</script>"


@pytest.mark.parametrize(
    "value",
    ["text/html", "text/javascript", "image/svg+xml", "text/html, a/b", "TEXT/HTML;", "", "a/\xe9"],
)
async def test_nobodys_message_is_a_page_or_a_script(value: str) -> None:
    async with memory_server() as server:
        alice, bob = await two(server)
        for to in (alice, bob):
            head = f"POST /message?peer_id={alice}&to={to} HTTP/1.0\r\nContent-Type: {value}\r\n"
            request = f"{head}Content-Length: {len(SCRIPT)}\r\n\r\n".encode("latin-1") + SCRIPT
            sent = await server.ask(request)
            answer = sent if to == alice else await server.poll(bob)
            assert answer.body == SCRIPT
            assert answer.header("Content-Type") == "text/plain"
            assert answer.header("X-Content-Type-Options") == "nosniff"
            assert answer.header("Content-Security-Policy") == (
                "default-src 'none'; sandbox; frame-ancestors 'none'"
            )


@pytest.mark.parametrize("destination", ["document", "iframe", "image", "script", "serviceworker"])
@pytest.mark.parametrize("path", ["sign_in?x", "wait?peer_id=1", "sign_out?peer_id=1", "message"])
async def test_a_browser_that_does_not_fetch_is_refused(path: str, destination: str) -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        target = get(f"/{path}", extra=f"Sec-Fetch-Dest: {destination}\r\n")
        if path == "message":
            target = post(alice, alice, b"x", extra=f"Sec-Fetch-Dest: {destination}\r\n")
        answer = await server.ask(target)
        assert (answer.status, answer.body[-1:]) == (403, b".")
        assert server.statistics.refused == 1
        assert server.statistics.peers["classic"] == 1
        worker = get(f"/wait?peer_id={alice}", extra="Service-Worker: script\r\n")
        assert (await server.ask(worker)).status == 403


@pytest.mark.parametrize("path", ["sign_in?x", "wait?peer_id=1", "sign_out?peer_id=1"])
async def test_what_a_link_prefetches_is_refused(path: str) -> None:
    async with memory_server() as server:
        await server.sign_in("alice")
        head = "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: no-cors\r\n"
        assert (await server.ask(get(f"/{path}", extra=head))).status == 403
        assert server.statistics.peers["classic"] == 1
        asked = "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n"
        assert (await server.ask(get("/sign_in?bob", extra=asked))).status == 200


async def test_a_browser_that_fetches_is_served() -> None:
    async with memory_server() as server:
        answer = await server.ask(get("/sign_in?x", extra="Sec-Fetch-Dest: empty\r\n"))
        assert answer.status == 200


async def test_a_full_mailbox_refuses_with_a_sentence() -> None:
    async with memory_server(limits=ServerLimits(mailbox_messages=1)) as server:
        alice, bob = await two(server)
        assert (await server.ask(post(alice, bob, b"1"))).status == 200
        refused = await server.ask(post(alice, bob, b"2"))
        assert refused.status == 503
        assert refused.body.endswith(b".")
        assert (await server.poll(bob)).body == b"1"


@pytest.mark.parametrize("path", ["wait", "sign_out"])
async def test_unknown_peer(path: str) -> None:
    async with memory_server() as server:
        answer = await server.ask(get(f"/{path}?peer_id=999"))
        assert answer.status == 404
        assert b"999" in answer.body


async def test_the_newest_get_wins() -> None:
    async with memory_server() as server:
        alice, bob = await two(server)
        older = await server.hang(alice)
        newer = await server.hang(alice)
        assert await older.ended()
        await server.ask(post(bob, alice, b"x"))
        assert (await answered(newer)).body == b"x"


async def test_signing_out_ends_the_hanging_get_without_an_answer() -> None:
    async with memory_server() as server:
        alice, _ = await two(server)
        hanging = await server.hang(alice)
        assert (await server.ask(get(f"/sign_out?peer_id={alice}"))).status == 200
        assert await hanging.ended()
        assert (await server.poll(alice)).status == 404


async def test_sign_out_held_open_then_sign_in() -> None:
    """The classic server died of it."""
    async with memory_server() as server:
        alice, bob = await two(server)
        held = await server.connect()
        await held.send(get(f"/sign_out?peer_id={alice}"))
        await trio.testing.wait_all_tasks_blocked()
        assert await server.sign_in("carol") == 3
        assert (await answered(held)).status == 200
        assert (await server.poll(bob)).body == b"alice,1,0\n"


async def test_a_message_for_a_get_that_has_closed_stays() -> None:
    async with memory_server() as server:
        alice, bob = await two(server)
        hanging = await server.hang(bob)
        await hanging.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert (await server.ask(post(alice, bob, b"x"))).status == 200
        assert (await server.poll(bob)).body == b"x"


async def test_mail_whose_answer_fails_comes_first_again() -> None:
    """The reader never reads: its mail waits for a newer GET, in order."""
    async with memory_server() as server:
        alice, bob = await two(server)
        stuck = await server.listener.connect_unread()
        for body in (b"1", b"2", b"3"):
            await server.ask(post(alice, bob, body))
        await stuck.send_all(get(f"/wait?peer_id={bob}", version="1.1"))
        await trio.testing.wait_all_tasks_blocked()
        heard = [(await server.poll(bob)).body for _ in range(3)]
        assert heard == [b"1", b"2", b"3"]
        # Nothing may follow an answer that was cut off.
        with trio.fail_after(5):
            await Client(stuck).ended()
        await stuck.aclose()


async def test_keep_alive_and_pipelining() -> None:
    async with memory_server() as server:
        alice, bob = await two(server)
        client = await server.connect()
        await client.send(b"".join(post(alice, bob, b"%d" % i, version="1.1") for i in range(20)))
        for _ in range(20):
            answer = await client.answer()
            assert answer is not None
            assert (answer.status, answer.header("Connection")) == (200, "keep-alive")
        assert [(await server.poll(bob)).body for _ in range(20)] == [b"%d" % i for i in range(20)]
        await client.send(get("/nothing", version="1.1", extra="Connection: close\r\n"))
        answer = await client.answer()
        assert answer is not None
        assert answer.header("Connection") == "close"
        assert await client.ended()
        server.listener.close_clients()


async def test_continue() -> None:
    async with memory_server() as server:
        alice, bob = await two(server)
        client = await server.connect()
        request = post(alice, bob, b"hello", version="1.1", extra="Expect: 100-continue\r\n")
        head, body = request[:-5], request[-5:]
        await client.send(head)
        assert await client.informational() == b"HTTP/1.1 100 Continue"
        await client.send(body)
        assert (await answered(client)).status == 200
        assert (await server.poll(bob)).body == b"hello"


@pytest.mark.parametrize(
    "target", ["/message?peer_id=1&to=2", "/", "/peerjs/id", "/healthz", "/metrics", "/nothing"]
)
async def test_preflight_of_a_browser(target: str) -> None:
    async with memory_server() as server:
        answer = await server.ask(
            f"OPTIONS {target} HTTP/1.1\r\nHost: h\r\nOrigin: http://page\r\n"
            "Access-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: content-type\r\n\r\n".encode()
        )
        assert answer.status == 200
        assert "OPTIONS" in (answer.header("Allow") or "")
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert "POST" in (answer.header("Access-Control-Allow-Methods") or "")
        assert "Content-Type" in (answer.header("Access-Control-Allow-Headers") or "")


async def test_a_half_closed_sender_has_its_answer() -> None:
    async with memory_server() as server:
        client = await server.connect()
        await client.send(get("/sign_in?x"))
        assert isinstance(client.stream, trio.abc.HalfCloseableStream)
        await client.stream.send_eof()
        assert (await answered(client)).pragma == 1


async def test_who_goes_before_the_answer_to_a_sign_in_is_signed_out() -> None:
    """It would not know its id, and be there for others as long as one that is silent."""
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        hanging = await server.hang(alice)
        client = await server.connect()
        await client.send(get("/sign_in?bob"))
        await client.stream.aclose()
        assert (await answered(hanging)).body == b"bob,2,1\n"
        assert (await server.poll(alice)).body == b"bob,2,0\n"
        assert "bob" not in (await server.ask(get("/sign_in?carol"))).body.decode()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"a%2Cb,c+d%20%C3%A9%zz", "a_b_c d \xe93".encode()),
        (b"evil%0Ax,7,1%0D%00%7F", b"evil_x_7_1___"),
        (b"line%E2%80%A8para%E2%80%A9nel%C2%85", b"line_para_nel_"),
        (b"100%", b"100%"),
        (b"%4", b"%4"),
        (b"x" * 511 + "\xe9".encode(), b"x" * 511),
        (b"x" * 510 + "\xe9".encode(), b"x" * 510 + "\xe9".encode()),
        (b"%FF" * 600, b"\xff" * 512),
        (b"%FFabc", b"\xffabc"),
    ],
)
def test_names(query: bytes, name: bytes) -> None:
    assert as_bytes(clean_name(decode_name(query))) == name


@given(st.binary(max_size=700))
def test_a_name_is_one_entry_of_at_most_512_bytes(query: bytes) -> None:
    name = as_bytes(clean_name(decode_name(query)))
    assert len(name) <= 512
    assert b"," not in name
    assert not any(byte < 32 or byte == 127 for byte in name)
    assert len(name.decode("utf-8", "replace").splitlines()) <= 1


def as_bytes(name: bytes | str) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")


async def test_a_name_that_is_no_utf_8_goes_round() -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        answer = await server.ask(b"GET /sign_in?m\xfcller HTTP/1.0\r\n\r\n")
        assert answer.body == b"m\xfcller,2,1\nalice,1,1\n"
        assert (await server.poll(alice)).body == b"m\xfcller,2,1\n"


@pytest.mark.parametrize(
    "ask", [lambda peer: get(f"/wait?peer_id={peer}"), lambda peer: post(peer, 1, b"x")]
)
async def test_the_first_parameter_counts(ask: Callable[[int], bytes]) -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        await server.sign_in("bob")
        request = ask(alice).replace(b" HTTP", b"&peer_id=2 HTTP")
        assert (await server.ask(request)).pragma == alice

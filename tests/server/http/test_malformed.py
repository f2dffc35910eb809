"""What is no request, or not plainly one, gets a sentence or an end; the next client an answer."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
import trio.testing

from trio_rtc.server import ServerLimits

from ..harness import get, memory_server, post

GET = b"GET /wait?peer_id=1 HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /message?peer_id=1&to=2 HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

#: What a client sends, and the status that it gets.
HEADS = [
    ("bare_lf", b"GET / HTTP/1.1\nHost: x\n\n", 400),
    ("bare_lf_at_the_end", GET + b"X: y\r\n\n", 400),
    ("bare_lf_in_headers", GET + b"X: y\nZ: z\r\n\r\n", 400),
    ("bare_cr_in_header", GET + b"X: y\rz\r\n\r\n", 400),
    ("obs_fold", GET + b"X: y\r\n z\r\n\r\n", 400),
    ("obs_fold_tab", GET + b"X: y\r\n\tz\r\n\r\n", 400),
    ("space_before_headers", b"GET / HTTP/1.1\r\n X: y\r\n\r\n", 400),
    ("space_before_colon", GET + b"X : y\r\n\r\n", 400),
    ("no_colon", GET + b"nonsense\r\n\r\n", 400),
    ("no_name", GET + b": y\r\n\r\n", 400),
    ("nul_in_value", GET + b"X: a\x00b\r\n\r\n", 400),
    ("nul_in_name", GET + b"X\x00: a\r\n\r\n", 400),
    ("nul_in_target", b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("control_in_value", GET + b"X: a\x01b\r\n\r\n", 400),
    ("delete_in_value", GET + b"X: a\x7fb\r\n\r\n", 400),
    ("high_byte_in_name", GET + b"\xff: a\r\n\r\n", 400),
    ("no_host", b"GET /wait?peer_id=1 HTTP/1.1\r\n\r\n", 400),
    ("two_hosts", GET + b"Host: x\r\n\r\n", 400),
    ("two_hosts_1_0", b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    ("high_byte_in_host", b"GET /x HTTP/1.1\r\nHost: \xff\r\n\r\n", 404),
    ("high_byte_in_target", b"GET /\xff HTTP/1.0\r\n\r\n", 404),
    ("tab_in_target", b"GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("long_header", GET + b"X: " + b"y" * 65536 + b"\r\n\r\n", 431),
    ("long_line", b"GET /" + b"y" * 65536 + b" HTTP/1.1\r\n\r\n", 414),
    ("many_headers", GET + b"X: y\r\n" * 500 + b"\r\n", 431),
    ("lower_case_method", b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("unknown_method", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ("http_0_9", b"GET /\r\n\r\n", 505),
    ("http_2_preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("http_2_version", b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ("http_1_2", b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    ("http_1_10", b"GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400),
    ("no_version_number", b"GET / HTTP/\r\nHost: x\r\n\r\n", 400),
    ("lower_case_version", b"GET / http/1.1\r\nHost: x\r\n\r\n", 400),
    ("other_protocol", b"GET / ICE/1.0\r\n\r\n", 400),
    ("empty_target", b"GET  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("target_without_slash", b"GET wait HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("query_without_path", b"GET ?x HTTP/1.0\r\n\r\n", 400),
    ("tls_client_hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 90, 400),
    ("socks", b"\x05\x01\x00", 400),
    ("ssh", b"SSH-2.0-OpenSSH_9.6\r\n", 501),
    ("spaces", b"    \r\n\r\n", 400),
    ("json", b'{"type": "offer"}\r\n\r\n', 400),
    ("both_lengths", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("both_lengths_turned", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    ("two_lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    ("length_list", POST + b"Content-Length: 5, 6\r\n\r\n", 400),
    ("negative_length", POST + b"Content-Length: -1\r\n\r\n", 400),
    ("plus_length", POST + b"Content-Length: +5\r\n\r\n", 400),
    ("hex_length", POST + b"Content-Length: 0x5\r\n\r\n", 400),
    ("empty_length", POST + b"Content-Length:\r\n\r\n", 400),
    ("huge_length", POST + b"Content-Length: 99999999999999\r\n\r\n", 413),
    ("overflowing_length", POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    ("gzip", POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    ("gzip_chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("chunked_1_0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunk_size", CHUNKED + b"zz\r\n", 400),
    ("negative_chunk", CHUNKED + b"-1\r\n", 400),
    ("chunk_too_long", CHUNKED + b"3\r\nabcdef\r\n", 400),
    ("huge_chunk", CHUNKED + b"ffffffffffffffffff\r\n", 400),
    ("upgrade", GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
    ("connect", b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 404),
    ("absolute", b"GET http://h:8888/wait?peer_id=7 HTTP/1.1\r\nHost: h\r\n\r\n", 404),
    ("trace", b"TRACE /wait HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    ("delete", b"DELETE /sign_in?x HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    ("post_wait", b"POST /wait?peer_id=1 HTTP/1.0\r\n\r\n", 405),
    ("post_sign_in", b"POST /sign_in?x HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 405),
    ("get_message", b"GET /message?peer_id=1&to=2 HTTP/1.0\r\n\r\n", 405),
    ("quit", b"GET /quit HTTP/1.0\r\n\r\n", 404),
    ("no_peer_id", b"GET /wait HTTP/1.0\r\n\r\n", 400),
    ("empty_peer_id", b"GET /wait?peer_id= HTTP/1.0\r\n\r\n", 400),
    ("word_as_peer_id", b"GET /wait?peer_id=abc HTTP/1.0\r\n\r\n", 400),
    ("negative_peer_id", b"GET /wait?peer_id=-1 HTTP/1.0\r\n\r\n", 400),
    ("foreign_digits", b"GET /wait?peer_id=%D9%A1 HTTP/1.0\r\n\r\n", 400),
    ("endless_peer_id", b"GET /wait?peer_id=" + b"9" * 9000 + b" HTTP/1.0\r\n\r\n", 400),
    ("no_target", b"POST /message?peer_id=1 HTTP/1.0\r\n\r\n", 400),
]


@pytest.mark.parametrize(
    ("data", "status"), [pytest.param(*rest, id=name) for name, *rest in HEADS]
)
@pytest.mark.parametrize("bytewise", [False, True])
async def test_malformed(data: bytes, status: int, bytewise: bool) -> None:
    if bytewise and len(data) > 20_000:
        data = data[:20_000]
    async with memory_server() as server:
        client = await server.connect()
        with suppress(trio.BrokenResourceError):
            # It may have heard enough before the end.
            for piece in [data[i : i + 1] for i in range(len(data))] if bytewise else [data]:
                await client.send(piece)
        answer = await client.answer()
        assert answer is not None
        assert answer.status == status
        assert answer.header("Content-Type") == "text/plain"
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.body.endswith(b".")
        await server.is_well()
        await client.stream.aclose()


async def test_wrong_method_names_the_right_one() -> None:
    async with memory_server() as server:
        answer = await server.ask(b"PUT /message HTTP/1.0\r\n\r\n")
        assert (answer.status, answer.header("Allow")) == (405, "POST, OPTIONS")


async def test_head_has_no_body() -> None:
    """A body here would be taken for the next answer."""
    async with memory_server() as server:
        client = await server.connect()
        await client.send(b"HEAD /sign_in HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await client.informational()
        assert head.startswith(b"HTTP/1.1 405 ")
        await client.send(get("/nothing", version="1.1"))
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 404
        await client.stream.aclose()


async def test_an_error_reaches_a_client_that_is_still_sending() -> None:
    async with memory_server(limits=ServerLimits(body_bytes=1000)) as server:
        client = await server.connect()
        await client.send(POST + b"Content-Length: 2000000\r\n\r\n")
        for _ in range(20):
            await client.send(b"x" * 100_000)
        answer = await client.answer()
        assert answer is not None
        assert (answer.status, answer.header("Connection")) == (413, "close")
        await client.stream.aclose()


async def test_surplus_is_no_part_of_a_message() -> None:
    """60 kB behind a body, and then the end: the classic server died of it."""
    async with memory_server() as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        client = await server.connect()
        await client.send(post(bob, alice, b"hello") + b"z" * 60_000)
        answer = await client.answer()
        assert answer is not None
        assert answer.status == 200
        await client.stream.aclose()
        assert (await server.poll(alice)).body == b"bob,2,1\n"
        assert (await server.poll(alice)).body == b"hello"
        hanging = await server.hang(alice)
        assert await trio_silent(hanging.stream)
        await hanging.stream.aclose()


async def trio_silent(stream: trio.abc.Stream) -> bool:
    with trio.move_on_after(0.05) as scope:
        await stream.receive_some()
    return scope.cancelled_caught


@pytest.mark.parametrize("size", [0, 3, 300])
async def test_what_a_client_sends_while_its_get_hangs_is_kept(size: int) -> None:
    async with memory_server() as server:
        alice, bob = await server.sign_in("alice"), await server.sign_in("bob")
        await server.poll(alice)
        client = await server.hang(alice, version="1.1")
        await client.send(post(alice, bob, b"x" * size, version="1.1"))
        await trio.testing.wait_all_tasks_blocked()
        assert (await server.ask(post(bob, alice, b"wake"))).status == 200
        for body in (b"wake", b""):
            answer = await client.answer()
            assert answer is not None
            assert (answer.status, answer.body) == (200, body)
        assert (await server.poll(bob)).body == b"x" * size
        await client.stream.aclose()


async def test_too_much_while_a_get_hangs_ends_the_connection() -> None:
    async with memory_server() as server:
        alice = await server.sign_in("alice")
        client = await server.hang(alice, version="1.1")
        await client.send(b"x" * 100_000)
        assert await client.ended()
        bob = await server.sign_in("bob")
        assert (await server.poll(alice)).body == b"bob,%d,1\n" % bob

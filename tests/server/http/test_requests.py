"""Reading requests and writing answers, without a network."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trio_rtc.server import ServerLimits
from trio_rtc.server.http.requests import Request, RequestError
from trio_rtc.server.http.responses import Response
from trio_rtc.server.http.serving.request_heads import read_head
from trio_rtc.server.http.serving.request_parser import RequestParser

LIMITS = ServerLimits(head_bytes=200, body_bytes=50, header_count=5)
POST = b"POST /message?peer_id=1&to=2 HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

Outcome = tuple[list[Request], int | None]


def parse(*pieces: bytes, limits: ServerLimits = LIMITS) -> Outcome:
    """The requests in what is fed, and the status of what ends them."""
    parser = RequestParser(limits)
    requests = []
    try:
        for piece in pieces:
            parser.feed(piece)
            while (request := parser.next_request()) is not None:
                requests.append(request)
                if not request.keep_alive:
                    return requests, None
    except RequestError as error:
        return requests, error.status
    return requests, None


def one(data: bytes) -> Request:
    requests, status = parse(data)
    assert status is None
    (request,) = requests
    return request


def test_a_request() -> None:
    request = one(POST + b"Content-Type: a/b\r\nContent-Length: 3\r\n\r\nabc")
    assert (request.method, request.path, request.query) == (
        "POST",
        "/message",
        b"peer_id=1&to=2",
    )
    assert request.body == b"abc"
    assert request.headers["content-type"] == "a/b"
    assert request.keep_alive


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        (b"GET /sign_in?user name HTTP/1.0", "/sign_in", b"user"),
        (b"GET /sign_in?a b c HTTP/1.0", "/sign_in", b"a"),
        (b"GET /sign_in?\xc3\xa9 HTTP/1.0", "/sign_in", b"%C3%A9"),
        (b"GET /sign_in?a?b#c HTTP/1.0", "/sign_in", b"a?b#c"),
        (b"GET http://h:1/wait?peer_id=1 HTTP/1.0", "/wait", b"peer_id=1"),
        (b"GET HTTP://h?x HTTP/1.0", "/", b"x"),
        (b"OPTIONS * HTTP/1.0", "*", b""),
    ],
)
def test_targets(line: bytes, path: str, query: bytes) -> None:
    request = one(line + b"\r\n\r\n")
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"close", False),
        (b"1.1", b"Keep-Alive, Close", False),
        (b"1.0", b"", False),
        (b"1.0", b"Keep-Alive", True),
    ],
)
def test_keep_alive(version: bytes, connection: bytes, keep_alive: bool) -> None:
    head = b"GET / HTTP/%s\r\nHost: x\r\nConnection: %s\r\n\r\n" % (version, connection)
    assert one(head).keep_alive is keep_alive


def test_what_follows_a_body_is_the_next_request() -> None:
    """The body comes in two parts, the second with a whole request behind it."""
    requests, status = parse(
        POST + b"Content-Length: 10\r\n\r\n12345", b"67890GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert status is None
    assert [(r.method, r.path, r.query, r.body) for r in requests] == [
        ("POST", "/message", b"peer_id=1&to=2", b"1234567890"),
        ("GET", "/a", b"b", b""),
    ]


def test_what_follows_a_chunked_body_does_not_change_its_request() -> None:
    request = one(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /evil?x HTTP/1.1\r\nX: y\r\n\r\n")
    assert (request.method, request.path, request.query) == (
        "POST",
        "/message",
        b"peer_id=1&to=2",
    )
    assert request.body == b"abcde"
    assert "x" not in request.headers
    # Where it ends is known to its parser only.
    assert not request.keep_alive


def test_an_offer_to_upgrade_does_not_shorten_a_request() -> None:
    """Otherwise the body would be read as a request of its own."""
    head = POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    body = b"GET /evil HTTP/1.0\r\n\r\n"
    assert one(head + b"Content-Length: %d\r\n\r\n" % len(body) + body).body == body
    assert parse(head + b"Transfer-Encoding: chunked\r\n\r\n") == ([], 400)


def test_empty_lines_before_a_request() -> None:
    assert one(b"\r\n\r\nGET / HTTP/1.0\r\n\r\n").path == "/"


def test_limits() -> None:
    assert parse(b"GET /" + b"x" * 200) == ([], 414)
    assert parse(b"GET / HTTP/1.0\r\nX: " + b"x" * 200) == ([], 431)
    assert parse(b"GET / HTTP/1.0\r\n" + b"X: y\r\n" * 6 + b"\r\n") == ([], 431)
    assert parse(POST + b"Content-Length: 51\r\n\r\n") == ([], 413)
    assert parse(CHUNKED + b"33\r\n" + b"x" * 51) == ([], 413)
    assert len(one(POST + b"Content-Length: 50\r\n\r\n" + b"x" * 50).body) == 50


@pytest.mark.parametrize(
    ("head", "why"),
    [
        # The parser refuses most of them as well: this is what the client is told.
        (b"GET / HTTP/1.0\nX: y\r\n\r\n", "A line of the request ends without CR LF."),
        (b"GET / HTTP/1.0\r\nX: y\r\n z\r\n\r\n", "A header of the request is folded."),
        (b"GET / HTTP/1.0\r\nX: y\r\n\tz\r\n\r\n", "A header of the request is folded."),
        (
            POST + b"Content-Length: " + b"0" * 19 + b"\r\n\r\n",
            "The Content-Length is not a number.",
        ),
        (POST + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n", "A message may have 50 bytes here."),
        (b"GET / HTTP/1.1\r\n\r\n", "A request has one header Host."),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "A request has one header Host."),
    ],
)
def test_what_a_client_is_told(head: bytes, why: str) -> None:
    parser = RequestParser(LIMITS)
    parser.feed(head)
    with pytest.raises(RequestError, match=re.escape(why)):
        parser.next_request()


def test_the_wish_for_continue_is_told_once() -> None:
    parser = RequestParser(LIMITS)
    parser.feed(POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert parser.next_request() is None
    assert parser.wants_continue
    assert not parser.wants_continue
    parser.feed(b"abc")
    request = parser.next_request()
    assert request is not None
    assert request.body == b"abc"
    assert not parser.wants_continue
    # Nor is anything told before all headers are there.
    parser.feed(POST + b"Expect: 100-continue\r\n")
    assert parser.next_request() is None
    assert not parser.wants_continue
    parser.feed(b"Content-Length: 3\r\n\r\n")
    assert parser.next_request() is None
    assert parser.wants_continue


PIECES = st.sampled_from(
    [
        b"GET /sign_in?x HTTP/1.1\r\n",
        b"GET /sign_in?x y HTTP/1.0\r\n",
        POST,
        CHUNKED,
        b"Host: x\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 51\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: Upgrade\r\nUpgrade: x\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\x00",
        b"\xff",
        b"12345",
        b"5\r\n12345\r\n",
        b"0\r\n\r\n",
        b"A" * 90,
        b"\x16\x03\x01",
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join)


@settings(max_examples=400)
@given(data=STREAMS, cuts=st.lists(st.integers(0, 600), max_size=6))
@example(data=b"\x16" + b"A" * 300, cuts=[1])
@example(data=POST + b"Content-Length: 5\r\n\r\n12345" + POST, cuts=[70])
def test_the_cut_of_the_bytes_does_not_matter(data: bytes, cuts: list[int]) -> None:
    whole = parse(data)
    edges = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(edges)]
    assert parse(*parts) == whole
    assert parse(*(data[i : i + 1] for i in range(len(data)))) == whole


@settings(max_examples=400)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parse(data)


def test_an_answer() -> None:
    response = Response(405, "Method Not Allowed", b"no", extra={"Allow": "GET"})
    head, _, body = response.encode(keep_alive=True).partition(b"\r\n\r\n")
    assert body == b"no"
    assert [line.split(b":")[0] for line in head.split(b"\r\n")[1:8]] == [
        b"Server",
        b"Cache-Control",
        b"Connection",
        b"Content-Type",
        b"Content-Length",
        b"Allow",
        b"Access-Control-Allow-Origin",
    ]
    assert response.encode(keep_alive=True, head_only=True) == head + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("content_type", "is_page"),
    [("text/html", True), ("text/html; charset=utf-8", True), ("text/plain", False), (None, False)],
)
def test_what_is_no_page_cannot_become_one(content_type: str | None, is_page: bool) -> None:
    head = Response(200, "OK", b"x", content_type=content_type).encode(keep_alive=False).decode()
    assert ("Content-Security-Policy: default-src 'none'" in head) is not is_page
    assert "X-Content-Type-Options: nosniff\r\n" in head
    assert ("Content-Type:" in head) is (content_type is not None)
    assert "Connection: close\r\n" in head


@pytest.mark.parametrize(("status", "has_body"), [(200, True), (303, True), (304, False)])
def test_what_has_not_changed_is_not_sent(status: int, has_body: bool) -> None:
    answer = Response(status, "x", b"body").encode(keep_alive=True)
    assert b"Content-Length: 4\r\n" in answer
    assert answer.endswith(b"\r\n\r\nbody" if has_body else b"\r\n\r\n")


def test_empty_lines_before_a_request_are_dropped_as_they_come() -> None:
    """Kept, each would be looked at again for each of those that follow."""
    parser = RequestParser(ServerLimits())
    for _ in range(1000):
        parser.feed(b"\r\n\r")
        assert parser.next_request() is None
        parser.feed(b"\n")
        assert parser.next_request() is None
        assert parser.buffered == 0
    parser.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert parser.next_request() is not None
    parser.feed(b"\r\n" * 8192)
    assert parser.next_request() is None
    parser.feed(b"\r\n")
    with pytest.raises(RequestError) as info:
        parser.next_request()
    assert (info.value.status, info.value.limit) == (400, "head_bytes")
    odd = RequestParser(ServerLimits(head_bytes=201))
    odd.feed(b"\r\n" * 100)
    assert odd.next_request() is None
    odd.feed(b"\r\n")
    with pytest.raises(RequestError):
        odd.next_request()


@pytest.mark.parametrize(
    "framing", [b"0\r\n", b"0\r\nname: ", b"1;"], ids=["trailer", "value", "extension"]
)
def test_a_chunked_body_is_not_all_framing(framing: bytes) -> None:
    """Whoever reads it keeps a trailer's name until its end."""
    with pytest.raises(RequestError) as info:
        feed_without_end(CHUNKED + framing, b"a" * 100)
    assert (info.value.status, info.value.limit) == (400, "body_bytes")


def feed_without_end(begin: bytes, piece: bytes) -> None:
    parser = RequestParser(LIMITS)
    parser.feed(begin)
    for _ in range(1000):
        assert parser.next_request() is None
        parser.feed(piece)


def test_chunks_of_one_byte_are_a_body() -> None:
    assert one(CHUNKED + b"1\r\nX\r\n" * 50 + b"0\r\n\r\n").body == b"X" * 50


def test_a_head_that_comes_again_is_not_read_again() -> None:
    """Who polls asks the same again and again."""
    head = b"GET /wait?peer_id=7 HTTP/1.1\r\nHost: x\r\n\r\n"
    assert one(head) is one(head)
    post = POST + b"Content-Length: 4\r\n\r\n"
    first, second = one(post + b"abcd"), one(post + b"efgh")
    assert (first.body, second.body) == (b"abcd", b"efgh")
    assert first.all_headers is second.all_headers


def test_a_long_head_is_not_kept_for_when_it_comes_again() -> None:
    """With a token or a cookie it is of one client, and there are as many as there are clients."""
    head = b"GET /wait HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 500 + b"\r\n\r\n"
    requests = [parse(head, limits=ServerLimits())[0][0] for _ in range(2)]
    assert requests[0] is not requests[1]
    assert requests[0].headers["x"] == "y" * 500


def test_a_head_is_read_anew_under_other_limits() -> None:
    post = POST + b"X: y\r\nContent-Length: 40\r\n\r\n" + b"x" * 40
    assert len(one(post).body) == 40
    assert parse(post, limits=ServerLimits(body_bytes=39)) == ([], 413)
    assert parse(post, limits=ServerLimits(header_count=2)) == ([], 431)
    assert len(one(post).body) == 40


def test_what_came_behind_the_last_request_is_handed_over() -> None:
    parser = RequestParser(LIMITS)
    assert not parser.in_request
    parser.feed(POST + b"Content-Length: 3\r\n\r\nabcbehind it")
    assert parser.next_request() is not None
    assert parser.in_request
    assert parser.take_rest() == b"behind it"
    assert (parser.in_request, parser.buffered, parser.take_rest()) == (False, 0, b"")


def test_a_head_may_have_so_many_bytes_and_no_more() -> None:
    head = POST + b"X: "
    end = b"\r\n\r\n"
    fill = LIMITS.head_bytes - len(head) - len(end)
    for more, status in ((0, None), (1, 431)):
        # Whether it comes at once or byte by byte.
        data = head + b"x" * (fill + more) + end
        for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
            requests, told = parse(*pieces)
            assert (len(requests), told) == (1 - bool(more), status)


def test_a_chunked_body_may_have_so_much_of_framing() -> None:
    """Eight bytes for each of the body, and as many as a head."""
    # One chunk of one byte, and then an extension of the next one that does not end.
    begin = b"1\r\nx\r\n1;"
    fill = LIMITS.head_bytes + 8 + 1 - len(begin)
    for more, status in ((0, None), (1, 400)):
        assert parse(CHUNKED, begin + b"e" * (fill + more)) == ([], status)


def test_what_is_wrong_with_a_request_is_its_text() -> None:
    error = RequestError(400, "Bad Request", "This is not an HTTP request.")
    assert str(error) == error.sentence == "This is not an HTTP request."
    assert error.limit is None


def test_items_of_a_list_may_stand_in_several_headers() -> None:
    request = one(
        b"GET / HTTP/1.1\r\nHost: x\r\n"
        b"Connection: a,  B\r\nX: n\r\nConnection: keep-alive ,c\r\n\r\n"
    )
    assert request.options("connection") == {"a", "b", "keep-alive", "c"}


def test_what_is_kept_of_a_request_is_counted() -> None:
    parser = RequestParser(LIMITS)
    assert parser.kept == 0
    parser.feed(POST + b"Content-Length: 30\r\n\r\nabc")
    assert parser.next_request() is None
    assert parser.kept >= len(b"abc")


@pytest.mark.parametrize(
    "framing",
    [
        [("content-length", "3"), ("content-length", "3")],
        [("content-length", "3"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    ],
)
def test_a_body_has_one_framing_whatever_the_parser_lets_through(
    framing: list[tuple[str, str]],
) -> None:
    """The parser refuses these before, as long as it is this one."""
    with pytest.raises(RequestError, match="given twice") as raised:
        read_head(
            b"POST",
            b"/message",
            "1.1",
            [("host", "x"), *framing],
            size=100,
            upgrade=False,
            most_headers=5,
            most_body=50,
        )
    assert raised.value.status == 400

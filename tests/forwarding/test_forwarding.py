"""Connections through real calls: both ways, half closed, refused."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_rtc import ForwardError, forward_to, serve_forward

from ..calls.both_sides import Ends, open_both
from ..ports import free_port

Handler = Callable[[trio.SocketStream], Awaitable[object]]


async def shout(stream: trio.SocketStream) -> None:
    """Answers when all has come: who does not half-close never hears anything."""
    async with stream:
        said = b"".join([part async for part in stream])
        await stream.send_all(said.upper())


@asynccontextmanager
async def target(handler: Handler) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def forwarding(
    to: str, at: str, *, remote: bool = False, **allowed: Any
) -> AsyncIterator[Ends]:
    async with open_both() as ends, trio.open_nursery() as nursery:
        await nursery.start(partial(serve_forward, ends.bob, **allowed))
        await nursery.start(partial(forward_to, ends.alice, to, at, remote=remote))
        yield ends
        nursery.cancel_scope.cancel()


async def ask(stream: trio.SocketStream, text: bytes) -> bytes:
    async with stream:
        try:
            await stream.send_all(text)
            await stream.send_eof()
            return b"".join([part async for part in stream])
        except trio.BrokenResourceError:
            # Closed before all was read: TCP resets the connection.
            return b""


async def test_a_connection_goes_through_and_is_half_closed() -> None:
    port = free_port()
    async with target(shout) as to, forwarding(to, str(port), allow=[to]):
        for text in [b"hello", b"", b"x" * 1_000_000]:
            stream = await trio.open_tcp_stream("localhost", port)
            assert await ask(stream, text) == text.upper()


async def test_many_at_once() -> None:
    port = free_port()
    async with target(shout) as to, forwarding(to, str(port), allow=[to]):

        async def one(number: int) -> None:
            text = f"connection {number} ".encode() * 1000
            assert await ask(await trio.open_tcp_stream("localhost", port), text) == text.upper()

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)


async def test_unix_sockets_at_both_ends(tmp_path: Path) -> None:
    near, far = str(tmp_path / "near"), str(tmp_path / "far")
    async with (
        target(shout) as to,
        forwarding(to, near, allow=[to]) as ends,
        trio.open_nursery() as nursery,
    ):
        assert os.stat(near).st_mode & 0o077 == 0  # noqa: PTH116
        assert await ask(await trio.open_unix_socket(near), b"one") == b"ONE"
        # The other way, from one socket to the next.
        await nursery.start(partial(serve_forward, ends.alice, [near]))
        await nursery.start(partial(forward_to, ends.bob, near, far))
        assert await ask(await trio.open_unix_socket(far), b"two") == b"TWO"
        nursery.cancel_scope.cancel()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_the_other_side_listens() -> None:
    port = free_port()
    async with (
        target(shout) as to,
        forwarding(to, str(port), remote=True, allow_listen=[str(port)]),
    ):
        stream = await trio.open_tcp_stream("localhost", port)
        assert await ask(stream, b"hello") == b"HELLO"


async def test_what_is_not_allowed_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    async with target(shout) as to, forwarding(to, str(port), allow=["127.0.0.1:1"]) as ends:
        stream = await trio.open_tcp_stream("localhost", port)
        assert await ask(stream, b"hello") == b""
        assert "is not allowed" in caplog.text
        with pytest.raises(ForwardError) as caught:
            await forward_to(ends.alice, to, "7", remote=True)
        assert caught.value.code == "not_allowed"


async def test_a_target_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    port, nobody = free_port(), free_port()
    async with forwarding(f"127.0.0.1:{nobody}", str(port), allow=["127.0.0.1:*"]):
        stream = await trio.open_tcp_stream("localhost", port)
        assert await ask(stream, b"hello") == b""
        assert "Connection refused" in caplog.text


async def test_a_port_that_is_taken() -> None:
    async with target(shout) as taken, open_both() as ends:
        with pytest.raises(ForwardError) as caught:
            await forward_to(ends.alice, "localhost:1", taken)
        assert caught.value.code == "cannot_listen"


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_curl_through_it(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("a page\n" * 100_000)
    port = free_port()
    with web_server(tmp_path) as to:
        async with forwarding(to, str(port), allow=[to]):
            done = await trio.run_process(
                ["curl", "--silent", "--fail", f"http://localhost:{port}/page.txt"],
                capture_stdout=True,
            )
            assert done.stdout == (tmp_path / "page.txt").read_bytes()

"""A connection to Redis: requests with their answers, and what is pushed, in one order (RESP3).

A client library with a pool has two connections for the two, whose order among each other is
lost: a notice overtakes the answer before it. On one connection it is the order in which Redis did
things.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import hiredis
import trio

from ...tasks import leaves, open_background_nursery
from .redis_address import RedisAddress

RECEIVE_BYTES: Final = 64 * 1024


class RedisLost(Exception):
    """There is no connection to Redis, or not any more; the message says why, on one line."""


class RedisRefused(Exception):
    """Redis does not do what it was asked.

    Attributes:
        code: the first word of what it says, such as ``WRONGPASS``.
    """

    def __init__(self, message: str):
        super().__init__(message)
        self.code = message.partition(" ")[0]


class RedisConnection:
    """One that is open; comes from `open_redis`. It has one writer at a time."""

    def __init__(self, stream: trio.abc.Stream, on_push: Callable[[list[Any]], None]):
        self._stream = stream
        self._on_push = on_push
        self._reader = hiredis.Reader()
        self._waiting: deque[Callable[[Any], None]] = deque()
        self._sending = trio.Lock()

    async def request(
        self, *words: bytes | str | int, then: Callable[[Any], None] | None = None
    ) -> Any:
        """Have something done, and give the answer.

        Args:
            words: the command and its arguments.
            then: called with the answer in its order with what is pushed.

        Raises:
            RedisRefused: Redis does not do it.
            RedisLost: the connection has ended.
        """
        answers: list[Any] = []
        answered = trio.Event()

        def on_answer(answer: Any) -> None:
            answers.append(answer)
            answered.set()
            if then is not None and not isinstance(answer, hiredis.ReplyError):
                then(answer)

        async with self._sending:
            self._waiting.append(on_answer)
            await self._send(_packed(words))
        await answered.wait()
        if isinstance(answers[0], hiredis.ReplyError):
            raise RedisRefused(str(answers[0]))
        return answers[0]

    async def subscribe(self, channel: str) -> None:
        """Have pushed what is published there. What is asked after this is answered after it."""
        async with self._sending:
            await self._send(_packed(("SUBSCRIBE", channel)))

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise RedisLost("the connection to Redis was lost") from error

    async def receive(self) -> None:
        """Take in what comes, until the connection ends.

        Raises:
            RedisLost: it has.
        """
        while True:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise RedisLost("the connection to Redis was lost") from error
            if not data:
                raise RedisLost("Redis has closed the connection")
            self._reader.feed(bytes(data))
            try:
                while (got := self._reader.gets()) is not False:
                    self._take(got)
            except hiredis.ProtocolError as error:
                raise RedisLost(f"this is no Redis: {error}") from error

    def _take(self, got: Any) -> None:
        if isinstance(got, hiredis.PushNotification):
            self._on_push(list(got))
        elif self._waiting:
            self._waiting.popleft()(got)
        else:
            raise RedisLost("Redis has answered what nobody has asked")


def _packed(words: Sequence[bytes | str | int]) -> bytes:
    pack: Callable[[Any], bytes] = hiredis.pack_command
    return pack(tuple(words))


@asynccontextmanager
async def open_redis(
    address: RedisAddress,
    on_push: Callable[[list[Any]], None],
    ssl_context: ssl.SSLContext | None = None,
    *,
    seconds: float = 3.0,
) -> AsyncIterator[RedisConnection]:
    """A connection to Redis for a block.

    Args:
        address: where; if Sentinels are to say that, they have been asked.
        on_push: called with what is pushed, in its order.
        ssl_context: how to verify it; by default by the system's authorities.
        seconds: how long it may take to let us in.

    Raises:
        RedisLost: there is none, or it has ended.
        RedisRefused: it does not let us in.
    """
    with trio.CancelScope(deadline=trio.current_time() + seconds) as opening:
        stream = await _open_stream(address, ssl_context)
    if opening.cancelled_caught:
        raise RedisLost(f"no answer from {address} within {seconds:g} seconds")
    try:
        async with _one_loss(), open_background_nursery() as nursery:
            connection = RedisConnection(stream, on_push)
            nursery.start_soon(connection.receive)
            with trio.move_on_after(seconds) as greeting:
                await _greet(connection, address)
            if greeting.cancelled_caught:
                raise RedisLost(f"no answer from {address} within {seconds:g} seconds")
            yield connection
    finally:
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def _one_loss() -> AsyncIterator[None]:
    """A connection that ends is seen by who reads and by who writes: that is one fault.

    It is none beside what ended the block at the same moment.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        lost, others = group.split(RedisLost)
        beside = list(leaves(others)) if others is not None else []
        beside = [error for error in beside if not isinstance(error, trio.Cancelled)]
        if lost is None or len(beside) > 1:
            raise
        raise next(iter(beside or leaves(lost))) from None


async def _open_stream(
    address: RedisAddress, ssl_context: ssl.SSLContext | None
) -> trio.abc.Stream:
    try:
        if address.unix_socket is not None:
            return await trio.open_unix_socket(address.unix_socket)
        host, port = address.hosts[0]
        plain = await trio.open_tcp_stream(host, port)
        if not address.tls:
            return plain
        context = ssl_context or ssl.create_default_context()
        stream = trio.SSLStream(plain, context, server_hostname=host)
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream
    except (OSError, trio.BrokenResourceError) as error:
        raise RedisLost(f"no connection to {address}: {_cause(error)}") from error


def _cause(error: BaseException) -> BaseException:
    """What has gone wrong itself."""
    return error.__cause__ or error


async def _greet(connection: RedisConnection, address: RedisAddress) -> None:
    greeting: list[str] = ["HELLO", "3"]
    if address.password is not None:
        greeting += ["AUTH", address.user or "default", address.password]
    await connection.request(*greeting)
    if address.database:
        await connection.request("SELECT", str(address.database))

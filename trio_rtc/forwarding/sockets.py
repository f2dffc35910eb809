"""`forward_to` and `serve_forward`: a channel for each connection.

The one who has a connection opens a channel whose label says where it goes. The other side looks
whether that is allowed, connects, and answers ``{"type": "connected"}`` or ``{"type": "refused"}``;
from then on the channel is a stream, whose two directions end by themselves.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import trio

from ..calls.call import Call
from ..errors import CallError, ForwardError
from ..faults import caught
from ..rtc import ChannelStream, DataChannel
from ..tasks import leaves, open_background_nursery
from ..text import one_line
from ..wire.channel_protocols import FORWARD, LISTEN
from .endpoints import LOOPBACK, Allowed, Endpoint, parse_allowed, parse_endpoint

logger = logging.getLogger("trio_rtc.forward")

BLOCK: Final = 65536
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
"""For the other side to connect, or to listen, or to say that it does not."""

MAX_CONNECTIONS: Final = 256
"""Connections of one call that the other side may have at once."""

Listeners = Sequence[trio.abc.Listener[trio.abc.HalfCloseableStream]]


async def forward_to(
    call: Call,
    target: str,
    listen: str,
    *,
    remote: bool = False,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Take connections at ``listen``, and have the other side of the call connect to ``target``.

    With ``remote``, the other side takes them, and we connect. Each connection is a channel of
    its own; when one side of it has no more to say, the other may go on.

    Args:
        call: through which; the other side runs `serve_forward`, and decides what is allowed.
        target: ``HOST:PORT``, ``[IPV6]:PORT`` or the path of a Unix socket.
        listen: the same, or a port alone, which is on the loopback interface.
        remote: whether the other side listens, for us.
        task_status: told when connections are taken.

    Raises:
        ForwardError: ``bad_endpoint``; ``cannot_listen``; with ``remote`` also ``not_allowed``.
        CallError: ``call_ended``: the call is over.
    """
    to = parse_endpoint(target)
    at = parse_endpoint(listen, default_host=LOOPBACK)
    if remote:
        await _forward_from_there(call, to, at, task_status)
    async with listening(at) as listeners, open_background_nursery() as nursery:
        nursery.start_soon(call._raise_when_over)
        task_status.started()
        await trio.serve_listeners(partial(_bring, call, to), list(listeners))
    raise AssertionError("listeners never end")


async def serve_forward(
    call: Call,
    allow: Iterable[str] = (),
    *,
    allow_listen: Iterable[str] = (),
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Connect to what the other side of the call asks for, if it is allowed.

    Args:
        call: its channels of forwarding never come out of ``call.channels``.
        allow: targets: ``HOST:PORT``, ``HOST:*``, ``*:PORT``, the path of a Unix socket. A name
            is looked up here, and allowed as it is written.
        allow_listen: where the other side may have us listen for it.
        task_status: told when we are ready.

    Raises:
        ForwardError: ``bad_endpoint``.
        CallError: ``call_ended``: the call is over.
    """
    targets = parse_allowed(allow)
    places = parse_allowed(allow_listen, default_host=LOOPBACK)
    async with open_background_nursery() as nursery:
        nursery.start_soon(_serve_listening, call, places, nursery)
        task_status.started()
        await _serve_targets(call, targets, nursery)
    raise AssertionError("a call that ends raises")


# Connections.


async def _bring(call: Call, target: Endpoint, stream: trio.abc.HalfCloseableStream) -> None:
    """A connection that has come to us: have the other side connect, too."""
    async with stream:
        with caught(partial(_report, target)):
            channel = await call.open_channel(str(target), protocol=FORWARD)
            async with ChannelStream(channel) as far:
                await _hear_answer(channel)
                await _join(stream, far)


async def _hear_answer(channel: DataChannel) -> None:
    """Wait until the other side has done what the channel asks for.

    Raises:
        ForwardError: it has not, and why.
    """
    message: str | bytes = b""
    try:
        with trio.move_on_after(ANSWER_SECONDS):
            message = await channel.receive()
    except (trio.EndOfChannel, trio.BrokenResourceError) as error:
        raise ForwardError(
            "the other side does not forward, or the call is over", code="refused", fault="remote"
        ) from error
    if not message:
        raise ForwardError("the other side does not answer", code="refused", fault="remote")
    said = {}
    with suppress(ValueError):
        said = json.loads(message)
    if not isinstance(said, dict) or said.get("type") != "connected":
        why = one_line(str(said.get("message", ""))) if isinstance(said, dict) else ""
        code = str(said.get("code", "refused")) if isinstance(said, dict) else "refused"
        raise ForwardError(why or "the other side refused", code=code, fault="remote")


def _report(target: object, error: Exception) -> None:
    """One connection ends no other; an end in the middle is how most of them end."""
    for one in leaves(error):
        if isinstance(one, ForwardError | CallError):
            logger.warning("%s: %s", target, one, extra={"code": one.code})
        elif isinstance(one, OSError | trio.BrokenResourceError | trio.ClosedResourceError):
            logger.debug("the connection to %s has ended: %r", target, one)
        elif not isinstance(one, trio.EndOfChannel):
            logger.error("the connection to %s failed", target, exc_info=one)


async def _join(one: trio.abc.HalfCloseableStream, other: trio.abc.HalfCloseableStream) -> None:
    """Carry bytes both ways, until both have no more to say."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_copy, one, other)
        nursery.start_soon(_copy, other, one)


async def _copy(source: trio.abc.HalfCloseableStream, sink: trio.abc.HalfCloseableStream) -> None:
    while data := await source.receive_some(BLOCK):
        await sink.send_all(data)
    with suppress(trio.BrokenResourceError, OSError):
        await sink.send_eof()


async def _serve_targets(call: Call, allowed: Allowed, nursery: trio.Nursery) -> NoReturn:
    limit = trio.CapacityLimiter(MAX_CONNECTIONS)
    while True:
        channel = await call._take_channel(FORWARD)
        nursery.start_soon(_serve_one, channel, allowed.__contains__, limit)


async def _serve_one(
    channel: DataChannel, is_allowed: Callable[[Endpoint], bool], limit: trio.CapacityLimiter
) -> None:
    with caught(partial(_report, one_line(channel.label, 80))):
        async with ChannelStream(channel) as far:
            try:
                limit.acquire_on_behalf_of_nowait(channel)
            except trio.WouldBlock:
                await _refuse(channel, "busy", "there are too many connections")
                return
            try:
                await _connect_and_join(channel, far, is_allowed)
            finally:
                limit.release_on_behalf_of(channel)


async def _connect_and_join(
    channel: DataChannel, far: ChannelStream, is_allowed: Callable[[Endpoint], bool]
) -> None:
    try:
        target = parse_endpoint(channel.label)
    except ForwardError as error:
        await _refuse(channel, error.code, str(error))
        return
    if not is_allowed(target):
        logger.warning("%s is not allowed, and was asked for", target)
        await _refuse(channel, "not_allowed", f"{target} is not allowed there")
        return
    try:
        near = await _connect(target)
    except OSError as error:
        await _refuse(channel, "cannot_connect", f"{target}: {_reason(error)}")
        return
    async with near:
        await channel.send(json.dumps({"type": "connected"}))
        await _join(near, far)


async def _connect(target: Endpoint) -> trio.abc.HalfCloseableStream:
    with trio.move_on_after(CONNECT_SECONDS):
        if target.path:
            return await trio.open_unix_socket(target.path)
        return await trio.open_tcp_stream(target.host, target.port)
    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _reason(error: BaseException) -> str:
    """What the system says; Trio tells of several attempts by a group that is the cause."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, OSError):
        return _reason(cause)
    return getattr(error, "strerror", None) or str(error)


async def _refuse(channel: DataChannel, code: str, message: str) -> None:
    await channel.send(json.dumps({"type": "refused", "code": code, "message": message}))


# Listening.


@asynccontextmanager
async def listening(at: Endpoint) -> AsyncIterator[Listeners]:
    """Listeners at a place; a socket in the file system goes with them.

    Raises:
        ForwardError: ``cannot_listen``.
    """
    try:
        listeners: Listeners = (
            [_listen_at_path(at.path)]
            if at.path
            else await trio.open_tcp_listeners(at.port, host=at.host)
        )
    except OSError as error:
        raise ForwardError(
            f"cannot listen at {at}: {_reason(error)}", code="cannot_listen"
        ) from error
    try:
        yield listeners
    finally:
        for listener in listeners:
            with trio.CancelScope(shield=True):
                await listener.aclose()
        if at.path:
            with suppress(OSError):
                os.unlink(at.path)  # noqa: PTH108


def _listen_at_path(path: str) -> trio.SocketListener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        # It is for whoever has started this.
        Path(path).chmod(0o600)
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


async def _forward_from_there(
    call: Call, target: Endpoint, at: Endpoint, task_status: trio.TaskStatus[None]
) -> NoReturn:
    """Have the other side listen, and connect to the target for it."""
    channel = await call.open_channel(str(at), protocol=LISTEN)
    async with channel, open_background_nursery() as nursery:
        await channel.send(str(target))
        await _hear_answer(channel)
        targets = Allowed(frozenset([target]), frozenset(), frozenset())
        nursery.start_soon(_serve_targets, call, targets, nursery)
        task_status.started()
        await call._raise_when_over()
    raise AssertionError("a call that ends raises")


async def _serve_listening(call: Call, places: Allowed, nursery: trio.Nursery) -> NoReturn:
    while True:
        channel = await call._take_channel(LISTEN)
        nursery.start_soon(_listen_for, call, channel, places)


async def _listen_for(call: Call, channel: DataChannel, places: Allowed) -> None:
    """Listen for the other side until it closes the channel."""
    with caught(partial(_report, one_line(channel.label, 80))):
        async with channel:
            try:
                at = parse_endpoint(channel.label, default_host=LOOPBACK)
                target = parse_endpoint(str(await channel.receive()))
                if at not in places:
                    raise ForwardError(
                        f"to listen at {at} is not allowed there", code="not_allowed"
                    )
                async with listening(at) as listeners, open_background_nursery() as nursery:
                    await channel.send(json.dumps({"type": "connected"}))
                    nursery.start_soon(
                        trio.serve_listeners, partial(_bring, call, target), list(listeners)
                    )
                    with suppress(trio.EndOfChannel):
                        await channel.receive()
            except ForwardError as error:
                await _refuse(channel, error.code, str(error))

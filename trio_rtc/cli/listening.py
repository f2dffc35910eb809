"""Listening addresses of ``trio-rtc server``: TCP, a Unix socket, or what systemd has opened."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

import trio

from ..server.http.listeners import open_listeners
from ..world import world
from .server_settings import ServerSettings

FIRST_FD: Final = 3
"""The first of the descriptors that systemd hands on (sd_listen_fds(3))."""

UNIX_MODE: Final = 0o660

ELSEWHERE: Final = "198.51.100.1"
"""An address that is nobody's (RFC 5737): from which of ours would packets go there?"""


async def open_server_listeners(
    settings: ServerSettings, environment: MutableMapping[str, str]
) -> list[trio.SocketListener]:
    """Listen on what was handed to us, or else where the settings say.

    Raises:
        OSError: it cannot be listened there; the message says where.
    """
    if inherited := inherited_listeners(environment):
        return inherited
    if settings.unix_socket is not None:
        return [open_unix_listener(settings.unix_socket)]
    try:
        return await open_listeners(settings.port, settings.host)
    except OSError as error:
        where = f"{settings.host or 'all interfaces'}, port {settings.port}"
        raise OSError(f"cannot listen on {where}: {error}") from error


async def open_listeners_at(address: str) -> list[trio.SocketListener]:
    """Listen on ``HOST:PORT``.

    Raises:
        ValueError: it is no such address.
        OSError: it cannot be listened there.
    """
    host, port = parse_address(address)
    try:
        return await open_listeners(port, host)
    except OSError as error:
        raise OSError(f"cannot listen on {address}: {error}") from error


def parse_address(text: str) -> tuple[str, int]:
    """A host and a port out of ``HOST:PORT``, with an IPv6 address in brackets.

    Raises:
        ValueError: it is no such address.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not (colon and bare) or (":" in bare) != host.startswith("["):
        raise ValueError(f"no address such as 127.0.0.1:9464: {text!r}")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"no port: {port!r}")
    return bare, int(port)


def open_unix_listener(path: str) -> trio.SocketListener:
    """Listen on a Unix socket; what an earlier server has left there is put away.

    The group may connect too.

    Raises:
        OSError: somebody listens there, it is no socket, or it cannot be made.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _put_away(path)
        listening.bind(path)
        Path(path).chmod(UNIX_MODE)
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {path}: {error.strerror or error}") from error
    listening.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(listening))


def _put_away(path: str) -> None:
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "it is there, and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def inherited_listeners(environment: MutableMapping[str, str]) -> list[trio.SocketListener]:
    """The sockets that systemd has opened for us (sd_listen_fds(3)), if it has.

    The variables that tell of them are taken out: they are not for our children.

    Raises:
        OSError: one of them is no socket that listens.
    """
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    return [_listener_of(fd) for fd in range(FIRST_FD, FIRST_FD + int(count))]


def _listener_of(fd: int) -> trio.SocketListener:
    refusal = OSError(f"the descriptor {fd} that was handed on is no socket that listens")
    try:
        os.set_inheritable(fd, False)
        inherited = socket.socket(fileno=fd)
    except OSError as error:
        raise refusal from error
    listens = inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if not listens or inherited.type != socket.SOCK_STREAM:
        inherited.close()
        raise refusal
    inherited.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(inherited))


def shown_address(listener: trio.SocketListener, scheme: str) -> str:
    """Where it listens; at the end a URL that works from this machine at least."""
    if listener.socket.family == socket.AF_UNIX:
        return f"{scheme}+unix:{listener.socket.getsockname()}"
    host, port = listener.socket.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        others = world().source_for(ELSEWHERE)
        reached = f"{scheme}://{others}:{port} for others, " if others else ""
        return f"all interfaces: {reached}{scheme}://127.0.0.1:{port}"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

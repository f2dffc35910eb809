"""Workers of ``trio-rtc server``: processes on one port, and the one that starts and ends them.

Each has listening sockets of its own on the same port (SO_REUSEPORT), among which the kernel
spreads connections. They are a cluster: on the Redis that was given, or on one that is started.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import trio

from ...server.cluster.cluster_settings import ClusterSettings
from ...server.cluster.redis_address import RedisAddress
from ...server.worker_files import WorkerFile
from ..listening import inherited_listeners, open_unix_listener, shown_address
from ..notify import ServiceManager
from ..server_settings import ServerSettings
from .own_redis import NoWorkers, OwnRedis, end_with_parent, own_redis

logger = logging.getLogger("trio_rtc.server")

BACKLOG: Final = 1024
RESTART_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What one of them is given.

    Attributes:
        number: which one it is, from 0.
        listeners: where it listens.
        cluster: that of all workers.
        file: in which it tells the others of its statistics.
        ready: the descriptor to which it writes a byte when it serves.
    """

    number: int
    listeners: list[trio.SocketListener]
    cluster: ClusterSettings
    file: WorkerFile
    ready: int


def run_workers(
    settings: ServerSettings,
    cluster: ClusterSettings | None,
    serve: Callable[[Worker], int],
    scheme: str,
    manager: ServiceManager,
) -> int:
    """Run workers until interrupted, and start again those that end before; the exit status.

    Args:
        settings: how many there are, and where they listen.
        cluster: their Redis; None starts one.
        serve: runs one of them, in a process of its own.
        scheme: of the URL that is told.
        manager: told when all serve, and that they do.

    Raises:
        OSError: there is no listening, or no Redis to start.
    """
    with ExitStack() as stack:
        listeners = _listeners(settings)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trio-rtc-")))
        redis: OwnRedis | None = None
        if cluster is None:
            redis = stack.enter_context(own_redis(folder))
            cluster = ClusterSettings(redis=RedisAddress(unix_socket=redis.socket))
        ready, told = os.pipe()
        workers = [
            Worker(
                number=number,
                listeners=own,
                cluster=cluster,
                file=WorkerFile(folder, number),
                ready=told,
            )
            for number, own in enumerate(listeners)
        ]
        where = f"listening on {shown_address(listeners[0][0], scheme)}"
        return _Workers(workers, serve, redis, ready, where, manager).run()


def _listeners(settings: ServerSettings) -> list[list[trio.SocketListener]]:
    """The listeners of each worker."""
    one_for_all = inherited_listeners(os.environ)
    if settings.unix_socket is not None and not one_for_all:
        one_for_all = [open_unix_listener(settings.unix_socket)]
    if one_for_all:
        return [one_for_all] * settings.workers
    port = settings.port
    listeners: list[list[trio.SocketListener]] = []
    for _ in range(settings.workers):
        listeners.append(_listen(settings.host, port))
        port = listeners[0][0].socket.getsockname()[1]
    return listeners


def _listen(host: str | None, port: int) -> list[trio.SocketListener]:
    where = f"{host or 'all interfaces'}, port {port}"
    if not hasattr(socket, "SO_REUSEPORT"):
        raise NoWorkers("workers need SO_REUSEPORT, which this system does not have")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listening: list[socket.socket] = []
        for family, kind, protocol, _, address in found:
            one = socket.socket(family, kind, protocol)
            listening.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((address[0], listening[0].getsockname()[1] or port, *address[2:]))
            one.listen(BACKLOG)
            one.setblocking(False)
    except OSError as error:
        raise OSError(f"cannot listen on {where}: {error}") from error
    return [trio.SocketListener(trio.socket.from_stdlib_socket(one)) for one in listening]


class _Workers:
    """The processes.

    Args:
        ready: where each tells that it serves.
        where: what is told when all do.
    """

    def __init__(
        self,
        workers: list[Worker],
        serve: Callable[[Worker], int],
        redis: OwnRedis | None,
        ready: int,
        where: str,
        manager: ServiceManager,
    ):
        self._workers = workers
        self._serve = serve
        self._redis = redis
        self._ready = ready
        self._where = where
        self._manager = manager
        self._running: dict[int, Worker] = {}
        self._is_ending = self._all_serve = False
        self._status = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signalled)
        for worker in self._workers:
            self._start(worker)
        left = len(self._workers)
        while left and not self._is_ending:
            # One that cannot serve ends, and that is seen below.
            left -= len(os.read(self._ready, left)) if self._is_readable() else 0
            if not left:
                self._all_serve = True
                print(self._where, flush=True)
                self._manager.notify("READY=1", f"STATUS={self._where}")
                self._keep_watchdog_quiet()
            self._look(os.WNOHANG)
        while self._running:
            self._look(0)
        self._manager.notify("STOPPING=1")
        return self._status

    def _is_readable(self) -> bool:
        return bool(select.select([self._ready], [], [], 0.1)[0])

    def _start(self, worker: Worker) -> None:
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            self._running[pid] = worker
            return
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.default_int_handler)
            end_with_parent()
            status = self._serve(worker)
        except KeyboardInterrupt:
            status = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _look(self, options: int) -> None:
        """See whether a process has ended, and start it again if that was too early."""
        try:
            pid, status = os.waitpid(-1, options)
        except ChildProcessError:
            self._running.clear()
            return
        if pid == 0:
            return
        worker = self._running.pop(pid, None)
        code = os.waitstatus_to_exitcode(status)
        if self._is_ending:
            self._status = self._status or max(code, 0)
        elif worker is not None and code > 0 and not self._all_serve:
            # It has said why it cannot serve: nor could another one.
            self._status = code
            self._end()
        elif worker is not None:
            logger.warning("worker %d has ended: %d", worker.number, code)
            worker.file.remove()
            time.sleep(RESTART_SECONDS)
            if not self._is_ending:
                self._start(worker)
        elif self._redis is not None and pid == self._redis.process.pid:
            logger.warning("the Redis of the workers has ended: %d", code)
            self._redis.start()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._send(signal.SIGHUP)
        else:
            self._end()

    def _end(self) -> None:
        self._is_ending = True
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _keep_watchdog_quiet(self) -> None:
        if seconds := self._manager.watchdog_seconds:
            signal.signal(signal.SIGALRM, lambda *_: self._manager.notify("WATCHDOG=1"))
            signal.setitimer(signal.ITIMER_REAL, seconds / 2, seconds / 2)

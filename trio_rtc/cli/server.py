"""``trio-rtc server``."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

import trio

from ..server import serve_signaling_listeners
from ..server.authorize import Authorize, everybody, jwt_tokens, shared_secret
from ..server.cluster.cluster_settings import ClusterSettings
from ..server.cluster.redis_address import parse_redis_address
from ..server.counters import Statistics
from ..server.dialects.hosted.hosted_peer import PeerHost
from ..server.dialects.peerjs.peerjs_admission import PeerJSSettings
from ..server.http.addresses import LOOPBACK, client_network
from ..server.http.hosts import Hosts
from ..server.http.origins import Origins
from ..server.http.proxies import TrustedProxies
from ..server.http.routes import Route
from ..server.limits import ServerLimits
from ..server.metrics import metrics_route
from ..server.serve import serve_routes
from ..server.turn import TurnCredentials
from ..tasks import open_background_nursery
from .listening import open_listeners_at, open_server_listeners, parse_address, shown_address
from .logs import set_up_logging
from .notify import ServiceManager
from .open_files import allow_as_many_as_possible
from .run import run
from .server_settings import SETTINGS, ServerSettings, describe, load_server_settings
from .settings import SettingsError, unknown_variables
from .tls import Certificate, reload_on_hangup

if TYPE_CHECKING:
    from .workers.worker_processes import Worker

T = TypeVar("T")

logger = logging.getLogger("trio_rtc.server")

BAD_SETTINGS = 2

#: How many files are open that are no connections, generously.
OTHER_FILES = 40

#: How many objects are to come before the new ones are collected, how often that is to have been
#: before what is left of them is, and that before all is that there is (`gc.set_threshold`).
COLLECTIONS = (500, 2, 3000)


def run_server(flags: Mapping[str, str]) -> int:
    """Serve until interrupted.

    The exit status is 0 then, 1 if there is no listening, and 2 if a setting is wrong.

    Args:
        flags: the text of each flag that was given, by the name of its setting.
    """
    try:
        settings = load_server_settings(flags, os.environ)
        server = _ServerCommand(settings)
    except SettingsError as error:
        print(f"trio-rtc server: {error}", file=sys.stderr)
        return BAD_SETTINGS
    set_up_logging(settings.log_level, settings.log_format)
    for variable in unknown_variables(SETTINGS, os.environ):
        logger.warning("%s is no setting, and is ignored", variable)
    for line in describe(settings):
        logger.info("setting %s", line)
    if settings.proxy_protocol and not settings.trusted_proxies:
        logger.warning("proxy_protocol is of no use without trusted_proxies")
    _look_at_files(settings.limits)
    if settings.workers > 1:
        return _run_workers(settings, server)
    return run(server.run, server.report_error, interrupted=lambda _: 0)


def _run_workers(settings: ServerSettings, server: _ServerCommand) -> int:
    # It forks, which not every system can.
    from .workers.worker_processes import run_workers

    def serve(worker: Worker) -> int:
        server.worker = worker
        return run(server.run, server.report_error, interrupted=lambda _: 0)

    try:
        return run_workers(settings, server.cluster, serve, server.scheme, server.manager)
    except OSError as error:
        server.report_error("os_error", str(error))
        return 1


class _ServerCommand:
    """The server of this process.

    Attributes:
        worker: which one of several it is, if it is.
        cluster: the cluster that it was given.
        manager: who has started it.
    """

    worker: Worker | None = None

    def __init__(self, settings: ServerSettings):
        self._settings = settings
        self._certificate = _certificate(settings)
        self._authorize = _authorize(settings)
        self._turn = _turn(settings)
        self._peerjs = _peerjs(settings)
        self._publishers = _publishers(settings)
        self.cluster = _cluster(settings)
        _check("origins", Origins, settings.origins, settings)
        _check("allowed_hosts", Hosts, settings.allowed_hosts, settings)
        _check("trusted_proxies", TrustedProxies, settings.trusted_proxies, settings)
        if settings.metrics_listen is not None:
            _check("metrics_listen", parse_address, settings.metrics_listen, settings)
        self.manager = ServiceManager(os.environ)
        self._statistics = Statistics()

    async def run(self) -> None:
        async with open_background_nursery() as nursery:
            if hasattr(signal, "SIGHUP"):
                await nursery.start(reload_on_hangup, self._certificate)
            metrics = self._metrics_routes()
            apart = self._settings.metrics_listen if metrics else None
            is_first = self.worker is None or self.worker.number == 0
            listeners = await nursery.start(self._serve, {} if apart else metrics)
            if apart is not None and is_first:
                hosts = self._metrics_hosts(apart)
                await nursery.start(serve_routes, await open_listeners_at(apart), metrics, hosts)
            # What is there by now stays to the end. To look at it takes a collection 30 ms, in
            # which nobody is served.
            gc.collect()
            gc.freeze()
            # What comes and goes with connections need not be looked for. So each collection is
            # to be short, and one of all that there is by then to be rare.
            gc.set_threshold(*COLLECTIONS)
            if self.worker is not None:
                nursery.start_soon(self.worker.file.keep, self._statistics)
                os.write(self.worker.ready, b".")
                await trio.sleep_forever()
            # A signal may have come meanwhile, and have closed them.
            await trio.lowlevel.checkpoint_if_cancelled()
            where = f"listening on {shown_address(listeners[0], self.scheme)}"
            print(where, flush=True)
            self.manager.notify("READY=1", f"STATUS={where}")
            nursery.start_soon(self.manager.keep_watchdog_quiet)
            try:
                await trio.sleep_forever()
            finally:
                self.manager.notify("STOPPING=1")

    @property
    def scheme(self) -> str:
        """That of its URL."""
        return "http" if self._certificate is None else "https"

    def _metrics_hosts(self, listen: str) -> Hosts:
        """By which names metrics are asked for at an address of their own.

        A page may have its own name lead there, if only to this machine; no program needs one then.
        """
        allowed, (host, _) = self._settings.allowed_hosts, parse_address(listen)
        if allowed is None and host != "localhost" and client_network(host) != LOOPBACK:
            return Hosts(None)
        return Hosts(allowed or [], addresses=True)

    def _metrics_routes(self) -> dict[str, Route]:
        if not self._settings.metrics:
            return {}
        file = None if self.worker is None else self.worker.file
        return {"/metrics": metrics_route(self._statistics, file)}

    async def _serve(
        self,
        local_routes: dict[str, Route],
        task_status: trio.TaskStatus[list[trio.SocketListener]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        settings = self._settings
        await serve_signaling_listeners(
            await self._listeners(),
            limits=settings.limits,
            authorize=self._authorize,
            origins=settings.origins,
            allowed_hosts=settings.allowed_hosts,
            trusted_proxies=settings.trusted_proxies,
            proxy_protocol=settings.proxy_protocol,
            turn=self._turn,
            bind_classic=settings.bind_classic,
            peerjs=self._peerjs,
            publishers=self._publishers,
            cluster=self.cluster if self.worker is None else self.worker.cluster,
            page=settings.page,
            ssl_context=None if self._certificate is None else self._certificate.context,
            local_routes=local_routes,
            statistics=self._statistics,
            drain_seconds=settings.drain_seconds,
            task_status=task_status,
        )

    async def _listeners(self) -> list[trio.SocketListener]:
        if self.worker is not None:
            return self.worker.listeners
        return await open_server_listeners(self._settings, os.environ)

    def report_error(self, code: str, message: str) -> None:
        print(f"trio-rtc server: {message}", file=sys.stderr)


def _look_at_files(limits: ServerLimits) -> None:
    files = allow_as_many_as_possible()
    # As many again are told that there are too many.
    needed = 2 * limits.connections_per_address + OTHER_FILES
    if files is not None and files < needed:
        logger.warning(
            "only %d files may be open: one address with connections_per_address=%d connections "
            "can keep out all others; %d are needed against that",
            files,
            limits.connections_per_address,
            needed,
        )


def _certificate(settings: ServerSettings) -> Certificate | None:
    if settings.tls_certificate is None:
        return None
    return Certificate(
        settings.tls_certificate, settings.tls_key, settings.where["tls_certificate"]
    )


def _authorize(settings: ServerSettings) -> Authorize:
    if settings.shared_secret is not None:
        return shared_secret(settings.shared_secret)
    if settings.jwt_key is None:
        return everybody
    try:
        return jwt_tokens(
            settings.jwt_key,
            settings.jwt_algorithms,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            leeway=settings.jwt_leeway,
        )
    except ValueError as error:
        raise SettingsError(f"{settings.where['jwt_key']}: {error}") from error


def _turn(settings: ServerSettings) -> TurnCredentials | None:
    if settings.turn_secret is None:
        return None
    try:
        return TurnCredentials(settings.turn_secret, settings.turn_urls, settings.turn_lifetime)
    except ValueError as error:
        raise SettingsError(f"{settings.where['turn_urls']}: {error}") from error


def _peerjs(settings: ServerSettings) -> PeerJSSettings | None:
    if not settings.peerjs:
        return None
    where = "peerjs_path"
    try:
        path = PeerJSSettings(path=settings.peerjs_path)
        where = "peerjs_key"
        return replace(path, key=settings.peerjs_key, discovery=settings.peerjs_discovery)
    except ValueError as error:
        raise SettingsError(f"{settings.where[where]}: {error}") from error


def _publishers(settings: ServerSettings) -> PeerHost | None:
    if not settings.relay:
        return None
    if find_spec("aiortc") is None:
        why = "it needs the media stack: pip install trio-rtc"
        raise SettingsError(f"{settings.where['relay']}: {why}")
    # No other server has anything of the media stack.
    from ..relaying import relay_host

    return relay_host(max_calls=settings.relay_calls)


def _cluster(settings: ServerSettings) -> ClusterSettings | None:
    needed = "workers" if settings.cluster is None else "cluster"
    if settings.cluster is None and settings.workers == 1:
        return None
    if find_spec("hiredis") is None:
        why = "it needs more packages: pip install 'trio-rtc[cluster]'"
        raise SettingsError(f"{settings.where[needed]}: {why}")
    if settings.cluster is None:
        return None
    try:
        redis = parse_redis_address(
            settings.cluster, user=settings.cluster_user, password=settings.cluster_password
        )
    except ValueError as error:
        raise SettingsError(f"{settings.where['cluster']}: {error}") from error
    return ClusterSettings(redis=redis, prefix=settings.cluster_prefix, name=settings.cluster_name)


def _check(
    name: str,
    kind: Callable[[T], object],
    value: T,
    settings: ServerSettings,
) -> None:
    try:
        kind(value)
    except ValueError as error:
        raise SettingsError(f"{settings.where[name]}: {error}") from error

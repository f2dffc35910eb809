"""A signaling server on a simulated host, which can be stopped, crash, and start again."""

from __future__ import annotations

from typing import Any, Final

import trio

from ..server.serve import serve_signaling
from .network.host import Host
from .network.network import Network

PORT: Final = 8888


class SimulatedServer:
    """The real server (`trio_rtc.serve_signaling`), from `start_signaling_server`.

    Attributes:
        host: where it runs.
    """

    def __init__(self, host: Host, port: int, options: dict[str, Any]):
        self.host = host
        self._port = port
        self._options = options
        self._scope = trio.CancelScope()
        self._stopped = trio.Event()

    @property
    def url(self) -> str:
        """Where it is, for `open_signaling` with the native protocol."""
        return f"ws://{self.host.name}:{self._port}"

    @property
    def classic_url(self) -> str:
        """The same for the classic protocol."""
        return f"http://{self.host.name}:{self._port}"

    async def start(self) -> None:
        """Start it, anew after it was stopped or its host has crashed: it knows nobody then."""
        if not self.host.is_up:
            await self.host.restart()
        self._scope, self._stopped = trio.CancelScope(), trio.Event()
        await self.host.start(self._serve, self._scope, self._stopped)

    async def _serve(
        self,
        scope: trio.CancelScope,
        stopped: trio.Event,
        *,
        task_status: trio.TaskStatus[Any],
    ) -> None:
        try:
            with scope:
                await serve_signaling(self._port, task_status=task_status, **self._options)
        finally:
            stopped.set()

    async def stop(self) -> None:
        """Have it shut down in good order, as a service is stopped."""
        self._scope.cancel()
        await self._stopped.wait()

    def crash(self) -> None:
        """Have its host be gone at once, without a word."""
        self.host.crash()


async def start_signaling_server(
    network: Network, name: str = "server", *, port: int = PORT, **options: Any
) -> SimulatedServer:
    """Start a signaling server, on a host of its own unless there is one of this name.

    It runs until the network ends.

    Args:
        network: where it is.
        name: of its host.
        port: that it listens on.
        options: of `serve_signaling`.
    """
    host = network.hosts.get(name) or network.host(name)
    server = SimulatedServer(host, port, options)
    await server.start()
    return server

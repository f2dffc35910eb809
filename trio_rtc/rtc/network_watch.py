"""Network watch: a connection hears at once that an address of this machine has gone or come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ..errors import CallError
from ..world import world
from .backend.aiortc_connection import LoopConnection
from .backend.ice.host_addresses import host_addresses
from .connection_view import ConnectionView
from .ice_gather_options import IceGatherOptions

Route = tuple[str, str]


async def watch_network(
    options: IceGatherOptions,
    run: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
    connection: LoopConnection,
    view: ConnectionView,
) -> None:
    """Watch for a connection, whose ``run`` is for the loop's side, until it is closed."""
    with suppress(CallError):
        await NetworkWatch(
            options,
            lambda: run(connection.gathered_addresses),
            lambda: run(connection.routes),
            lambda: view.connection_state == "disconnected",
            lambda: run(connection.lose),
            view._on_network_change,
        ).run()


class NetworkWatch:
    """Compares the addresses of this machine with the way that a connection takes.

    Args:
        options: which addresses there are candidates of.
        gathered: gives the addresses that there were when candidates were gathered; to list them
            here, too, would take a tenth of the time in which a call is set up.
        routes: gives the ways in use: an address of ours, and that of the next who takes packets.
        is_silent: whether nothing is heard of the other side any more.
        on_lost: is called when an address in use is gone.
        on_change: is called when a restart of ICE may help: there is an address that is new, and
            packets would go by it, or nothing is heard by the others.
    """

    def __init__(
        self,
        options: IceGatherOptions,
        gathered: Callable[[], Awaitable[frozenset[str]]],
        routes: Callable[[], Awaitable[list[Route]]],
        is_silent: Callable[[], bool],
        on_lost: Callable[[], Awaitable[None]],
        on_change: Callable[[], None],
    ):
        self._options = options
        self._gathered = gathered
        self._routes = routes
        self._is_silent = is_silent
        self._on_lost = on_lost
        self._on_change = on_change

    async def run(self) -> None:
        """Watch, until cancelled."""
        async with world().address_changes() as changed:
            before: frozenset[str] | None = None
            # An address may come before the route to it.
            new: frozenset[str] = frozenset()
            while True:
                await changed()
                now = self._addresses()
                if before is None:
                    before = await self._gathered() or now
                came, before = now - before, now
                new = (new | came) & now
                routes = await self._routes()
                present = {address for _, address in world().interfaces()}
                if any(own not in present for own, _ in routes) and not self._is_silent():
                    new = frozenset()
                    await self._on_lost()
                elif self._is_better(routes, new) or (came and self._is_silent()):
                    new = frozenset()
                    self._on_change()

    def _addresses(self) -> frozenset[str]:
        return frozenset(host_addresses(self._options))

    def _is_better(self, routes: list[Route], new: frozenset[str]) -> bool:
        """Whether the system would send by a new address what goes by another one."""
        return bool(new) and any(
            (source := world().source_for(to)) in new and source != own for own, to in routes
        )

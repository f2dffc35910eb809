"""ICE listener, on the loop's side: the sockets of one port, and the checks that are for nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from ...ice_gather_options import IceGatherOptions
from .host_addresses import host_addresses
from .udp_mux import UdpMux, open_udp_mux


class LoopListener:
    """Listens at each address that there are candidates of.

    Args:
        gathering: with the port.
        on_check: is told the username of a check, and where it comes from.
    """

    def __init__(
        self,
        gathering: IceGatherOptions,
        on_check: Callable[[str, tuple[str, int]], None],
    ):
        self._gathering = gathering
        self._on_check = on_check
        self._stack = AsyncExitStack()
        self._muxes: list[UdpMux] = []

    async def open(self) -> None:
        """Bind the port.

        Raises:
            OSError: it cannot be had at one of the addresses.
        """
        port = self._gathering.udp_mux
        assert port is not None
        async with AsyncExitStack() as stack:
            for address in host_addresses(self._gathering):
                mux = await stack.enter_async_context(open_udp_mux(address, port))
                mux.on_stranger = self._on_check
                self._muxes.append(mux)
            self._stack = stack.pop_all()

    async def close(self) -> None:
        """Listen no more; the sockets stay open for the connections that use them."""
        for mux in self._muxes:
            mux.on_stranger = None
        await self._stack.aclose()

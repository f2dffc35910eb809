"""Messages in packets as large as the path takes them; aiortc 1.16 has one size for every path.

What this needs of aiortc that is not public is listed in `ledger`.
"""

from __future__ import annotations

import asyncio

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import Chunk, HeartbeatAckChunk

from ...bridge.eager import start_eagerly
from .fragmentation import unfragmented
from .path_mtu import PathMtu
from .timer import Timer


class LargePackets(RTCSctpTransport):
    """A transport that finds out what its path takes, if the other side takes it, too."""

    def _begin(self) -> None:
        self._path_mtu = PathMtu()
        self._probe_timer = Timer(asyncio.get_running_loop(), self._probe)

    def _allow(self, size: int) -> None:
        """The other side takes packets of this many bytes."""
        if self._path_mtu.limit != size:
            self._path_mtu.limit = size
            self._probe()

    def _set_state(self, state: RTCSctpTransport.State) -> None:
        super()._set_state(state)
        if state is self.State.ESTABLISHED:
            self._probe()
        elif state is self.State.CLOSED:
            self._probe_timer.close()

    def _probe(self) -> None:
        established = self._association_state is self.State.ESTABLISHED
        if not established or self.transport.state != "connected":
            return
        probes, seconds = self._path_mtu.probe()
        for probe in probes:
            start_eagerly(self._send_probe(Bundle(*probe)))
        if seconds is not None:
            self._probe_timer.start(seconds)

    async def _send_probe(self, probe: Chunk) -> None:
        with unfragmented(self.transport.transport) as possible:
            if possible:
                await self._send_chunk(probe)

    async def _receive_chunk(self, chunk: Chunk) -> None:
        if isinstance(chunk, HeartbeatAckChunk):
            self._path_mtu.acknowledge(chunk.params)
        else:
            await super()._receive_chunk(chunk)

    def _begin_anew(self) -> None:
        self._path_mtu.forget()
        self._probe()


class Bundle(Chunk):
    """Two chunks, of which the first needs no padding."""

    def __init__(self, first: Chunk, second: Chunk):
        super().__init__()
        self._data = bytes(first) + bytes(second)

    def __bytes__(self) -> bytes:
        return self._data

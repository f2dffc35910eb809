"""Layered reader: one viewer of a simulcast, who gets one layer after the other as one stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from av.packet import Packet

from ..encoded.encoded_packets import copy_of_packet
from ..tracks import PacketReader
from .layer_choice import LayerChoice, LayerRate, PathState

if TYPE_CHECKING:
    from .simulcast_packets import SimulcastPackets

CHOOSE_SECONDS: Final = 0.1
"""From one look at the path to the next."""


class LayeredReader(PacketReader):
    """A reader of one layer at a time, which changes at keyframes.

    Times go on where it changes, and so do the numbers that packets are sent under later.

    Attributes:
        path: tells what is known of the way to who reads.
        layer: the name (rid) of the layer that is read; None before there is any.
    """

    def __init__(self, source: SimulcastPackets, limit: int):
        super().__init__(source, limit)
        self.path: Callable[[], PathState] = PathState
        self.layer: str | None = None
        self._layered = source
        self._choice = LayerChoice()
        self._looked = -math.inf
        self._last = -1

    def put_layer(
        self, rid: str, packet: Packet[Any], layers: Sequence[LayerRate], now: float
    ) -> None:
        """Take a packet of any layer.

        Args:
            rid: the name of its layer.
            packet: for all who read.
            layers: those that come now, the least one first.
            now: the time, in seconds.
        """
        if now >= self._looked + CHOOSE_SECONDS:
            self._looked = now
            wanted, chosen = self._choice.rid, self._choice.choose(layers, self.path(), now)
            begins_now = rid == chosen and packet.is_keyframe
            if chosen not in (wanted, self.layer) and not begins_now:
                self.ask_key()
        if rid == self._choice.rid and packet.is_keyframe:
            self.layer = rid
        if rid != self.layer:
            return
        own = copy_of_packet(packet)
        # Layers of one picture come at different times, and each is later than the last.
        shortest = math.ceil(self._layered.shortest / own.time_base)
        self._last = max(own.pts or 0, self._last + shortest)
        own.pts = own.dts = self._last
        self.put(own)

    def ask_key(self) -> None:
        if self._choice.rid is not None:
            self._layered.ask_layer(self._choice.rid)

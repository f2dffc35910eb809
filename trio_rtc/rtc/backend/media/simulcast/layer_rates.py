"""Layer rates: what each layer of a simulcast takes, which of them come, and their order.

A browser leaves out layers that its own path, or its processor, has no room for, and takes them up
again; and their names say nothing of which is more. A pure machine; times in seconds.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from .layer_choice import LayerRate

WINDOW: Final = 2.0
"""Seconds over which a rate is that of: as long as several groups of unequal pictures."""

LEAST_WINDOW: Final = 0.5

GONE_SECONDS: Final = 1.5
"""After so long without a picture, while those of others come, a layer is one no more."""


class LayerRates:
    """The layers of one track that is received."""

    def __init__(self) -> None:
        self._layers: dict[str, _Layer] = {}
        self._newest = 0.0

    def add(self, rid: str, size: int, pixels: int | None, now: float) -> None:
        """Take a picture.

        Args:
            rid: the name of its layer.
            size: its bytes.
            pixels: its width times its height, if it tells.
            now: the time.
        """
        self._newest = now
        layer = self._layers.setdefault(rid, _Layer())
        layer.pictures.append((now, 8 * size))
        while layer.pictures[0][0] < now - WINDOW:
            layer.pictures.popleft()
        layer.pixels = pixels or layer.pixels

    def current(self) -> list[LayerRate]:
        """Those that come now and can be begun with, the least one first."""
        there = [
            (layer.pixels, layer.rate(self._newest), rid)
            for rid, layer in self._layers.items()
            if layer.pixels and layer.pictures[-1][0] >= self._newest - GONE_SECONDS
        ]
        return [LayerRate(rid, rate) for _, rate, rid in sorted(there)]


class _Layer:
    def __init__(self) -> None:
        self.pictures: deque[tuple[float, int]] = deque()
        #: Of its last keyframe; 0 before there was one.
        self.pixels = 0

    def rate(self, now: float) -> float:
        began = self.pictures[0][0]
        return sum(bits for _, bits in self.pictures) / max(now - began, LEAST_WINDOW)

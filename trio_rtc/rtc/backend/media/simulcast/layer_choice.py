"""Layer choice: which layer of a simulcast a viewer gets, by what its path carries.

A path is told to carry little more than what is sent on it: nobody has tried more. So where it is
quiet for a while, the next layer is tried. Where a layer up congests the path, it is given up, and
the next one waits the longer. A pure machine; rates in bits a second, times in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

TOO_MUCH: Final = 0.75
"""Of what a layer takes: what a congested path carries less than, is not enough for that layer."""

ENOUGH: Final = 0.9
"""Of what a layer takes: a congested path that carries this much may have that layer, for it is
told to carry less than it does."""

ROOM: Final = 1.1
"""Times what a layer takes: with this much it is gone to without a trial."""

HOLD_SECONDS: Final = 1.0
"""From one change to the next layer up."""

TRIAL_SECONDS: Final = 3.0
"""How long a path is quiet before more is tried; `GROWTH` times as long after each failure."""

GROWTH: Final = 2.0
LONGEST_SECONDS: Final = 60.0

PROVEN_SECONDS: Final = 5.0
"""After so long a layer that was tried is one that the path carries."""


class LayerRate(NamedTuple):
    """A layer that there is.

    Attributes:
        rid: its name (RFC 8851).
        rate: what it takes.
    """

    rid: str
    rate: float


class PathState(NamedTuple):
    """What is known of a viewer's path.

    Attributes:
        carries: how much it does; None if nobody tells.
        is_congested: whether it has been too much lately.
        limit: what a program lets the viewer have; None for no limit.
    """

    carries: float | None = None
    is_congested: bool = False
    limit: float | None = None


class LayerChoice:
    """The layer of one viewer.

    Attributes:
        rid: its name; None before there is any.
    """

    def __init__(self) -> None:
        self.rid: str | None = None
        self._changed = -math.inf
        #: Since when the path has not been congested.
        self._quiet_since = -math.inf
        self._patience = TRIAL_SECONDS
        #: Whether the path has still to prove that it carries what is sent now.
        self._is_trial = False

    def choose(self, layers: Sequence[LayerRate], path: PathState, now: float) -> str | None:
        """The layer from now on.

        Args:
            layers: those that come now, the least one first.
            path: that of the viewer.
            now: the time.
        """
        if not layers:
            return self.rid
        if path.is_congested:
            self._quiet_since = now
        names = [layer.rid for layer in layers]
        allowed = self._allowed(layers, path.limit)
        if self.rid not in names:
            self._change(layers[self._fitting(layers, path)].rid, now)
            return self.rid
        place = names.index(self.rid)
        if place > allowed:
            self._change(names[allowed], now)
        elif self._is_too_much(layers[place], path):
            self._step_down(layers, place, path, now)
        else:
            self._look_up(layers[: allowed + 1], place, path, now)
        return self.rid

    def _allowed(self, layers: Sequence[LayerRate], limit: float | None) -> int:
        """The place of the highest one that a program lets the viewer have."""
        if limit is None:
            return len(layers) - 1
        # Where a rate goes up and down about the limit, it does not change with that.
        most = [limit * (ROOM if layer.rid == self.rid else 1 / ROOM) for layer in layers]
        places = [n for n, layer in enumerate(layers) if layer.rate <= most[n]]
        return max(places, default=0)

    def _fitting(self, layers: Sequence[LayerRate], path: PathState) -> int:
        """The place of the highest one that the path is known to carry."""
        highest = self._allowed(layers, path.limit)
        if path.carries is None:
            return highest
        places = [n for n, one in enumerate(layers) if one.rate * ROOM <= path.carries]
        return min(max(places, default=0), highest)

    def _is_too_much(self, layer: LayerRate, path: PathState) -> bool:
        # By itself a low figure says only that nobody has tried more.
        return path.is_congested and not self._has(layer, path)

    def _has(self, layer: LayerRate, path: PathState) -> bool:
        return path.carries is None or path.carries >= TOO_MUCH * layer.rate

    def _step_down(
        self, layers: Sequence[LayerRate], place: int, path: PathState, now: float
    ) -> None:
        if self._is_trial:
            self._patience = min(GROWTH * self._patience, LONGEST_SECONDS)
            self._is_trial = False
        if place:
            carries = path.carries or 0.0
            below = [n for n in range(place) if ENOUGH * layers[n].rate <= carries]
            self._change(layers[max(below, default=0)].rid, now)

    def _look_up(
        self, layers: Sequence[LayerRate], place: int, path: PathState, now: float
    ) -> None:
        if self._is_trial and now >= self._changed + PROVEN_SECONDS:
            self._is_trial, self._patience = False, TRIAL_SECONDS
        quiet = now - max(self._quiet_since, self._changed)
        highest = self._fitting(layers, path)
        # After a failure, what is known is not trusted sooner than what is not.
        known = HOLD_SECONDS if self._patience == TRIAL_SECONDS else self._patience
        if highest > place and quiet >= known:
            self._change(layers[highest].rid, now, is_trial=True)
        elif place + 1 < len(layers) and quiet >= self._patience and self._has(layers[place], path):
            self._change(layers[place + 1].rid, now, is_trial=True)

    def _change(self, rid: str, now: float, *, is_trial: bool = False) -> None:
        self.rid, self._changed, self._is_trial = rid, now, is_trial

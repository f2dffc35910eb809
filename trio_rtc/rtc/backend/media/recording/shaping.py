"""Picture shaping: turned as they are to be seen, and fitted into a size with bars."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Final

from av import VideoFrame
from av.filter import Graph
from av.sidedata.sidedata import SideData

from ..encodable import even_size

TURNS: Final = {
    (1, 0, 0, 1): "",
    (0, 1, -1, 0): "transpose=clock",
    (-1, 0, 0, -1): "hflip,vflip",
    (0, -1, 1, 0): "transpose=cclock",
    (-1, 0, 0, 1): "hflip",
    (1, 0, 0, -1): "vflip",
    (0, 1, 1, 0): "transpose=cclock_flip",
    (0, -1, -1, 0): "transpose=clock_flip",
}
"""Filters, by the signs of a display matrix (ISO/IEC 14496-12, section 6.2.2)."""

MATRIX: Final = struct.Struct("=9i")


class Filter:
    """A chain of FFmpeg's filters for pictures of one size and format after the other."""

    def __init__(self, steps: str):
        self._steps = [step.partition("=")[::2] for step in steps.split(",")]
        self._form: tuple[int, int, str] | None = None
        self._graph = Graph()

    def apply(self, frame: VideoFrame) -> VideoFrame:
        form = (frame.width, frame.height, frame.format.name)
        if form != self._form:
            self._form = form
            self._graph = graph = Graph()
            nodes = [
                graph.add_buffer(
                    width=frame.width,
                    height=frame.height,
                    format=frame.format,
                    time_base=Fraction(1, 90000),
                ),
                *(graph.add(name, arguments or None) for name, arguments in self._steps),
                graph.add("buffersink"),
            ]
            graph.link_nodes(*nodes).configure()
        pts, time_base = frame.pts, frame.time_base
        frame.pts = 0
        self._graph.vpush(frame)
        changed = self._graph.vpull()
        assert isinstance(changed, VideoFrame)
        frame.pts = changed.pts = pts
        if time_base is not None:
            frame.time_base = changed.time_base = time_base
        return changed


class Upright:
    """Turns pictures as their display matrix says: cameras do not, they only write it down."""

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] | None = None
        self._filter: Filter | None = None

    def apply(self, frame: VideoFrame) -> VideoFrame:
        # Side data that was looked at keeps its frame until garbage is collected: so not for each.
        seen = (frame.rotation, frame.width, frame.height)
        if seen != self._seen:
            self._seen, turn = seen, turn_of(frame)
            self._filter = Filter(turn) if turn else None
        return frame if self._filter is None else self._filter.apply(frame)


def turn_of(frame: VideoFrame) -> str:
    """The filters that make a picture upright; none if it is, or would be at a slant."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(data, SideData):
        return ""
    a, b, _, c, d, *_ = MATRIX.unpack(bytes(data)[: MATRIX.size])
    return TURNS.get((_sign(a), _sign(b), _sign(c), _sign(d)), "")


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


class Fitted:
    """Pictures of one size and format, with the proportions that they had, and black bars.

    Args:
        size: width and height, both even.
        form: the pixel format, by FFmpeg's name.
    """

    def __init__(self, size: tuple[int, int], form: str):
        self._size = size
        self._form = form
        self._inner: tuple[int, int] | None = None
        self._filter: Filter | None = None

    def apply(self, frame: VideoFrame) -> VideoFrame:
        if even_size(frame.width, frame.height) == self._size:
            return frame.reformat(width=self._size[0], height=self._size[1], format=self._form)
        width, height = self._size
        inner = self._fit(frame.width, frame.height)
        if self._filter is None or inner != self._inner:
            self._inner = inner
            left, top = (width - inner[0]) // 4 * 2, (height - inner[1]) // 4 * 2
            self._filter = Filter(
                f"scale={inner[0]}:{inner[1]},format=yuv420p,pad={width}:{height}:{left}:{top}"
            )
        return self._filter.apply(frame).reformat(format=self._form)

    def _fit(self, width: int, height: int) -> tuple[int, int]:
        factor = min(Fraction(self._size[0], width), Fraction(self._size[1], height))
        return even_size(round(width * factor), round(height * factor))

"""A publisher in three layers on a simulated network, and viewers with paths of several widths."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import av
import pytest
import trio

from trio_rtc.rtc import open_track
from trio_rtc.rtc.backend.media.receiving.pictures.frame_size import coded_size
from trio_rtc.testing import Network
from trio_rtc.whip import open_whip

from ..relaying.layered_publisher import LAYERS, offer_layers, send_layers
from .simulated import run
from .test_simulated_relay import open_studio, watching

WIDTHS = {size[0]: rid for rid, (size, _) in LAYERS.items()}


@dataclass
class Viewer:
    """What a viewer has got.

    Attributes:
        layers: one after the other.
        times: of all pictures, in seconds.
    """

    layers: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def watch(self, url: str) -> None:
        async with watching(url) as call:
            async for track in call.tracks:
                async for packet in track.packets():
                    self._take(packet)

    def _take(self, packet: av.Packet[Any]) -> None:
        assert packet.pts is not None
        self.times.append(float(packet.pts * packet.time_base))
        if packet.is_keyframe:
            size = coded_size("VP8", bytes(packet))
            assert size is not None
            rid = WIDTHS[size[0]]
            if self.layers[-1:] != [rid]:
                self.layers.append(rid)

    async def until(self, *rids: str) -> None:
        """Wait until it gets one of these layers."""
        while self.layers[-1:] not in [[rid] for rid in rids]:  # noqa: ASYNC110
            await trio.sleep(0.1)


async def silent() -> AsyncIterator[av.VideoFrame]:
    await trio.sleep_forever()
    yield av.VideoFrame(16, 16)


async def publish(url: str) -> None:
    async with (
        open_track("video", silent()) as track,
        open_whip(url.format("whip"), tracks=[track]) as call,
    ):
        await send_layers(call)


def test_each_viewer_gets_what_its_path_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    offer_layers(monkeypatch)

    async def view(network: Network) -> None:
        async with open_studio(network) as url:
            network.host("alice").start_soon(publish, url)
            wide, narrow = Viewer(), Viewer()
            hosts = {name: network.host(name) for name in ("wide", "narrow")}
            hosts["wide"].set_link(up=False, delay=0.02)
            hosts["narrow"].set_link(up=False, rate=120e3, queue=15_000, delay=0.02)
            hosts["wide"].start_soon(wide.watch, url)
            hosts["narrow"].start_soon(narrow.watch, url)
            await wide.until("h")
            # More has been tried on both.
            await narrow.until("m")
            await narrow.until("l")
            assert wide.layers == ["l", "m", "h"]
            assert narrow.layers[:3] == ["l", "m", "l"]
            # It is one stream, whose times go on: where the layer changes it waits for a keyframe.
            steps = [later - earlier for earlier, later in pairwise(wide.times)]
            assert min(steps) > 0
            assert max(steps) < 0.3
            # A path that becomes narrow.
            hosts["wide"].set_link(up=False, rate=120e3, queue=15_000)
            await wide.until("l")

    run(view)

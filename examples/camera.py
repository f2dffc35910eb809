#!/usr/bin/env python3
"""A camera that takes commands in the chat: `brighter`, `darker`, `mirror`, `still` and `live`.

Whoever calls sees the picture and steers it for themselves: each call has a view of its own, over
one source that is read once. The source is a test picture, or what `--video` names, such as
/dev/video0. It needs `pip install numpy`.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import trio
from av import VideoFrame

import trio_rtc


@dataclass
class View:
    """How one caller sees it."""

    gain: float = 1.0
    mirrored: bool = False
    live: bool = True

    def obey(self, command: str) -> str:
        """Do what a command says; the answer to it."""
        match command.strip().lower():
            case "brighter":
                self.gain = min(self.gain * 1.5, 8.0)
            case "darker":
                self.gain = max(self.gain / 1.5, 0.1)
            case "mirror":
                self.mirrored = not self.mirrored
            case "still":
                self.live = False
            case "live":
                self.live = True
            case _:
                return "brighter, darker, mirror, still or live"
        return f"gain {self.gain:.2f}, mirrored {self.mirrored}, live {self.live}"

    def of(self, picture: np.ndarray) -> np.ndarray:
        changed = np.clip(picture * self.gain, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(changed[:, ::-1]) if self.mirrored else changed


async def seen(source: trio_rtc.MediaTrack, view: View) -> AsyncIterator[VideoFrame]:
    async for frame in source.frames(1):
        assert isinstance(frame, VideoFrame)
        if view.live:
            picture = view.of(frame.to_ndarray(format="rgb24"))
            changed = VideoFrame.from_ndarray(picture, format="rgb24")
            changed.pts, changed.time_base = frame.pts, frame.time_base
            yield changed


async def show(source: trio_rtc.MediaTrack, call: trio_rtc.Call) -> None:
    """A handler of calls, for a source."""
    view = View()

    async def steer(channel: trio_rtc.DataChannel) -> None:
        async for command in channel:
            await channel.send(view.obey(str(command)))

    async with trio_rtc.open_track("video", seen(source, view)) as track:
        await call.add_track(track)
        await trio_rtc.serve_channels(steer, call)


async def serve(server: str, name: str, video: str) -> None:
    async with (
        trio_rtc.open_media(video=video, loop=video != "pattern") as [source],
        trio_rtc.open_signaling(server, name=name) as signaling,
    ):
        print(f"call {name} to see the picture", flush=True)
        await trio_rtc.serve_calls(partial(show, source), signaling)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="camera", help="what others call us by")
    parser.add_argument("--video", default="pattern", help="a device, a file, or pattern")
    arguments = parser.parse_args()
    try:
        trio.run(serve, arguments.server, arguments.name, arguments.video)
    except* KeyboardInterrupt:
        pass

#!/usr/bin/env python3
"""Sends everybody who calls their own picture back, filtered, and their own voice with it.

A filter is a function of a numpy array, which runs in a thread; a frame that comes while it is at
work is left out, so that the picture stays fresh. Frames keep their times, and stay in step with
the sound. It needs `pip install numpy`.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import AsyncIterator, Callable

import numpy as np
import trio
from av import VideoFrame

import trio_rtc

Picture = np.ndarray
"""Height times width times red, green and blue, each from 0 to 255."""


def negative(picture: Picture) -> Picture:
    return 255 - picture


def mirror(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1])


def edges(picture: Picture) -> Picture:
    # Green is most of what one sees as brightness.
    bright = picture[:, :, 1].astype(np.int16)
    lines = np.abs(np.diff(bright, axis=1, prepend=bright[:, :1]))
    lines += np.abs(np.diff(bright, axis=0, prepend=bright[:1]))
    return np.repeat(np.minimum(4 * lines, 255).astype(np.uint8)[:, :, None], 3, axis=2)


FILTERS: dict[str, Callable[[Picture], Picture]] = {
    "negative": negative,
    "mirror": mirror,
    "edges": edges,
}


async def filtered(
    track: trio_rtc.MediaTrack, change: Callable[[Picture], Picture]
) -> AsyncIterator[VideoFrame]:
    """The frames of a track, changed; one that is late is left out rather than waited for."""
    async for frame in track.frames(2):
        assert isinstance(frame, VideoFrame)
        changed = VideoFrame.from_ndarray(
            await trio.to_thread.run_sync(change, frame.to_ndarray(format="rgb24")), format="rgb24"
        )
        # The time at which it was taken, which keeps it in step with the sound.
        changed.pts, changed.time_base = frame.pts, frame.time_base
        yield changed


async def serve(server: str, name: str, change: Callable[[Picture], Picture]) -> None:
    async def answer(call: trio_rtc.Call) -> None:
        print(f"{call.peer} has called", flush=True)
        async with trio.open_nursery() as nursery:
            async for track in call.tracks:
                nursery.start_soon(send_back, call, track)
        print(f"the call of {call.peer} is over: {call.end}", flush=True)

    async def send_back(call: trio_rtc.Call, track: trio_rtc.MediaTrack) -> None:
        if track.kind == "audio":
            await call.add_track(track)
            return
        async with trio_rtc.open_track("video", filtered(track, change)) as result:
            await call.add_track(result)
            await call.wait_ended()

    async with trio_rtc.open_signaling(server, name=name) as signaling:
        print(f"signed in as {name}", flush=True)
        await trio_rtc.serve_calls(answer, signaling)


async def until_interrupted(arguments: argparse.Namespace) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, arguments.server, arguments.name, FILTERS[arguments.filter])
            await anext(signals)
            nursery.cancel_scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="ws://localhost:8888", help="the signaling server")
    parser.add_argument("--name", default="filter", help="what others call us by")
    parser.add_argument("--filter", choices=FILTERS, default="negative")
    try:
        trio.run(until_interrupted, parser.parse_args())
    except* trio_rtc.TrioRTCError as group:
        sys.exit(f"{parser.prog}: {group.exceptions[0]}")


if __name__ == "__main__":
    main()

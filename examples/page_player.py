#!/usr/bin/env python3
"""Plays a film to whoever calls from the server's page, and records what comes back.

    python examples/page_player.py [FILM] [--server ws://localhost:8888] [--record returned.webm]

Without a film it makes one of five seconds. Without a server it starts one, and tells where to
point a browser: sign in there, choose what to send, and call "player". It needs
`pip install numpy`.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import trio

import trio_rtc

SECONDS, RATE, SOUND_RATE = 5, 24, 48000


def make_film(path: Path) -> None:
    """Write a film of our own: a dot on a circle, and a tone that rises."""
    rows, columns = np.mgrid[0:240, 0:320]
    with av.open(str(path), "w") as film:
        picture = film.add_stream("libvpx", rate=RATE)
        picture.width, picture.height, picture.pix_fmt = 320, 240, "yuv420p"
        sound = film.add_stream("libopus", rate=SOUND_RATE, layout="mono")
        for number in range(SECONDS * RATE):
            angle = 2 * math.pi * number / (2 * RATE)
            x, y = 160 + 90 * math.cos(angle), 120 + 70 * math.sin(angle)
            pixels = np.full((240, 320, 3), (18, 49, 47), np.uint8)
            pixels[(columns - x) ** 2 + (rows - y) ** 2 < 600] = (45, 212, 191)
            film.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        film.mux(picture.encode())
        times = np.arange(SECONDS * SOUND_RATE) / SOUND_RATE
        samples = (6000 * np.sin(2 * math.pi * (220 + 40 * times) * times)).astype(np.int16)
        for start in range(0, len(samples), 960):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], layout="mono")
            frame.sample_rate, frame.pts = SOUND_RATE, start
            frame.time_base = Fraction(1, SOUND_RATE)
            film.mux(sound.encode(frame))
        film.mux(sound.encode())


async def serve(url: str, film: Path, recording: Path, *, once: bool) -> None:
    finished = trio.Event()

    async def play(call: trio_rtc.Call) -> None:
        print(f"{call.peer.name} is watching", flush=True)
        async with trio_rtc.record_media(recording) as recorder, trio.open_nursery() as nursery:

            async def record() -> None:
                async for track in call.tracks:
                    await recorder.add_track(track)

            nursery.start_soon(record)
            async with await call.open_channel("chat") as chat:
                await chat.send(f"This is {film.name}.")
                print(f"{call.peer.name} has gone ({await call.wait_ended()})", flush=True)
        came = await trio.Path(recording).exists()
        print(f"recorded {recording}" if came else "nothing came to record", flush=True)
        if once:
            finished.set()

    async with (
        trio_rtc.open_signaling(url, name="player") as signaling,
        trio_rtc.open_media(video=film, audio=film, loop=True) as tracks,
        trio.open_nursery() as nursery,
    ):

        async def answer(task_status: trio.TaskStatus[None]) -> None:
            await trio_rtc.serve_calls(play, signaling, tracks=tracks, task_status=task_status)

        await nursery.start(answer)
        print(f"call {signaling.name} from the page {url.replace('ws', 'http', 1)}/", flush=True)
        await finished.wait()
        nursery.cancel_scope.cancel()


async def main(arguments: argparse.Namespace) -> None:
    async with trio.open_nursery() as nursery:
        url = arguments.server
        if url is None:

            async def serve_signaling(
                task_status: trio.TaskStatus[list[trio.SocketListener]],
            ) -> None:
                await trio_rtc.serve_signaling(
                    arguments.port, host="localhost", task_status=task_status
                )

            listeners = await nursery.start(serve_signaling)
            url = f"ws://localhost:{listeners[0].socket.getsockname()[1]}"
        with tempfile.TemporaryDirectory() as directory:
            film = arguments.film
            if film is None:
                film = Path(directory, "film.webm")
                await trio.to_thread.run_sync(make_film, film)
            await serve(url, film, arguments.record, once=arguments.once)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("film", nargs="?", type=Path)
    parser.add_argument("--server", help="a signaling server, such as ws://localhost:8888")
    parser.add_argument("--port", type=int, default=8888, help="of the server that it starts")
    parser.add_argument("--record", type=Path, default=Path("returned.webm"))
    parser.add_argument("--once", action="store_true", help="end after one call")
    try:
        trio.run(main, parser.parse_args())
    except* KeyboardInterrupt:
        pass

#!/usr/bin/env python3
"""How many viewers of 1 Mbit/s one core carries: CPU time of a relay, for each viewer.

A film of 640x480 pixels, 30 a second, of 1 Mbit/s in H.264 is published to a relay in a process of
its own, which sends it to viewers in this one, who decode nothing. Sides: ``relay`` sends it on as
it is; ``decoded`` is what a program does that sends a received track on in other calls, a decoder
for all and an encoder for each; ``aiortc`` is its MediaRelay. Printed are CPU seconds of the relay
per second and viewer, what of the film the viewers get, and the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio
from measuring import Table

WARM_UP_SECONDS = 3.0
BITS_PER_SECOND = 1_000_000
SIDES = ("relay", "decoded", "aiortc")


def make_film(path: Path) -> None:
    """A moving picture with noise, which takes all of its bitrate."""
    import av

    picture = "testsrc2=size=640x480:rate=30:duration=10,noise=alls=12:allf=t"
    rate = str(BITS_PER_SECOND)
    options = {"g": "30", "bf": "0", "preset": "veryfast", "maxrate": rate, "bufsize": rate}
    with av.open(picture, format="lavfi") as source, av.open(str(path), "w") as film:
        stream: Any = film.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.profile, stream.bit_rate = "Baseline", BITS_PER_SECOND
        for frame in source.decode(video=0):
            film.mux(stream.encode(frame.reformat(format="yuv420p")))
        film.mux(stream.encode(None))


# The relay: a line of JSON in for each description, and one out. The first one is the publisher's.


def report(began: float, cpu: float) -> str:
    return json.dumps({"cpu": (time.process_time() - cpu) / (time.perf_counter() - began)})


def run_ours(side: str, seconds: float) -> None:
    import trio_rtc
    from trio_rtc.rtc import TrackEvent, open_peer_connection

    async def main() -> None:
        lines = trio.wrap_file(sys.stdin)
        published: trio_rtc.MediaTrack | None = None
        give, take = trio.open_memory_channel[trio_rtc.MediaTrack](1)

        async def listen(connection: trio_rtc.PeerConnection) -> None:
            async for event in connection:
                if isinstance(event, TrackEvent) and published is None:
                    await give.send(event.track)

        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            async for line in lines:
                if line == "measure\n":
                    cpu, began = time.process_time(), time.perf_counter()
                    await trio.sleep(seconds)
                    print(report(began, cpu), flush=True)
                    continue
                connection = await stack.enter_async_context(open_peer_connection())
                nursery.start_soon(listen, connection)
                if published is not None:
                    await connection.add_track(published)
                offer = trio_rtc.SessionDescription(type="offer", sdp=json.loads(line))
                await connection.set_remote_description(offer)
                await connection.set_local_description()
                print(json.dumps((await connection.gathered()).sdp), flush=True)
                if published is None:
                    track = await take.receive()
                    published = await track.undecoded() if side == "relay" else track
            nursery.cancel_scope.cancel()

    trio.run(main)


def run_aiortc(seconds: float) -> None:
    from aiortc import RTCPeerConnection, RTCSessionDescription
    from aiortc.contrib.media import MediaRelay

    async def main() -> None:
        loop, relay = asyncio.get_running_loop(), MediaRelay()
        published: Any = None
        connections = []
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            if line == "measure\n":
                cpu, began = time.process_time(), time.perf_counter()
                await asyncio.sleep(seconds)
                print(report(began, cpu), flush=True)
                continue
            connection = RTCPeerConnection()
            connections.append(connection)
            if published is not None:
                connection.addTrack(relay.subscribe(published))
            await connection.setRemoteDescription(RTCSessionDescription(json.loads(line), "offer"))
            if published is None:
                published = connection.getReceivers()[0].track
            await connection.setLocalDescription(await connection.createAnswer())
            print(json.dumps(connection.localDescription.sdp), flush=True)

    asyncio.run(main())


# The publisher and the viewers.


async def measure(side: str, viewers: int, seconds: float, film: Path) -> tuple[float, float]:
    """CPU seconds per second and viewer, and megabits a second that a viewer gets."""
    import trio_rtc
    from trio_rtc.rtc import TrackEvent, open_peer_connection

    process = await trio.lowlevel.open_process(
        [sys.executable, __file__, "--side", side, "--seconds", str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    got = 0
    assert process.stdin is not None
    assert process.stdout is not None
    rest = b""

    async def ask(line: str) -> Any:
        nonlocal rest
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send_all(f"{line}\n".encode())
        while b"\n" not in rest:
            data = await process.stdout.receive_some()
            if not data:
                raise RuntimeError(f"the relay of {side} has ended")
            rest += data
        answer, _, rest = rest.partition(b"\n")
        return json.loads(answer)

    async def watch(connection: trio_rtc.PeerConnection) -> None:
        nonlocal got
        async for event in connection:
            if isinstance(event, TrackEvent):
                async for packet in event.track.packets():
                    got += packet.size

    async def connect(connection: trio_rtc.PeerConnection) -> None:
        await connection.set_local_description()
        answer = await ask(json.dumps((await connection.gathered()).sdp))
        await connection.set_remote_description(
            trio_rtc.SessionDescription(type="answer", sdp=answer)
        )

    try:
        with trio.fail_after(60 + seconds + viewers):
            async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
                [track] = await stack.enter_async_context(
                    trio_rtc.open_media(video=film, loop=True, encoded=True)
                )
                publisher = await stack.enter_async_context(open_peer_connection())
                nursery.start_soon(watch, publisher)
                await publisher.add_track(track)
                await connect(publisher)
                await trio.sleep(1)
                for _ in range(viewers):
                    viewer = await stack.enter_async_context(open_peer_connection())
                    viewer.offer_to_receive(("video",), data_channels=False)
                    nursery.start_soon(watch, viewer)
                    await connect(viewer)
                await trio.sleep(WARM_UP_SECONDS)
                got, began = 0, time.perf_counter()
                cpu = (await ask("measure"))["cpu"]
                rate = got * 8 / (time.perf_counter() - began) / viewers / 1e6
                nursery.cancel_scope.cancel()
        return cpu / viewers, rate
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--viewers", type=int, default=50, help="of the side relay")
    parser.add_argument("--few", type=int, default=2, help="viewers of those that encode")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "aiortc":
        return run_aiortc(options.seconds)
    if options.side:
        return run_ours(options.side, options.seconds)
    if options.quick:
        options.turns, options.seconds, options.viewers, options.few = 1, 1.0, 2, 1
    table = Table("relay of 1 Mbit/s", "relay")
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        make_film(film)
        for _ in range(options.turns):
            for side in options.sides:
                viewers = options.viewers if side == "relay" else options.few
                cpu, rate = trio.run(measure, side, viewers, options.seconds, film)
                table.add("CPU seconds per second and viewer", side, cpu)
                table.add("Mbit/s that a viewer gets", side, rate)
    table.print()
    table.write(options.json)
    return None


if __name__ == "__main__":
    main()

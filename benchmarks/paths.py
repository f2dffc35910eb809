#!/usr/bin/env python3
"""A data channel over paths with a rate, a delay and losses, beside aiortc, libdatachannel, wrtc.

One sends messages of 16 KiB as fast as it is let; the other counts what comes in the first second,
and from the second to the last. Each is on a host of its own, with a wire between them (`wire.py`).
A side that does not get through has 0 there. What is measured is written as it comes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import aiortc
import trio
from data_channel import HIGH_WATER, describe
from measuring import HERE, Table, arguments, has_npm, run_json

from trio_rtc.rtc import DataChannelEvent, open_peer_connection
from trio_rtc.wire.messages import SessionDescription

SIZE = 16 * 1024
START = 2.0
FIGURES = ("MB/s", "MB in the first second")
SIDES = ("plain aiortc", "ours", "libdatachannel", "wrtc")


class Count:
    """What has come, by the time since the first of it; None where it is over."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._began: float | None = None
        self._first = self._steady = 0
        self.is_over = False

    def add(self, message: bytes | str) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began = now
        since = now - self._began
        self.is_over = since >= self._seconds
        if since < 1:
            self._first += len(message)
        if START <= since < self._seconds:
            self._steady += len(message)

    def write(self, file: str) -> None:
        figures = {
            FIGURES[0]: self._steady / (self._seconds - START) / 1e6,
            FIGURES[1]: self._first / 1e6,
        }
        Path(file).write_text(json.dumps(figures))


def say(sdp: str) -> None:
    print(json.dumps(sdp), flush=True)


def hear() -> str:
    sdp: str = json.loads(sys.stdin.readline())
    return sdp


async def send_ours(seconds: float) -> None:
    async with open_peer_connection() as connection:
        channel = await connection.create_data_channel("benchmark")
        say((await describe(connection)).sdp)
        answer = await trio.to_thread.run_sync(hear)
        await connection.set_remote_description(SessionDescription(type="answer", sdp=answer))
        await channel.wait_open()
        message = bytes(SIZE)
        # Who takes it is the first to end.
        with trio.move_on_after(seconds + 1), suppress(trio.BrokenResourceError):
            while True:
                await channel.send(message)


async def take_ours(count: Count) -> None:
    async with open_peer_connection() as connection:
        offer = await trio.to_thread.run_sync(hear)
        await connection.set_remote_description(SessionDescription(type="offer", sdp=offer))
        say((await describe(connection)).sdp)
        async for event in connection:
            if isinstance(event, DataChannelEvent):
                while not count.is_over:
                    count.add(await event.channel.receive())
                return


async def hear_soon() -> str:
    return await asyncio.get_running_loop().run_in_executor(None, hear)


async def send_plain(seconds: float) -> None:
    connection = aiortc.RTCPeerConnection()
    channel = connection.createDataChannel("benchmark")
    channel.bufferedAmountLowThreshold = HIGH_WATER // 4
    opened, low = asyncio.Event(), asyncio.Event()
    channel.on("open", opened.set)
    channel.on("bufferedamountlow", low.set)
    await connection.setLocalDescription()
    say(connection.localDescription.sdp)
    answer = aiortc.RTCSessionDescription(type="answer", sdp=await hear_soon())
    await connection.setRemoteDescription(answer)
    await opened.wait()

    async def pour() -> None:
        while True:
            while channel.bufferedAmount + SIZE > HIGH_WATER:
                low.clear()
                await low.wait()
            channel.send(bytes(SIZE))
            await asyncio.sleep(0)

    pouring = asyncio.ensure_future(pour())
    await asyncio.wait([pouring], timeout=seconds + 1)
    if pouring.done() and not isinstance(pouring.exception(), aiortc.InvalidStateError):
        pouring.result()


async def take_plain(count: Count) -> None:
    connection = aiortc.RTCPeerConnection()
    over = asyncio.Event()

    @connection.on("datachannel")
    def serve(channel: aiortc.RTCDataChannel) -> None:
        @channel.on("message")
        def add(message: bytes | str) -> None:
            count.add(message)
            if count.is_over:
                over.set()

    offer = aiortc.RTCSessionDescription(type="offer", sdp=await hear_soon())
    await connection.setRemoteDescription(offer)
    await connection.setLocalDescription()
    say(connection.localDescription.sdp)
    await over.wait()


async def wrtc_describe(connection: Any) -> str:
    """Its description, with all candidates."""
    await connection.set_local_description()
    while "complete" not in str(connection.ice_gathering_state).lower():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    sdp: str = connection.local_description.sdp
    return sdp


async def wrtc_hear(connection: Any, kind: str) -> None:
    import webrtc

    sdp = await hear_soon()
    await connection.set_remote_description(
        webrtc.RTCSessionDescription(getattr(webrtc.RTCSdpType, kind), sdp)
    )


async def send_wrtc(seconds: float) -> None:
    import webrtc

    connection = webrtc.RTCPeerConnection()
    channel = connection.create_data_channel("benchmark")
    say(await wrtc_describe(connection))
    await wrtc_hear(connection, "answer")
    while "open" not in str(channel.ready_state).lower():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    end = time.monotonic() + seconds + 1
    while time.monotonic() < end:
        if channel.buffered_amount + SIZE > HIGH_WATER:
            await asyncio.sleep(0.001)
        else:
            channel.send(bytes(SIZE))


async def take_wrtc(count: Count) -> None:
    import webrtc

    connection = webrtc.RTCPeerConnection()
    channels: list[Any] = []

    def serve(event: Any) -> None:
        channels.append(event.channel)
        event.channel.on("message", lambda message: count.add(message.data))

    connection.on("datachannel", serve)
    await wrtc_hear(connection, "offer")
    say(await wrtc_describe(connection))
    while not count.is_over:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def send(side: str, seconds: float) -> None:
    if side == "ours":
        trio.run(send_ours, seconds)
    else:
        asyncio.run({"plain aiortc": send_plain, "wrtc": send_wrtc}[side](seconds))


def take(side: str, seconds: float, file: str) -> None:
    count = Count(seconds)
    if side == "ours":
        trio.run(take_ours, count)
    else:
        asyncio.run({"plain aiortc": take_plain, "wrtc": take_wrtc}[side](count))
    count.write(file)


def turn(side: str, trip: float, rate: float, loss: float, seconds: float, seed: int) -> Any:
    """What a side reaches over such a path."""
    if side == "libdatachannel":
        programs: list[list[object]] = [
            ["node", HERE / "paths.js", what, seconds] for what in ("send", "take")
        ]
    else:
        programs = [
            [sys.executable, Path(__file__), what, side, seconds] for what in ("--send", "--take")
        ]
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        path = ["--milliseconds", trip / 2, "--rate", rate, "--loss", loss, "--seed", seed]
        wire = [sys.executable, HERE / "wire.py", *path, "--", *programs[0], "--", *programs[1]]
        try:
            run_json(
                ["sh", "-c", '"$@" >&2; cat "$0"', file.name, *wire, file.name],
                timeout=6 * seconds,
            )
            return json.load(file)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError, ValueError) as error:
            print(f"{side} did not get through: {error}", file=sys.stderr)
            return dict.fromkeys(FIGURES, 0.0)


def main() -> None:
    if sys.argv[1:2] == ["--send"]:
        send(sys.argv[2], float(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--take"]:
        take(sys.argv[2], float(sys.argv[3]), sys.argv[4])
        return
    parser = arguments(__doc__)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--trips", type=float, nargs="+", default=[20, 50, 100, 200], help="ms")
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 100], help="Mbit/s")
    parser.add_argument("--losses", type=float, nargs="+", default=[0, 0.1, 1, 3], help="percent")
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args()
    if options.quick:
        options.trips, options.rates, options.losses, options.seconds = [20], [10], [1], 3
    sides = [s for s in options.sides if s != "libdatachannel" or has_npm("node-datachannel")]
    table = Table("paths", reference="plain aiortc")
    for number in range(1 if options.quick else options.turns):
        for rate, trip, loss, side in product(options.rates, options.trips, options.losses, sides):
            figures = turn(side, trip, rate, loss, options.seconds, number + 1)
            for what, value in figures.items():
                table.add(f"{rate:g} Mbit/s, {trip:g} ms, {loss:g} %: {what}", side, value)
            table.write(options.json)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A data channel beside plain aiortc on asyncio; libdatachannel and libwebrtc are far marks.

Measured are the round trip of 100 bytes, and MB/s of messages of 1, 16 and 64 KiB, with both peers
in one process and with each in its own. Every turn of every side is a process of its own. Packets
go over the loopback device, with an MTU of 65 536; with another one, in a network of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import trio
from measuring import (
    HERE,
    LIBRARY,
    LIBWEBRTC,
    Table,
    arguments,
    has_libwebrtc,
    has_npm,
    library,
    run_json,
)

from trio_rtc.rtc import DataChannel, DataChannelEvent, PeerConnection, open_peer_connection
from trio_rtc.wire.messages import SessionDescription

SIZES = (1, 16, 64)
PING = bytes(100)
WARM_UP = 200
HIGH_WATER = 1024 * 1024


@dataclass(frozen=True)
class Side:
    """One of those that are compared, and what is set in the environment for it."""

    program: str
    environment: dict[str, str]


SIDES = {
    "plain aiortc": Side("plain", {}),
    "ours": Side("ours", {}),
    "ours, portal": Side("ours", {"TRIO_RTC_ENGINE": "portal"}),
    "ours, aiortc's SCTP": Side("ours", {"TRIO_RTC_SCTP": "aiortc"}),
    "libdatachannel": Side("node", {}),
    "wrtc": Side("plain", {LIBRARY: LIBWEBRTC}),
}
USUAL = ("plain aiortc", "ours", "libdatachannel", "wrtc")


@dataclass
class Amount:
    """How much is measured.

    Attributes:
        trips: round trips.
        megabytes: sent in messages of each size.
    """

    trips: int
    megabytes: float


Figures = dict[str, float]
Send = Callable[[bytes | str], Awaitable[None]]
Receive = Callable[[], Awaitable[bytes | str]]


async def measure(send: Send, receive: Receive, amount: Amount) -> Figures:
    """What one who calls sees. The other side echoes pings and the word that it has all."""
    for _ in range(min(WARM_UP, amount.trips)):
        await send(PING)
        await receive()
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(amount.trips):
        await send(PING)
        await receive()
    figures = {
        "round trip, us": (time.perf_counter() - start) / amount.trips * 1e6,
        "CPU of a round trip, us": (time.process_time() - cpu) / amount.trips * 1e6,
    }
    for size in SIZES:
        message = os.urandom(size * 1024)
        count = max(1, round(amount.megabytes * 1e6 / len(message)))
        megabytes = count * len(message) / 1e6
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            await send(message)
        await send("all")
        assert await receive() == "all"
        figures[f"{size} KiB, MB/s"] = megabytes / (time.perf_counter() - start)
        figures[f"{size} KiB, CPU ms/MB"] = (time.process_time() - cpu) / megabytes * 1e3
    return figures


def is_echoed(message: bytes | str) -> bool:
    return len(message) == len(PING) or message == "all"


# Ours.


async def serve_ours(connection: PeerConnection) -> None:
    async for event in connection:
        if isinstance(event, DataChannelEvent):
            with contextlib.suppress(trio.BrokenResourceError):  # The other process has ended.
                async for message in event.channel:
                    if is_echoed(message):
                        await event.channel.send(message)


async def describe(connection: PeerConnection) -> SessionDescription:
    """The description that is due, with its candidates: without servers all are there by now."""
    await connection.set_local_description()
    assert connection.local_description is not None
    return connection.local_description


async def ours(amount: Amount, other: Other | None) -> Figures:
    async with open_peer_connection() as connection, trio.open_nursery() as nursery:
        channel: DataChannel = await connection.create_data_channel("benchmark")
        offer = await describe(connection)
        if other is None:
            answering = await nursery.start(serve_one_ours)
            await answering.set_remote_description(offer)
            answer = await describe(answering)
        else:
            answer = SessionDescription(type="answer", sdp=other.answer(offer.sdp))
        await connection.set_remote_description(answer)
        await channel.wait_open()
        figures = await measure(channel.send, channel.receive, amount)
        nursery.cancel_scope.cancel()
    return figures


async def serve_one_ours(task_status: trio.TaskStatus[PeerConnection]) -> None:
    async with open_peer_connection() as connection:
        task_status.started(connection)
        await serve_ours(connection)


async def answer_ours() -> None:
    async with open_peer_connection() as connection:
        sdp = json.loads(await trio.to_thread.run_sync(sys.stdin.readline))
        await connection.set_remote_description(SessionDescription(type="offer", sdp=sdp))
        answer = await describe(connection)
        print(json.dumps(answer.sdp), flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_ours, connection)
            await trio.to_thread.run_sync(sys.stdin.readline)
            nursery.cancel_scope.cancel()


# Plain aiortc, as its examples use it, with the backpressure of its own documentation.


def plain_answering() -> Any:
    connection = library().RTCPeerConnection()

    def serve(channel: Any) -> None:
        def echo(message: bytes | str) -> None:
            if is_echoed(message):
                channel.send(message)

        channel.on("message", echo)

    connection.on("datachannel", serve)
    return connection


async def plain(amount: Amount, other: Other | None) -> Figures:
    aiortc = library()
    connection = aiortc.RTCPeerConnection()
    channel = connection.createDataChannel("benchmark")
    channel.bufferedAmountLowThreshold = HIGH_WATER // 4
    opened, low = asyncio.Event(), asyncio.Event()
    messages: asyncio.Queue[bytes | str] = asyncio.Queue()
    channel.on("open", opened.set)
    channel.on("message", messages.put_nowait)
    channel.on("bufferedamountlow", low.set)

    async def send(message: bytes | str) -> None:
        while channel.bufferedAmount + len(message) > HIGH_WATER:
            low.clear()
            await low.wait()
        channel.send(message)

    await connection.setLocalDescription()
    answering = plain_answering()
    if other is None:
        await answering.setRemoteDescription(connection.localDescription)
        await answering.setLocalDescription()
        answer = answering.localDescription
    else:
        sdp = other.answer(connection.localDescription.sdp)
        answer = aiortc.RTCSessionDescription(type="answer", sdp=sdp)
    await connection.setRemoteDescription(answer)
    await asyncio.wait_for(opened.wait(), 30)
    figures = await measure(send, messages.get, amount)
    await connection.close()
    await answering.close()
    return figures


async def answer_plain() -> None:
    aiortc = library()
    connection = plain_answering()
    read = partial(asyncio.get_running_loop().run_in_executor, None, sys.stdin.readline)
    sdp = json.loads(await read())
    await connection.setRemoteDescription(aiortc.RTCSessionDescription(type="offer", sdp=sdp))
    await connection.setLocalDescription()
    print(json.dumps(connection.localDescription.sdp), flush=True)
    await read()
    await connection.close()


class Other:
    """The process of the answering peer."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def answer(self, offer: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(offer) + "\n")
        self._process.stdin.flush()
        answer: str = json.loads(self._process.stdout.readline())
        return answer


@contextlib.contextmanager
def open_other(program: str) -> Iterator[Other]:
    with subprocess.Popen(
        [sys.executable, __file__, "--answer", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Other(process)
        # It ends with its input.
        assert process.stdin is not None
        process.stdin.close()


async def with_other(
    run: Callable[[Amount, Other | None], Awaitable[Figures]],
    program: str,
    amount: Amount,
    processes: int,
) -> Figures:
    if processes == 1:
        return await run(amount, None)
    with open_other(program) as other:
        return await run(amount, other)


def one_turn(program: str, amount: Amount, processes: int) -> Figures:
    if program == "ours":
        return trio.run(with_other, ours, program, amount, processes)
    result: Figures = asyncio.run(with_other(plain, program, amount, processes))
    return result


IN_A_NETWORK = """
ip link set lo up mtu "$1" && ip link add eth0 type veth peer name eth1 &&
ip link set eth0 up && ip link set eth1 up && ip address add 192.0.2.1/24 dev eth0 &&
shift && exec "$@"
"""


def turn(side: Side, amount: Amount, processes: int, mtu: int | None) -> Figures:
    """A turn of a side, in a process of its own."""
    options = [amount.trips, amount.megabytes, processes]
    if side.program == "node":
        command: list[object] = ["node", HERE / "data_channel.js", *options]
    else:
        command = [sys.executable, Path(__file__), "--turn", side.program, *options]
    if mtu is not None:
        # What a host sends to itself goes over lo, whatever device its address is on.
        own_network = ["unshare", "--map-root-user", "--net", "sh", "-c", IN_A_NETWORK]
        command = [*own_network, "sh", mtu, *command]
    figures = run_json(command, side.environment)
    assert isinstance(figures, dict)
    return figures


def main() -> None:
    if sys.argv[1:2] == ["--answer"]:
        program = sys.argv[2]
        if program == "ours":
            trio.run(answer_ours)
        else:
            asyncio.run(answer_plain())
        return
    if sys.argv[1:2] == ["--turn"]:
        program, trips, megabytes, where = sys.argv[2:]
        amount = Amount(int(trips), float(megabytes))
        print(json.dumps(one_turn(program, amount, int(where))))
        return
    parser = arguments(__doc__)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(USUAL))
    parser.add_argument(
        "--mtu", type=int, nargs="+", default=[None], help="bytes of IP in a packet (Linux)"
    )
    options = parser.parse_args()
    amount = Amount(20, 0.2) if options.quick else Amount(1000, 5)
    sides = [
        name
        for name in options.sides
        if (SIDES[name].program != "node" or has_npm("node-datachannel"))
        and (LIBRARY not in SIDES[name].environment or has_libwebrtc())
    ]
    table = Table("data channel", reference="plain aiortc")
    for _ in range(1 if options.quick else options.turns):
        for processes, mtu, name in product((1, 2), options.mtu, sides):
            if SIDES[name].program == "node" and processes == 2:
                continue
            title = "one process" if processes == 1 else "two processes"
            if mtu is not None:
                title += f", MTU {mtu}"
            for what, value in turn(SIDES[name], amount, processes, mtu).items():
                table.add(f"{title}: {what}", name, value)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()

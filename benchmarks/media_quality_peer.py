#!/usr/bin/env python3
"""One end of a call of which `media_quality.py` measures how the media arrive.

``send`` sends pictures that tell their number, and a sound in which a mark begins every half a
second; ``receive`` notes when it sees and hears them. Descriptions and candidates go over standard
input and output; what was noted goes to a file.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import struct
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from av import AudioFrame, VideoFrame

#: By side: what is imported.
LIBRARIES = {"plain aiortc": "aiortc", "libwebrtc": "webrtc.aiortc"}

WIDTH, HEIGHT, FPS = 640, 480, 30
RATE, SAMPLES = 48_000, 960
PIECE = SAMPLES / RATE
MARK_EVERY, MARK_LENGTH = 25, 5
"""Pieces of sound from one mark to the next, and how many of them a mark has."""

BLOCK, BITS = 40, 16
LOUD = 2000
TONE = (10_000 * np.sin(2 * np.pi * 500 * np.arange(SAMPLES) / RATE)).astype(np.int16)


def sound(number: int) -> AudioFrame:
    wave = TONE if number % MARK_EVERY < MARK_LENGTH else np.zeros_like(TONE)
    frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, number * SAMPLES, Fraction(1, RATE)
    return frame


#: What pictures have beside what moves, so that they take any bitrate that there is.
GRAIN: list[np.ndarray] = []


def roughen() -> None:
    """Have pictures have a grain from now on, as those of a camera have in the evening."""
    chance = np.random.default_rng(1)
    GRAIN.extend(chance.integers(0, 40, (HEIGHT, WIDTH, 1), np.uint8) for _ in range(7))


def picture(number: int) -> VideoFrame:
    """Its number in black and white blocks, above something that moves."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:] = ((np.arange(WIDTH) + 5 * number) // 8 % 32 * 8).astype(np.uint8)[None, :, None]
    if GRAIN:
        pixels //= 2
        pixels += GRAIN[number % len(GRAIN)]
    for bit in range(BITS):
        left = bit * BLOCK
        pixels[:BLOCK, left : left + BLOCK] = 255 if number >> bit & 1 else 0
    frame = VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts, frame.time_base = round(number / FPS * 90_000), Fraction(1, 90_000)
    return frame


def number_of(frame: VideoFrame) -> int:
    grey = frame.to_ndarray(format="gray")
    middle = grey[BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK]
    return int(sum(1 << bit for bit, value in enumerate(middle) if value > 127))


class Notes:
    """What an end has sent or received, by the clock of the machine."""

    def __init__(self) -> None:
        self.pictures: list[tuple[int, float, float]] = []
        self.marks: list[tuple[float, float]] = []
        self.pieces: list[tuple[float, float]] = []
        #: When the last packet of each RTP timestamp came, by its source.
        self.packets: dict[int, dict[int, float]] = {}
        self._was_loud = True

    def see(self, frame: VideoFrame) -> None:
        self.pictures.append((number_of(frame), time.monotonic(), float(frame.time or 0)))

    def watch_packets(self) -> None:
        """Note when packets come, in aiortc; what they are of is told before they are decrypted."""
        from aiortc import RTCDtlsTransport

        transports: Any = RTCDtlsTransport
        handle = transports._handle_rtp_data

        async def note(transport: Any, data: bytes, arrival_time_ms: int) -> None:
            timestamp, ssrc = struct.unpack_from("!II", data, 4)
            self.packets.setdefault(ssrc, {})[timestamp] = time.monotonic()
            await handle(transport, data, arrival_time_ms)

        transports._handle_rtp_data = note

    def hear(self, frame: AudioFrame) -> None:
        now, begins = time.monotonic(), float(frame.time or 0)
        self.pieces.append((now, begins))
        wave = np.abs(frame.to_ndarray().astype(np.int32)[0])[:: len(frame.layout.channels)]
        loud = np.flatnonzero(wave > LOUD)
        if loud.size and not self._was_loud:
            self.marks.append((now, begins + float(loud[0]) / frame.sample_rate))
        self._was_loud = bool(loud.size)

    def write(self, path: Path) -> None:
        path.write_text(
            json.dumps(
                {
                    "pictures": self.pictures,
                    "marks": self.marks,
                    "pieces": self.pieces,
                    "packets": [list(times.items()) for times in self.packets.values()],
                }
            )
        )


def say(message: object) -> None:
    print(json.dumps(message), flush=True)


# Ours


async def paced(step: float, make: Callable[[int], Any], late: float) -> AsyncIterator[Any]:
    import trio

    await trio.sleep(late)
    start, number = trio.current_time(), 0
    while True:
        yield make(number)
        # As a camera: what has not been taken in its time is not made.
        number = max(number + 1, int((trio.current_time() - start) / step))
        await trio.sleep_until(start + number * step)


async def run_ours(role: str, seconds: float, late: float, notes: Notes) -> None:
    import trio

    from trio_rtc.rtc import (
        IceCandidateEvent,
        MediaTrack,
        PeerConnection,
        TrackEvent,
        open_peer_connection,
        open_track,
    )
    from trio_rtc.wire.messages import IceCandidate, SessionDescription

    read_line = partial(trio.to_thread.run_sync, sys.stdin.readline, abandon_on_cancel=True)

    async def tell_events(connection: PeerConnection, nursery: trio.Nursery) -> None:
        async for event in connection:
            match event:
                case IceCandidateEvent(candidate):
                    say(
                        {
                            "candidate": candidate.candidate,
                            "sdp_mid": candidate.sdp_mid,
                            "sdp_m_line_index": candidate.sdp_m_line_index,
                            "username_fragment": candidate.username_fragment,
                        }
                    )
                case TrackEvent(track):
                    nursery.start_soon(read, track)

    async def read(track: MediaTrack) -> None:
        async for frame in track:
            if isinstance(frame, VideoFrame):
                notes.see(frame)
            else:
                notes.hear(frame)

    async def take_lines(connection: PeerConnection) -> None:
        early: list[IceCandidate] = []
        is_described = False
        while line := await read_line():
            message = json.loads(line)
            if "candidate" in message:
                early.append(IceCandidate(**message))
            else:
                await connection.set_remote_description(SessionDescription(**message))
                is_described = True
                if message["type"] == "offer":
                    answer = await connection.set_local_description()
                    say({"type": answer.type, "sdp": answer.sdp})
            while is_described and early:
                await connection.add_ice_candidate(early.pop(0))

    async with (
        open_peer_connection() as connection,
        trio.open_nursery() as nursery,
        AsyncExitStack() as tracks,
    ):
        nursery.start_soon(tell_events, connection, nursery)
        nursery.start_soon(take_lines, connection)
        if role == "send":
            pictures = open_track("video", paced(1 / FPS, noted(picture, notes), 0))
            sounds = open_track("audio", paced(PIECE, noted(sound, notes), late))
            for opening in (pictures, sounds):
                await connection.add_track(await tracks.enter_async_context(opening))
            offer = await connection.set_local_description()
            say({"type": offer.type, "sdp": offer.sdp})
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


def noted(make: Callable[[int], Any], notes: Notes) -> Callable[[int], Any]:
    """What is made, noting when it is given away."""

    def make_and_note(number: int) -> Any:
        frame = make(number)
        now = time.monotonic()
        if isinstance(frame, VideoFrame):
            notes.pictures.append((number, now, float(frame.time or 0)))
        elif number % MARK_EVERY == 0:
            notes.marks.append((now, float(frame.time or 0)))
        return frame

    return make_and_note


# Plain aiortc, and libwebrtc with the same interface


async def run_plain(library: str, role: str, seconds: float, late: float, notes: Notes) -> None:
    aiortc: Any = importlib.import_module(library)

    class Track(aiortc.MediaStreamTrack):  # type: ignore[misc]
        def __init__(self, kind: str, step: float, make: Callable[[int], Any], late: float):
            super().__init__()
            self.kind = kind
            self._step, self._make, self._late = step, make, late
            self._start: float | None = None
            self._number = 0

        async def recv(self) -> Any:
            loop = asyncio.get_running_loop()
            if self._start is None:
                self._start = loop.time() + self._late
            await asyncio.sleep(self._start + self._number * self._step - loop.time())
            self._number += 1
            return self._make(self._number - 1)

    async def read(track: Any) -> None:
        while True:
            try:
                frame = await track.recv()
            except aiortc.MediaStreamError:
                return
            if isinstance(frame, VideoFrame):
                notes.see(frame)
            else:
                notes.hear(frame)

    async def next_description() -> Any:
        loop = asyncio.get_running_loop()
        while True:
            message = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
            if "sdp" in message:
                return aiortc.RTCSessionDescription(**message)

    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    tasks = set()
    connection.on("track", lambda track: tasks.add(asyncio.ensure_future(read(track))))
    if role == "send":
        connection.addTrack(Track("video", 1 / FPS, noted(picture, notes), 0))
        connection.addTrack(Track("audio", PIECE, noted(sound, notes), late))
        await connection.setLocalDescription()
        offer = connection.localDescription
        say({"type": offer.type, "sdp": offer.sdp})
        await connection.setRemoteDescription(await next_description())
    else:
        await connection.setRemoteDescription(await next_description())
        await connection.setLocalDescription()
        answer = connection.localDescription
        say({"type": answer.type, "sdp": answer.sdp})
    await asyncio.sleep(seconds)
    await connection.close()
    for task in tasks:
        task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("ours", *LIBRARIES))
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("notes", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--late", type=float, default=0, help="seconds after which sound begins")
    parser.add_argument("--rough", action="store_true", help="pictures that take any bitrate")
    options = parser.parse_args()
    if options.rough:
        roughen()
    notes = Notes()
    # An end whose other end is gone does not wait for its own clean-up.
    threading.Thread(target=give_up, args=(options.seconds + 20,), daemon=True).start()
    arguments = (options.role, options.seconds, options.late, notes)
    if options.role == "receive" and options.side != "libwebrtc":
        notes.watch_packets()
    if options.side == "ours":
        import trio

        trio.run(run_ours, *arguments)
    else:
        asyncio.run(run_plain(LIBRARIES[options.side], *arguments))
    notes.write(options.notes)
    # A thread may still wait for a line.
    os._exit(0)


def give_up(seconds: float) -> None:
    time.sleep(seconds)
    os._exit(1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""One end of a call of which `voice.py` measures how its sound arrives.

``mouth`` says a chirp every 0.6 s, and then a tone that it breaks off; ``ear`` notes when it gets
each. Descriptions and candidates go over standard input and output; what was noted goes to a file,
by the clock of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
import threading
import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from av import AudioFrame, AudioResampler

#: By side: what is imported.
LIBRARIES = {"plain aiortc": "aiortc", "libwebrtc": "webrtc.aiortc"}

RATE = 48_000
PIECE = RATE // 50
TURN = 30
"""Pieces of 20 ms from one chirp, or the beginning of one tone, to the next."""

TONE_PIECES = 12
_SECONDS = np.arange(2 * PIECE) / RATE
CHIRP = np.sin(2 * np.pi * (500 + 2500 * _SECONDS / 0.08) * _SECONDS) * np.hanning(2 * PIECE)
TONE = np.sin(2 * np.pi * 1000 * np.arange(PIECE) / RATE)
LOUD = 1000


def said(number: int) -> np.ndarray:
    """A piece of what is said: even turns begin with a chirp, odd ones are a tone and silence."""
    turn, piece = divmod(number, TURN)
    wave = np.zeros(PIECE)
    if turn % 2 == 0 and piece < 2:
        wave = CHIRP[piece * PIECE : (piece + 1) * PIECE]
    elif turn % 2 == 1 and piece < TONE_PIECES:
        wave = TONE
    return np.asarray(12_000 * wave, np.int16)


class Mouth:
    """What is given to the library, and when: chirps, and the first silence after a tone."""

    def __init__(self) -> None:
        self.chirps: list[float] = []
        self.ends: list[float] = []

    def piece(self, number: int) -> np.ndarray:
        turn, piece = divmod(number, TURN)
        if turn % 2 == 0 and piece == 0:
            self.chirps.append(time.monotonic())
        if turn % 2 == 1 and piece == TONE_PIECES:
            self.ends.append(time.monotonic())
        return said(number)


class Ear:
    """What has come, and when."""

    def __init__(self) -> None:
        self._samples: list[np.ndarray] = []
        self._came: list[float] = []
        self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE)

    def hear(self, pcm: bytes) -> None:
        self._samples.append(np.frombuffer(pcm, np.int16))
        self._came.append(time.monotonic())

    def hear_frame(self, frame: Any) -> None:
        frame.pts = None
        for part in self._resampler.resample(frame):
            self.hear(bytes(part.planes[0])[: 2 * part.samples])

    def notes(self) -> dict[str, list[float]]:
        """When the first sample of each chirp came, and the last loud one of each tone."""
        wave = np.concatenate([np.zeros(0, np.int16), *self._samples]).astype(float)
        ends = np.cumsum([len(part) for part in self._samples])

        def came(sample: int) -> float:
            return self._came[int(np.searchsorted(ends, sample, side="right"))]

        size = 1 << int(len(wave) + len(CHIRP)).bit_length()
        match = np.abs(np.fft.irfft(np.fft.rfft(wave, size) * np.conj(np.fft.rfft(CHIRP, size))))
        match = match[: len(wave)]
        chirps = []
        while match.size and match.max() > 0.3 * 12_000 * float((CHIRP**2).sum()):
            best = int(match.argmax())
            chirps.append(came(best))
            match[max(best - RATE // 2, 0) : best + RATE // 2] = 0
        loud = np.flatnonzero(np.abs(wave) > LOUD)
        breaks = loud[np.diff(loud, append=len(wave)) > 5 * PIECE]
        return {
            "chirps": sorted(chirps),
            "ends": [came(int(at)) for at in breaks if is_tone(wave, at)],
        }


def is_tone(wave: np.ndarray, end: int) -> bool:
    """Whether a tone ends there, which is longer than a chirp."""
    return bool(np.mean(np.abs(wave[max(end - 6 * PIECE, 0) : end]) > LOUD) > 0.8)


def say(message: object) -> None:
    print(json.dumps(message), flush=True)


# Ours


async def run_ours(role: str, seconds: float, mouth: Mouth, ear: Ear) -> None:
    import trio

    from trio_rtc.rtc import IceCandidateEvent, PeerConnection, TrackEvent, open_peer_connection
    from trio_rtc.rtc.media.voice import Voice, open_voice
    from trio_rtc.wire.messages import IceCandidate, SessionDescription

    class OneCall:
        """A connection, as a voice wants a call."""

        def __init__(self, connection: PeerConnection) -> None:
            self._arrived, self.tracks = trio.open_memory_channel[Any](9)
            self.add_track, self.stats = connection.add_track, connection.get_stats
            self._connection = connection

        wait_ended = staticmethod(trio.sleep_forever)

        async def watch(self) -> None:
            async for event in self._connection:
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
                        self._arrived.send_nowait(track)

    read_line = partial(trio.to_thread.run_sync, sys.stdin.readline, abandon_on_cancel=True)

    async def take_lines(connection: PeerConnection) -> None:
        while line := await read_line():
            message = json.loads(line)
            if "candidate" in message:
                await connection.add_ice_candidate(IceCandidate(**message))
                continue
            await connection.set_remote_description(SessionDescription(**message))
            if message["type"] == "offer":
                answer = await connection.set_local_description()
                say({"type": answer.type, "sdp": answer.sdp})

    async def hear(voice: Voice) -> None:
        async for block in voice:
            ear.hear(block)

    async with open_peer_connection() as connection, trio.open_nursery() as nursery:
        call = OneCall(connection)
        nursery.start_soon(call.watch)
        async with open_voice(call, RATE) as voice:
            if role == "mouth":
                offer = await connection.set_local_description()
                say({"type": offer.type, "sdp": offer.sdp})
            nursery.start_soon(take_lines, connection)
            nursery.start_soon(hear, voice)
            with trio.move_on_after(seconds):
                if role == "mouth":
                    await speak(voice, mouth)
                await trio.sleep_forever()
            nursery.cancel_scope.cancel()


async def speak(voice: Any, mouth: Mouth) -> None:
    """Chirps as they come, and tones whole, as a text-to-speech program has them, broken off."""
    import trio

    begin = trio.current_time()
    number = 0
    while True:
        turn, piece = divmod(number, TURN)
        if turn % 2 == 0:
            await voice.play(mouth.piece(number).tobytes())
        elif piece == TONE_PIECES:
            mouth.piece(number)
            voice.clear()
        elif piece < TONE_PIECES:
            await voice.play(TWICE if piece == 0 else said(number).tobytes())
        number += 1
        await trio.sleep_until(begin + number * PIECE / RATE)


#: Ahead of its time, so that there is something to be broken off.
TWICE = np.tile(said(TURN), 5).tobytes()


# Plain aiortc, and libwebrtc with the same interface


async def run_plain(library: str, role: str, seconds: float, mouth: Mouth, ear: Ear) -> None:
    aiortc: Any = importlib.import_module(library)

    class Track(aiortc.MediaStreamTrack):  # type: ignore[misc]
        kind = "audio"
        _start: float | None = None
        _number = 0

        async def recv(self) -> Any:
            loop = asyncio.get_running_loop()
            self._start = loop.time() if self._start is None else self._start
            await asyncio.sleep(self._start + self._number * PIECE / RATE - loop.time())
            wave = mouth.piece(self._number).reshape(1, -1)
            frame = AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = self._number * PIECE
            self._number += 1
            return frame

    async def read(track: Any) -> None:
        while True:
            try:
                ear.hear_frame(await track.recv())
            except aiortc.MediaStreamError:
                return

    async def next_description() -> Any:
        loop = asyncio.get_running_loop()
        while True:
            message = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
            if "sdp" in message:
                return aiortc.RTCSessionDescription(**message)

    connection = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    tasks = set()
    connection.on("track", lambda track: tasks.add(asyncio.ensure_future(read(track))))
    if role == "mouth":
        connection.addTrack(Track())
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
    parser.add_argument("role", choices=("mouth", "ear"))
    parser.add_argument("notes", type=Path)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    mouth, ear = Mouth(), Ear()
    # An end whose other end is gone does not wait for its own clean-up.
    ending = threading.Timer(options.seconds + 20, os._exit, (1,))
    ending.daemon = True
    ending.start()
    if options.side == "ours":
        import trio

        trio.run(run_ours, options.role, options.seconds, mouth, ear)
    else:
        library = LIBRARIES[options.side]
        asyncio.run(run_plain(library, options.role, options.seconds, mouth, ear))
    notes = ear.notes() if options.role == "ear" else vars(mouth)
    options.notes.write_text(json.dumps(notes))
    # A thread may still wait for a line.
    os._exit(0)


if __name__ == "__main__":
    main()

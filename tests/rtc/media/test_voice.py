"""Calls in blocks of PCM, with barge-in."""

from __future__ import annotations

import math
from array import array
from collections import deque
from contextlib import AsyncExitStack

import numpy as np
import pytest
import trio
from aiortc import MediaStreamError
from av import AudioFrame

from trio_rtc import CallError, Voice, open_track, open_voice
from trio_rtc.rtc.backend.media.voice_playout import VoiceBuffer, VoiceTrack

from ...calls.both_sides import next_track, open_both
from ..virtual import in_virtual_time
from .pictures import grey, tone


def wave(seconds: float, rate: int = 16000, pitch: float = 500.0) -> bytes:
    """A loud tone."""
    count = round(seconds * rate)
    times = np.arange(count) / rate
    return (12000 * np.sin(2 * math.pi * pitch * times)).astype(np.int16).tobytes()


def pitch_of(pcm: bytes, rate: int) -> float:
    """The strongest frequency in Hz."""
    samples = np.frombuffer(pcm, np.int16)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def is_loud(block: bytes) -> bool:
    return max(map(abs, array("h", block))) > 3000


async def until_loud(voice: Voice) -> bytes:
    async for block in voice:
        if is_loud(block):
            return block
    raise AssertionError("the call ended in silence")


async def speak(voice: Voice, pitch: float = 500.0) -> None:
    """For ever."""
    while True:
        await voice.play(wave(0.2, voice.rate, pitch))


async def until_playing(voice: Voice) -> None:
    while not len(voice._buffer):  # noqa: ASYNC110
        await trio.sleep(0.01)


@pytest.mark.parametrize(("ours", "theirs"), [(16000, 16000), (8000, 24000), (48000, 22050)])
@in_virtual_time
async def test_each_side_hears_the_other(ours: int, theirs: int) -> None:
    async with (
        open_both(receive=("audio",)) as ends,
        open_voice(ends.alice, ours) as alice,
        open_voice(ends.bob, theirs) as bob,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(speak, alice, 600.0)
        nursery.start_soon(speak, bob, 900.0)
        for voice, pitch in ((bob, 600), (alice, 900)):
            await until_loud(voice)
            blocks = [await anext(voice) for _ in range(25)]
            assert {len(block) for block in blocks} == {voice.rate // 50 * 2}
            assert pitch_of(b"".join(blocks[5:]), voice.rate) == pytest.approx(pitch, abs=15)
        nursery.cancel_scope.cancel()


@in_virtual_time
async def test_a_block_ends_when_the_other_side_begins_to_speak() -> None:
    async with (
        open_both(receive=("audio",)) as ends,
        open_voice(ends.alice) as alice,
        open_voice(ends.bob) as bob,
    ):
        # The line is open, and silent.
        assert not is_loud(await anext(alice))
        with alice.until_interrupted() as scope:
            await alice.play(wave(0.5))
        assert not scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_loud, bob)
            with alice.until_interrupted() as scope:
                nursery.start_soon(bob.play, wave(1.0))
                await speak(alice)
            assert scope.cancelled_caught
            rest = alice.clear()
            assert rest
            assert wave(0.2)[-len(rest) :][:100] in wave(0.2)
            # What interrupted is there from its beginning.
            await until_loud(alice)
            loud = 1
            while is_loud(await anext(alice)):
                loud += 1
            assert loud * 0.02 == pytest.approx(1.0, abs=0.2)


@in_virtual_time
async def test_what_was_not_played_is_told() -> None:
    async with (
        open_both(receive=("audio",)) as ends,
        open_voice(ends.alice) as alice,
        open_voice(ends.bob) as bob,
    ):
        said = b"".join(wave(0.1, pitch=300 + 50 * number) for number in range(20))
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(alice.play, said)
                await until_loud(bob)
                scope.cancel()
        rest = alice.clear()
        assert 0 < len(rest) < len(said)
        assert said.endswith(rest)
        assert alice.clear() == b""
        await alice.played()


@in_virtual_time
async def test_played_waits_until_it_was_sent() -> None:
    async with (
        open_both(receive=("audio",)) as ends,
        open_voice(ends.alice, buffer=1.0) as alice,
        open_voice(ends.bob) as bob,
    ):
        await anext(bob)
        await alice.play(wave(0.5))
        assert len(alice._buffer)
        await alice.played()
        assert not len(alice._buffer)
        await until_loud(bob)


@in_virtual_time
async def test_the_end_of_the_call_ends_a_voice() -> None:
    async with open_both(receive=("audio",)) as ends, AsyncExitStack() as stack:
        alice = await stack.enter_async_context(open_voice(ends.alice))
        bob = await stack.enter_async_context(open_voice(ends.bob))
        await anext(alice)

        async def is_over(voice: Voice) -> None:
            with pytest.raises(CallError) as caught:
                await speak(voice)
            assert caught.value.code == "call_ended"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(is_over, alice)
            await until_playing(alice)
            await ends.bob.hang_up()
        for voice in (alice, bob):
            while (await anext(voice, None)) is not None:
                pass
            with pytest.raises(CallError) as caught:
                await voice.played()
            assert caught.value.code == "call_ended"


@in_virtual_time
async def test_a_track_of_the_programs_choice_leaves_the_others_to_it() -> None:
    async with (
        open_track("audio", tone()) as sound,
        open_track("video", grey(100)) as picture,
        open_both(receive=("audio", "video"), tracks=(sound, picture)) as ends,
    ):
        found = {}
        for _ in range(2):
            track = await next_track(ends.bob)
            found[track.kind] = track
        async with open_voice(ends.bob, track=found["audio"]) as voice:
            await until_loud(voice)
            await anext(aiter(found["video"]))


@in_virtual_time
async def test_a_detector_that_fails_fails_where_it_was_given() -> None:
    def broken(block: bytes) -> bool:
        raise RuntimeError(len(block))

    async with (
        open_both(receive=("audio",)) as ends,
        open_voice(ends.alice) as alice,
        open_voice(ends.bob) as bob,
    ):
        with pytest.raises(RuntimeError, match="640"), alice.until_interrupted(broken):
            await trio.sleep_forever()
        await bob.play(wave(0.3))
        await until_loud(alice)


@in_virtual_time
async def test_what_nobody_reads_goes_the_oldest_first() -> None:
    async with open_both(receive=("audio",)) as ends, open_voice(ends.alice) as alice:
        blocks = [bytes([number % 250]) * 640 for number in range(1600)]
        alice._give(blocks)
        assert alice.blocks_dropped == 100
        assert await anext(alice) == blocks[100]


@in_virtual_time
async def test_what_is_no_sound() -> None:
    async with open_both(receive=("audio",)) as ends:
        for rate in (0, 7999, 44_101, 96_000, 16000.0):
            with pytest.raises(ValueError, match="multiple of 50"):
                async with open_voice(ends.alice, rate):  # type: ignore[arg-type]
                    pass
        for seconds in (0.0, -1.0, math.nan, 61.0):
            with pytest.raises(ValueError, match="a buffer is"):
                async with open_voice(ends.alice, buffer=seconds):
                    pass
        async with open_voice(ends.alice) as voice:
            with pytest.raises(ValueError, match="two bytes"):
                await voice.play(b"abc")
            await voice.play(b"")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak, voice)
                await until_playing(voice)
                with pytest.raises(trio.BusyResourceError):
                    await voice.play(bytes(2))
                nursery.cancel_scope.cancel()


class Clock:
    """The loop's clock, stepped."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@in_virtual_time
async def test_frames_are_taken_when_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `clear` is heard with the next one, 20 ms later."""
    clock = Clock()
    base = "trio_rtc.rtc.backend.media.voice_playout.asyncio"
    monkeypatch.setattr(f"{base}.get_running_loop", lambda: clock)
    monkeypatch.setattr(f"{base}.sleep", clock.sleep)
    buffer = VoiceBuffer(6400)
    taken: deque[float] = deque()
    track = VoiceTrack(buffer, 16000, lambda: taken.append(clock.now))
    said = array("h", range(1, 3201)).tobytes()
    assert buffer.put(memoryview(said)) == 6400
    assert buffer.put(memoryview(said)) == 0
    frames: list[AudioFrame] = [await track.recv() for _ in range(3)]
    assert b"".join(bytes(frame.planes[0]) for frame in frames) == said[: 3 * 640]
    assert [frame.pts for frame in frames] == [0, 320, 640]
    assert list(taken) == pytest.approx([100.0, 100.02, 100.04])
    assert buffer.clear() == said[3 * 640 :]
    silent = await track.recv()
    assert bytes(silent.planes[0]) == bytes(640)
    # Half a frame is filled up.
    buffer.put(memoryview(said[:100]))
    assert bytes((await track.recv()).planes[0]) == said[:100] + bytes(540)
    # A stand-still is not made up for.
    clock.now += 1.0
    clock.slept.clear()
    assert (await track.recv()).pts == 320 * 53
    assert clock.slept == []
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()

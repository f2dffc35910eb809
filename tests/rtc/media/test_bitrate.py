"""A limit to the bitrate of video in a call."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from fractions import Fraction
from statistics import mean
from typing import Any

import numpy as np
import pytest
import trio
from aiortc.rate import RemoteBitrateEstimator
from av import VideoFrame

from trio_rtc.calls.call import Call
from trio_rtc.errors import CallError
from trio_rtc.rtc import TrackSender, open_media, open_track
from trio_rtc.rtc.backend import ledger, patches
from trio_rtc.rtc.backend.media.congestion.media_path import MediaPath

from ...calls.both_sides import next_track, open_both, open_chat, works
from ..lacking import lacking
from ..virtual import in_virtual_time
from .pictures import FPS


@pytest.fixture(autouse=True)
def no_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers that say nothing of what the network carries, which depends on the machine."""
    monkeypatch.setattr(RemoteBitrateEstimator, "add", lambda *_, **__: None)
    monkeypatch.setattr(MediaPath, "share", lambda *_: None)


async def noise() -> AsyncIterator[VideoFrame]:
    """Pictures that take any bitrate that there is, at an even pace, however late they come."""
    random = np.random.default_rng(1)
    number = 0
    while True:
        pixels = random.integers(100, 160, (120, 160, 3), np.uint8)
        frame = VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        number += 1
        yield frame
        await trio.sleep(1 / FPS)


def encoder(call: Call) -> Any:
    [sender] = [s for s in call._connection._loop_connection._pc.getSenders() if s.track]
    return sender._RTCRtpSender__encoder  # type: ignore[attr-defined]


async def until_encoded(call: Call, bits_per_second: int) -> None:
    """Until the encoder works at this bitrate."""
    while True:
        codec = encoder(call) and encoder(call).codec
        if codec is not None and codec.bit_rate == bits_per_second:
            return
        await trio.sleep(0.01)


def watch(call: Call) -> list[int]:
    """How many bytes each frame takes from now on."""

    def encode(frame: Any, force_keyframe: bool) -> tuple[list[bytes], int]:
        payloads, timestamp = encode_as_usual(frame, force_keyframe)
        sizes.append(sum(map(len, payloads)))
        return payloads, timestamp

    sizes: list[int] = []
    encode_as_usual = encoder(call).encode
    encoder(call).encode = encode
    return sizes


async def settled(sizes: list[int]) -> float:
    """The mean of the frames of a second, the next one but one."""
    begin = len(sizes) + FPS
    while len(sizes) < begin + FPS:  # noqa: ASYNC110
        await trio.sleep(0.01)
    return mean(sizes[begin:])


@pytest.mark.parametrize(("codec", "lowest", "default"), [("VP8", 50, 500), ("H264", 50, 1000)])
@in_virtual_time
async def test_a_limit_that_is_set_and_lifted(codec: str, lowest: int, default: int) -> None:
    with trio.fail_after(90):
        async with (
            open_track("video", noise()) as track,
            open_both(receive=("video",), codecs=(codec,)) as ends,
        ):
            sender = await ends.alice.add_track(track)
            await next_track(ends.bob)
            await until_encoded(ends.alice, default * 1000)
            sizes = watch(ends.alice)
            before = await settled(sizes)
            await sender.set_max_bitrate(1000)
            await until_encoded(ends.alice, lowest * 1000)
            assert await settled(sizes) < 0.75 * before
            # What the receiver allows meanwhile is what there is without a limit.
            encoder(ends.alice).target_bitrate = 2 * default * 1000
            await sender.set_max_bitrate(lowest * 5000)
            await until_encoded(ends.alice, lowest * 5000)
            await sender.set_max_bitrate(None)
            await until_encoded(ends.alice, 2 * default * 1000)


async def test_a_limit_that_is_set_before_anything_flows() -> None:
    with trio.fail_after(60):
        async with open_track("video", noise()) as track, open_both() as ends:
            sender = await ends.alice.add_track(track)
            await sender.set_max_bitrate(300_000)
            await next_track(ends.bob)
            await until_encoded(ends.alice, 300_000)


@in_virtual_time
async def test_a_limit_above_what_the_receiver_allows_changes_nothing() -> None:
    with trio.fail_after(60):
        async with open_track("video", noise()) as track, open_both(receive=("video",)) as ends:
            sender = await ends.alice.add_track(track)
            received = (await next_track(ends.bob)).frames()
            await sender.set_max_bitrate(10_000_000)
            for _ in range(FPS):
                await anext(received)
            assert encoder(ends.alice).target_bitrate == 500_000


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (3e5, TypeError), ("1", TypeError)]
)
async def test_what_is_no_bitrate(value: Any, error: type[Exception]) -> None:
    async with open_media(video="pattern") as [track], open_both(receive=("video",)) as ends:
        sender = await ends.alice.add_track(track)
        with pytest.raises(error, match="bitrate"):
            await sender.set_max_bitrate(value)
        await works(*await open_chat(ends))


async def test_sound_has_no_bitrate_to_set() -> None:
    async with open_media(audio="tone") as [track], open_both(receive=("audio",)) as ends:
        sender = await ends.alice.add_track(track)
        with pytest.raises(ValueError, match="audio has no bitrate"):
            await sender.set_max_bitrate(30_000)


async def test_a_limit_after_the_end_of_the_call() -> None:
    sender: TrackSender
    async with open_media(video="pattern") as [track]:
        async with open_both(receive=("video",)) as ends:
            sender = await ends.alice.add_track(track)
        with pytest.raises(CallError) as caught:
            await sender.set_max_bitrate(300_000)
        assert caught.value.code == "connection_closed"


@in_virtual_time
async def test_without_what_is_private_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert patches.missing_attributes("bitrate") == []
    with lacking("bitrate", ledger.RTP_SENDER):
        with caplog.at_level(logging.WARNING):
            async with open_track("video", noise()) as track, open_both(receive=("video",)) as ends:
                sender = await ends.alice.add_track(track)
                await sender.set_max_bitrate(300_000)
                received = (await next_track(ends.bob)).frames()
                for _ in range(FPS):
                    await anext(received)
                assert encoder(ends.alice).target_bitrate == 500_000
        assert "RTCRtpSender._gone" in caplog.text

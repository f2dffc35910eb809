"""Sound that is encoded on the loop, and how loud it is."""

from __future__ import annotations

import asyncio
import math
import threading
from array import array
from fractions import Fraction
from typing import Any

import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, rtp
from aiortc.codecs.g711 import PcmuEncoder
from aiortc.codecs.opus import OpusEncoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import AudioFrame

from trio_rtc.rtc.backend import ledger
from trio_rtc.rtc.backend.media.sound import SILENCE, audio_level, encode_here

from ...lacking import lacking

SAMPLES = 960


def tone(amplitude: float, layout: str = "mono") -> AudioFrame:
    frame = AudioFrame("s16", layout, SAMPLES)
    frame.sample_rate = 48_000
    channels = len(frame.layout.channels)
    frame.planes[0].update(
        array(
            "h",
            [
                round(32_767 * amplitude * math.sin(2 * math.pi * 50 * time / SAMPLES))
                for time in range(SAMPLES)
                for _ in range(channels)
            ],
        ).tobytes()
    )
    return frame


@pytest.mark.parametrize("amplitude", [1.0, 0.5, 0.1, 0.001])
def test_the_level_of_a_tone(amplitude: float) -> None:
    expected = round(20 * math.log10(amplitude / math.sqrt(2)))
    assert abs(audio_level(tone(amplitude)) - expected) <= 1
    assert audio_level(tone(amplitude)) == rtp.compute_audio_level_dbov(tone(amplitude))
    # What comes from two sides is no louder for each.
    assert audio_level(tone(amplitude, "stereo")) == audio_level(tone(amplitude))


def test_the_ends_of_the_scale() -> None:
    assert audio_level(tone(0.0)) == SILENCE
    loudest = tone(0.0)
    loudest.planes[0].update(array("h", [-32_768] * SAMPLES).tobytes())
    assert audio_level(loudest) == 0


OPUS = RTCRtpCodecParameters("audio/opus", 48_000, channels=2, payloadType=96)
PCMU = RTCRtpCodecParameters("audio/PCMU", 8000, channels=1, payloadType=0)


class Tones(MediaStreamTrack):
    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0

    async def recv(self) -> AudioFrame:
        frame = tone(0.5)
        frame.pts, frame.time_base = self._sent * SAMPLES, Fraction(1, 48_000)
        self._sent += 1
        return frame


def sender() -> Any:
    """As in a connection that has not begun."""
    sender = RTCPeerConnection().addTransceiver(Tones()).sender
    encode_here(sender)
    return sender


@pytest.mark.parametrize(
    ("codec", "encoder", "here"), [(OPUS, OpusEncoder, True), (PCMU, PcmuEncoder, False)]
)
def test_opus_is_encoded_without_another_thread(
    codec: RTCRtpCodecParameters, encoder: Any, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, encoding = encoder.encode, set()

    def noted_encode(*arguments: Any) -> Any:
        encoding.add(threading.get_ident())
        return encode(*arguments)

    monkeypatch.setattr(encoder, "encode", noted_encode)

    async def run() -> None:
        sending = sender()
        made = [await sending._next_encoded_frame(codec) for _ in range(5)]
        frames = [frame for frame in made if frame is not None]
        assert len(frames) >= 4
        assert (encoding == {threading.get_ident()}) == here
        assert {frame.audio_level for frame in frames} == {audio_level(tone(0.5))}

    asyncio.run(run())


def test_a_sender_that_is_off_sends_nothing() -> None:
    async def run() -> None:
        sending = sender()
        sending._enabled = False
        assert await sending._next_encoded_frame(OPUS) is None

    asyncio.run(run())


def test_without_what_is_private_it_is_aiortcs() -> None:
    async def run() -> None:
        assert type(sender()) is RTCRtpSender

    with lacking("sound", ledger.RTP_SENDER):
        asyncio.run(run())

"""Encoders of pictures that are sent."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av import VideoFrame

from trio_rtc.rtc.backend.media.video_encoders import video_encoder


def picture(width: int, height: int, number: int = 0) -> VideoFrame:
    frame = VideoFrame.from_ndarray(np.zeros((height * 3 // 2, width), np.uint8), format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, 30)
    return frame


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 1), (6, 2)])
def test_threads_of_libvpx_have_cores_to_spare(
    cores: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    encoder: Any = video_encoder(RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000))
    encoder.encode(picture(1280, 720))
    assert encoder.codec.thread_count == threads


@pytest.mark.parametrize("name", ["VP8", "H264"])
def test_an_encoder_is_opened_anew_only_for_another_rate(name: str) -> None:
    encoder: Any = video_encoder(RTCRtpCodecParameters(mimeType=f"video/{name}", clockRate=90000))
    opened = []
    for number, rate in enumerate([500_000, 520_000, 540_000, 700_000, 690_000, 100]):
        encoder.target_bitrate = rate
        encoder.encode(picture(160, 120, number))
        opened.append(encoder.codec)
    assert len(set(map(id, opened))) == 3
    assert opened[0] is opened[2] is not opened[3] is opened[4]
    assert encoder.target_bitrate == 50_000

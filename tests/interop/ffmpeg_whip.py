"""A test picture and a tone, sent by FFmpeg's WHIP muxer until SIGTERM: ``ffmpeg_whip.py URL``."""

from __future__ import annotations

import signal
import sys
import time
from fractions import Fraction

import av
import numpy as np

RATE, PICTURES = 48000, 25
SAMPLES = RATE // 50


def main(url: str) -> None:
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    options = {"cert_file": "certificate.pem", "key_file": "key.pem"}
    with av.open(url, "w", format="whip", options=options) as out:
        video = out.add_stream("libx264", rate=PICTURES)
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        # WebRTC has no pictures that come in another order than they are shown.
        video.options = {"tune": "zerolatency", "profile": "baseline", "g": str(PICTURES)}
        video.max_b_frames = 0
        audio = out.add_stream("libopus", rate=RATE)
        audio.layout = "stereo"
        began, number = time.monotonic(), 0
        while not stopping:
            grey = np.full((480, 640, 3), 2 * number % 256, np.uint8)
            picture = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, PICTURES)
            out.mux(video.encode(picture))
            for half in range(2):
                first = (2 * number + half) * SAMPLES
                times = (np.arange(SAMPLES) + first) / RATE
                tone = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
                sound = av.AudioFrame.from_ndarray(
                    np.repeat(tone, 2).reshape(1, -1), format="s16", layout="stereo"
                )
                sound.sample_rate, sound.pts, sound.time_base = RATE, first, Fraction(1, RATE)
                out.mux(audio.encode(sound))
            number += 1
            time.sleep(max(0.0, began + number / PICTURES - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1])

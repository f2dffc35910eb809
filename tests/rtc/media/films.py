"""Films to be sent as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
from av import AudioFrame

from .pictures import picture

FILM_FPS = 15
GROUP = 15
"""Pictures from one that stands by itself to the next."""


def make_film(
    path: Path,
    seconds: int = 10,
    *,
    video: str = "libx264",
    audio: str | None = "libopus",
    rate: int = 48_000,
    level: int = 140,
    options: Mapping[str, str] | None = None,
) -> Path:
    """A film of grey with a tone; its keyframes come once a second."""
    samples = rate // 50
    wave = 10000 * np.sin(2 * np.pi * 500 * np.arange(samples) / rate)
    chosen = {"g": str(GROUP), "bf": "0", **(options or {})}
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream(video, rate=FILM_FPS, options=chosen)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        sound: Any = container.add_stream(audio, rate=rate, layout="mono") if audio else None
        for number in range(seconds * 50):
            if sound is not None:
                piece = AudioFrame.from_ndarray(
                    wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono"
                )
                piece.sample_rate, piece.pts = rate, number * samples
                container.mux(sound.encode(piece))
            if number * FILM_FPS % 50 < FILM_FPS:
                image = picture(level)
                image.pts = number * FILM_FPS // 50
                container.mux(pictures.encode(image))
        container.mux(pictures.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path

"""Sound that is written at its times, by the clock of its samples."""

from __future__ import annotations

import random

import numpy as np
import pytest
from av import AudioFrame

from trio_rtc.rtc.backend.media.recording.recorded import Sound, stretched

PPM = 1e-6
LEVEL = 1000


def loud(samples: int, rate: int) -> AudioFrame:
    wave = np.full((1, samples), LEVEL, np.int16)
    frame = AudioFrame.from_ndarray(wave, format="s16", layout="mono")
    frame.sample_rate = rate
    return frame


@pytest.mark.parametrize("trembles", [0.0, 0.002])
@pytest.mark.parametrize(("rate", "samples"), [(48_000, 960), (48_000, 2880), (8_000, 160)])
@pytest.mark.parametrize("drift", [-1000 * PPM, -100 * PPM, 0, 100 * PPM, 1000 * PPM])
def test_a_clock_that_drifts_leaves_no_gap(
    drift: float, rate: int, samples: int, trembles: float
) -> None:
    """Its times go with the clock on the wall, and its samples do not."""
    sound, chance = Sound(), random.Random(3)
    written: list[int] = []
    for number in range(6000):
        time = number * samples / rate * (1 + drift) + chance.random() * trembles
        for piece in sound.convert(loud(samples, rate), time):
            assert isinstance(piece, AudioFrame)
            assert piece.pts is not None
            assert not written or piece.pts == written[-1]
            written.append(piece.pts + piece.samples)
            if number > 100:
                # Neither silence nor a leap.
                assert abs(piece.to_ndarray()[0].astype(int) - LEVEL).max() < LEVEL / 20
    assert written[-1] / 48_000 == pytest.approx(time + samples / rate, abs=0.027 + trembles)


@pytest.mark.parametrize(
    ("form", "layout"), [("s16", "mono"), ("s16", "stereo"), ("s16p", "stereo"), ("flt", "5.1")]
)
@pytest.mark.parametrize("count", [2, 1, -1, -2])
def test_a_sample_more_or_less(form: str, layout: str, count: int) -> None:
    frame = AudioFrame(form, layout, 100)
    frame.sample_rate = 8000
    channels, planes = frame.layout.nb_channels, len(frame.planes)
    kind = np.float32 if form == "flt" else np.int16
    wave = np.repeat(np.arange(100, dtype=kind), channels // planes)
    for plane in frame.planes:
        plane.update(wave.tobytes().ljust(plane.buffer_size, b"\0"))
    changed = stretched(frame, count)
    assert (changed.samples, changed.sample_rate) == (100 + count, 8000)
    for plane in changed.planes:
        found = np.frombuffer(bytes(plane), kind)[: (100 + count) * (channels // planes)]
        rows = found.reshape(100 + count, -1)
        assert (rows == rows[:, :1]).all()
        steps = np.diff(rows[:, 0])
        assert set(steps) == {1, 0 if count > 0 else 2} - ({2} if count == -1 else set())
        assert rows[0, 0] == 0

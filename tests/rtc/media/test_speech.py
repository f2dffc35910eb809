"""Speech by its energy."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from trio_rtc import EnergyDetector


def tone(level: float, samples: int = 320) -> bytes:
    """A tone of so many dBFS (root mean square)."""
    peak = 32768 * math.sqrt(2) * 10 ** (level / 20)
    return array("h", [round(peak * math.sin(n / 5)) for n in range(samples)]).tobytes()


def noise(level: float, seed: int = 1) -> bytes:
    source = random.Random(seed)
    spread = 32768 * 10 ** (level / 20)
    return array("h", [round(source.gauss(0, spread)) for _ in range(320)]).tobytes()


def test_speech_is_found_after_four_blocks_and_ends_with_them() -> None:
    detector = EnergyDetector()
    assert [detector(noise(-70)) for _ in range(50)] == [False] * 50
    assert [detector(tone(-20)) for _ in range(6)] == [False] * 3 + [True] * 3
    assert not detector(noise(-70))


def test_a_click_is_no_speech() -> None:
    detector = EnergyDetector()
    for _ in range(10):
        assert not detector(noise(-70))
        assert [detector(tone(-6)) for _ in range(3)] == [False] * 3


def test_a_voice_at_once_after_silence_is_speech() -> None:
    detector = EnergyDetector()
    for _ in range(5):
        detector(bytes(640))
    assert [detector(tone(-30)) for _ in range(4)][-1]


def test_a_quiet_noise_is_no_speech_after_silence() -> None:
    detector = EnergyDetector()
    detector(bytes(640))
    assert not any(detector(noise(-50)) for _ in range(100))


def test_a_fan_is_soon_no_speech_and_a_voice_above_it_is() -> None:
    detector = EnergyDetector()
    for _ in range(50):
        detector(noise(-60))
    heard = [detector(noise(-35, seed)) for seed in range(2000)]
    assert heard[10]
    assert not any(heard[-100:])
    assert [detector(tone(-18)) for _ in range(4)][-1]


def test_a_room_that_is_loud_from_the_start_is_no_speech() -> None:
    detector = EnergyDetector()
    assert not any(detector(noise(-30, seed)) for seed in range(200))


def test_an_empty_block_is_silence() -> None:
    assert not EnergyDetector(blocks=1)(b"")


@pytest.mark.parametrize("wrong", [{"level": 0.0}, {"level": 3.0}, {"margin": -1.0}, {"blocks": 0}])
def test_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="below 0 dBFS"):
        EnergyDetector(**wrong)  # type: ignore[arg-type]

"""Blocks of received sound, and silence where there is none."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.media.voice_blocks import PATIENCE, VoiceBlocks

RATE = 8000
BLOCK = RATE // 50 * 2
LOUD = b"\x11\x22"


def sound(seconds: float) -> bytes:
    return LOUD * round(seconds * RATE)


def spoken(blocks: list[bytes]) -> float:
    """Seconds of what is not silence."""
    return sum(block.count(LOUD) for block in blocks) / RATE


def test_frames_of_any_length_become_blocks() -> None:
    blocks = VoiceBlocks(RATE)
    assert blocks.put(sound(0.03), 0.0, 0.0) == [sound(0.02)]
    assert blocks.put(sound(0.01), 0.03, 0.03) == [sound(0.02)]
    assert blocks.put(sound(0.005), 0.04, 0.04) == []
    assert blocks.put(sound(0.055), 0.045, 0.045) == [sound(0.02)] * 3


def test_frames_without_times_follow_each_other() -> None:
    blocks = VoiceBlocks(RATE)
    assert blocks.put(sound(0.02), None, 0.0) == [sound(0.02)]
    assert blocks.put(sound(0.02), 5.0, 0.02) == [sound(0.02)]
    assert blocks.put(sound(0.02), None, 0.04) == [sound(0.02)]
    assert blocks.put(sound(0.02), 5.04, 0.06) == [sound(0.02)]


def test_there_is_nothing_before_the_first_sound() -> None:
    blocks = VoiceBlocks(RATE)
    assert blocks.silence_due() == math.inf
    assert blocks.pause(100.0) == []


def test_a_gap_in_the_times_is_silence() -> None:
    blocks = VoiceBlocks(RATE)
    blocks.put(sound(0.02), 0.0, 0.0)
    assert blocks.put(sound(0.02), 0.06, 0.06) == [bytes(BLOCK)] * 2 + [sound(0.02)]


@pytest.mark.parametrize("leap", [-5.0, 0.004, 10.1, 1e9])
def test_a_clock_that_leaps_is_no_gap(leap: float) -> None:
    blocks = VoiceBlocks(RATE)
    blocks.put(sound(0.02), 10.0, 0.0)
    assert blocks.put(sound(0.02), 10.02 + leap, 0.02) == [sound(0.02)]
    assert blocks.put(sound(0.02), 10.04 + leap, 0.04) == [sound(0.02)]


def test_silence_is_given_in_time_while_nothing_comes() -> None:
    blocks = VoiceBlocks(RATE)
    blocks.put(sound(0.02), 0.0, 0.0)
    due = blocks.silence_due()
    assert due == pytest.approx(0.02 + PATIENCE)
    assert blocks.pause(due - 0.001) == []
    assert blocks.pause(due) == [bytes(BLOCK)]
    assert blocks.silence_due() == pytest.approx(due + 0.02)
    assert len(blocks.pause(due + 1.0 + 1e-9)) == 50


def test_a_pause_is_as_long_as_it_was() -> None:
    """What was given while nothing came is not given again for the gap in the times."""
    blocks = VoiceBlocks(RATE)
    given = blocks.put(sound(0.02), 0.0, 0.0)
    given += blocks.pause(2.0)
    given += blocks.put(sound(0.02), 2.0, 2.0)
    assert len(given) == 101
    assert given[-1] == sound(0.02)


def test_what_comes_late_is_all_there_and_a_later_pause_is_shorter() -> None:
    blocks = VoiceBlocks(RATE)
    given = blocks.put(sound(0.02), 0.0, 0.0)
    given += blocks.pause(0.5)
    for number in range(1, 26):
        given += blocks.put(sound(0.02), number * 0.02, 0.5)
    assert spoken(given) == pytest.approx(0.52)
    before = len(given)
    assert before > 26
    given += blocks.put(sound(0.02), 2.52, 2.52)
    assert len(given) * 0.02 == pytest.approx(2.54)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.01, 0.02, 0.06]), st.floats(0, 3), st.floats(0, 0.4)),
        max_size=40,
    )
)
def test_nothing_that_was_said_is_lost_and_time_goes_on(
    frames: list[tuple[float, float, float]],
) -> None:
    """Frames after pauses, each later than its time by up to 0.4 s, in order."""
    blocks = VoiceBlocks(RATE)
    time = now = said = 0.0
    given: list[bytes] = []
    silence: list[float] = []
    for length, gap, late in frames:
        time += gap
        now = max(now, time + late)
        while (due := blocks.silence_due()) <= now:
            silence.append(due)
            given += blocks.pause(due)
        given += blocks.put(sound(length), time, now)
        time += length
        said += length
    given += blocks.pause(now + 1)
    assert all(len(block) == BLOCK for block in given)
    assert spoken(given) == pytest.approx(said, abs=0.021)
    assert all(earlier < later for earlier, later in pairwise(silence))
    if frames:
        total = time - frames[0][1]
        assert len(given) * 0.02 >= min(total, now) - 0.03

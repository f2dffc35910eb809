"""Where frames belong in a recording, and which of them are left out, without a clock."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from aiortc import VideoStreamTrack
from av import VideoFrame

from trio_rtc.rtc.backend.media.recording.intake import Intake, Thinning
from trio_rtc.rtc.backend.media.recording.recording_timeline import Placement, Timeline
from trio_rtc.rtc.backend.media.tracks import Source
from trio_rtc.rtc.bridge.bridge import open_bridge


def test_times_of_one_clock_are_kept_whenever_they_come() -> None:
    timeline = Timeline()
    sound, pictures = Placement(timeline), Placement(timeline)
    assert sound.place(7.0, 100.0) == 100.0
    # 80 ms later, and jittering: to decode a picture takes longer.
    assert pictures.place(7.0, 100.08) == 100.0
    assert pictures.place(7.1, 100.3) == pytest.approx(100.1)
    assert sound.place(7.02, 100.01) == pytest.approx(100.02)
    # A network that stands still for a second and a half.
    assert pictures.place(7.2, 101.7) == pytest.approx(100.2)


def test_clocks_that_have_nothing_to_do_with_each_other() -> None:
    one, two = Placement(Timeline()), Placement(Timeline())
    assert one.place(0.0, 100.0) == 100.0
    assert two.place(5000.0, 100.5) == 100.5
    assert two.place(5001.0, 101.6) == 101.5


@pytest.mark.parametrize("leap", [3600.0, -3600.0, 47723.7, 0.8, -0.8, -3.0])
def test_a_clock_that_leaps_takes_its_tracks_along(leap: float) -> None:
    timeline = Timeline()
    sound, pictures = Placement(timeline), Placement(timeline)
    sound.place(10.0, 100.0)
    pictures.place(10.0, 100.1)
    assert sound.place(11.0, 101.0) == 101.0
    assert pictures.place(11.0, 101.1) == 101.0
    assert sound.place(11.02 + leap, 101.02) == pytest.approx(101.02)
    # It comes later, and belongs to the same moment.
    assert pictures.place(11.02 + leap, 101.12) == pytest.approx(101.02)
    assert sound.place(12.0 + leap, 102.0) == pytest.approx(102.0)


def test_a_frame_without_a_time_is_of_now() -> None:
    placement = Placement(Timeline())
    assert placement.place(None, 100.0) == 100.0
    assert placement.place(3.0, 101.0) == 101.0


def test_pictures_are_left_out_evenly() -> None:
    thinning = Thinning()
    beat = [number / 30 + (number % 3) / 200 for number in range(300)]
    assert all(thinning.takes(time) for time in beat[:30])
    for factor in (2, 4, 8):
        thinning.slow_down()
        kept = [time for time in beat[30:] if thinning.takes(time)]
        gaps = [after - before for before, after in pairwise(kept)]
        assert len(kept) == pytest.approx(270 / factor, rel=0.35)
        assert max(gaps) < 1.8 * factor / 30
        thinning.takes(0.0)
    for _ in range(3):
        thinning.speed_up()
    assert all(thinning.takes(time) for time in beat)


@pytest.mark.parametrize(
    ("size", "limit"), [((640, 480), 120), ((1920, 1080), 64), ((7680, 4320), 4)]
)
async def test_how_many_pictures_wait(size: tuple[int, int], limit: int) -> None:
    async with open_bridge() as bridge:
        full = await bridge.run(fill, size, limit)
        assert (full.received, full.dropped) == (limit, 0)
        over = await bridge.run(fill, size, limit + 1)
    assert over.received == limit + 1
    assert len(over._queue) + over.dropped == limit + 1
    assert over.dropped == pytest.approx(limit / 2, abs=2)


async def fill(size: tuple[int, int], count: int) -> Intake:
    intake = Intake(Source(VideoStreamTrack()), Timeline(), on_news=nothing, on_drop=nothing)
    frame = VideoFrame(*size, "yuv420p")
    for number in range(count):
        frame.pts, frame.time_base = number, Fraction(1, 300)
        intake.put(frame)
    return intake


def nothing() -> None:
    pass

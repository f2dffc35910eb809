"""Timestamps of received media, laid on one timeline for each peer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest

from trio_rtc.rtc.backend.media.receiving.stream_clock import StreamClock
from trio_rtc.rtc.backend.media.receiving.timeline import PeerTimeline

VIDEO = 90_000
SOUND = 48_000
LENGTH = 960
FPS = 20
WRAP = 1 << 32


def pictures(
    timestamps: Iterable[int], *, ssrc: int = 1, now: float = 100.0, reorders: bool = False
) -> list[float]:
    """The times of pictures that come 20 times a second."""
    clock = StreamClock(PeerTimeline(), VIDEO, is_sound=False)
    return [
        clock.map(ssrc, n, timestamp % WRAP, now + n / FPS, may_precede=reorders) / VIDEO
        for n, timestamp in enumerate(timestamps)
    ]


def assert_real(times: list[float], tolerance: float = 0.06) -> None:
    """They go on, and as the clock on the wall does."""
    for number, time in enumerate(times):
        assert time == pytest.approx(number / FPS, abs=tolerance), number
    assert all(a < b for a, b in pairwise(times))


@pytest.mark.parametrize("base", [0, 1, WRAP - 45_000, WRAP - 1, WRAP // 2, 12_345])
def test_a_wrap_is_none(base: int) -> None:
    times = pictures(base + n * VIDEO // FPS for n in range(100))
    assert times == [n / FPS for n in range(100)]


@pytest.mark.parametrize(
    "step", [-9_000, -1, -4_500, -90_000, -VIDEO * 3600, VIDEO * 3600, VIDEO, WRAP // 2, 45_001]
)
@pytest.mark.parametrize("every", [40, 10])
def test_a_step_is_none_of_the_wall_clock(step: int, every: int) -> None:
    assert_real(pictures(7 + n * VIDEO // FPS + n // every * step for n in range(120)), 0.35)
    # A step of sound does not make a gap, nor an overlap.
    clock = StreamClock(PeerTimeline(), SOUND, is_sound=True)
    times = []
    for n in range(300):
        timestamp = 7 + n * LENGTH + n // every * step
        times.append(clock.map(1, n, timestamp % WRAP, n * 0.02, length=LENGTH))
    if step < -240 or step > VIDEO:
        assert times == [n * LENGTH for n in range(300)]


def test_another_source_goes_on() -> None:
    clock = StreamClock(PeerTimeline(), VIDEO, is_sound=False)
    times = []
    for n in range(100):
        ssrc, base = (1, 1_000) if n < 50 else (2, 2_500_000_000)
        number = n if n < 50 else n + (1 << 20)
        times.append(clock.map(ssrc, number, base + n * 4500, n / FPS) / VIDEO)
    assert_real(times, 0.001)


def test_a_pause_is_kept() -> None:
    clock = StreamClock(PeerTimeline(), SOUND, is_sound=True)
    for n in range(50):
        clock.map(1, n, n * LENGTH, n * 0.02, length=LENGTH)
    assert clock.map(1, 50, 50 * LENGTH + 10 * SOUND, 11.0, length=LENGTH) == 11 * SOUND


def test_a_clock_that_stands_while_its_source_pauses_is_laid_behind_the_pause() -> None:
    clock = StreamClock(PeerTimeline(), SOUND, is_sound=True)
    for n in range(50):
        clock.map(1, n, n * LENGTH, n * 0.02, length=LENGTH)
    # It goes on as if there had been none; after a while that is no jitter any more.
    last = [clock.map(1, n, n * LENGTH, 10 + n * 0.02, length=LENGTH) for n in range(50, 400)][-1]
    assert last / SOUND == pytest.approx(10 + 399 * 0.02, abs=0.001)


def test_a_network_that_stops_and_goes_on_changes_no_times() -> None:
    clock = StreamClock(PeerTimeline(), VIDEO, is_sound=False)
    arrivals = [max(n / FPS, 4.0 if n >= 20 else 0.0) for n in range(100)]
    times = [clock.map(1, n, n * 4500, now) / VIDEO for n, now in enumerate(arrivals)]
    assert times == [n / FPS for n in range(100)]


def test_packets_out_of_order_around_a_step() -> None:
    clock = StreamClock(PeerTimeline(), SOUND, is_sound=True)
    times = {}
    for n in [0, 1, 3, 2, 4, 6, 5, 8, 7]:
        timestamp = n * LENGTH + (1_000_000 if n >= 5 else 0)
        times[n] = clock.map(1, n, timestamp, n * 0.02, length=LENGTH)
    # Packet 5 came after the step had been seen.
    assert [times[n] for n in (0, 1, 2, 3, 4)] == [0, 960, 1920, 2880, 3840]
    assert times[6] - times[5] == times[7] - times[6] == times[8] - times[7] == LENGTH
    assert times[6] == pytest.approx(6 * LENGTH, abs=2 * LENGTH)


def test_pictures_in_decoding_order_keep_their_times() -> None:
    order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    clock = StreamClock(PeerTimeline(), VIDEO, is_sound=False)
    reorders = {1, 2, 4, 5, 7, 8}
    times = [
        clock.map(1, n, shown * 4500, n / FPS, may_precede=shown in reorders) / VIDEO
        for n, shown in enumerate(order)
    ]
    assert times == [shown / FPS for shown in order]


@pytest.mark.parametrize("speed", [2.0, 0.25, 50.0])
def test_a_clock_that_lies_gets_nowhere(speed: float) -> None:
    times = pictures(round(n * 4500 * speed) for n in range(FPS * 60))
    assert all(a < b for a, b in pairwise(times))
    assert abs(times[-1] - 60) < 5


# Two tracks


def sound_and_pictures() -> tuple[StreamClock, StreamClock]:
    timeline = PeerTimeline()
    return (
        StreamClock(timeline, SOUND, is_sound=True),
        StreamClock(timeline, VIDEO, is_sound=False),
    )


def ntp(seconds: float) -> int:
    return round((3_900_000_000 + seconds) * WRAP)


def test_who_begins_later_has_later_times() -> None:
    sound, video = sound_and_pictures()
    assert video.map(1, 0, 77, 50.0) == 0
    assert sound.map(2, 0, 88, 53.0, length=LENGTH) == 3 * SOUND


@pytest.mark.parametrize("sound_first", [True, False])
@pytest.mark.parametrize("skew", [0.08, -0.08])
def test_reports_put_tracks_on_one_clock(skew: float, sound_first: bool) -> None:
    """Pictures are later or earlier on their way than sound."""
    sound, video = sound_and_pictures()
    transit = {sound: 0.1, video: 0.1 + skew}
    shown: list[float] = []
    heard: list[float] = []
    for n in range(400):
        made = n * 0.02
        heard.append(sound.map(1, n, n * LENGTH, made + transit[sound], length=LENGTH) / SOUND)
        if n % 2 == 0:
            shown.append(video.map(2, n, n * 1800, made + transit[video]) / VIDEO)
        if n % 50 == 25:
            for clock in (sound, video) if sound_first else (video, sound):
                rate = SOUND if clock is sound else VIDEO
                ssrc = 1 if clock is sound else 2
                clock.report(ssrc, ntp(made), round(made * rate), made + transit[clock])
    # Sound has never moved.
    assert {round(b - a, 6) for a, b in pairwise(heard)} == {0.02}
    assert all(a < b for a, b in pairwise(shown))
    assert shown[0] - heard[0] == pytest.approx(skew)
    assert shown[-1] == pytest.approx(heard[398], abs=0.011)


@pytest.mark.parametrize("burst", [1.5, 0.3])
def test_a_burst_at_the_beginning_is_older(burst: float) -> None:
    """Pictures that were kept until there was a connection; sound begins with it."""
    sound, video = sound_and_pictures()
    for n in range(1000):
        made = n * 0.02
        shown = video.map(2, n, n * 1800, max(made, burst)) / VIDEO
        if made >= burst:
            heard = sound.map(1, n, n * LENGTH, made, length=LENGTH) / SOUND
    assert shown == pytest.approx(heard, abs=0.001)


@pytest.mark.parametrize("drift", [0.0025, -0.0025])
def test_tracks_whose_clocks_drift_apart_stay_together(drift: float) -> None:
    """Without reports; the pictures are laid later or earlier again and again, and no further."""
    sound, video = sound_and_pictures()
    apart = []
    last = -1.0
    for n in range(15_000):
        now = n * 0.02
        heard = sound.map(1, n, round(n * LENGTH * (1 - drift)), now, length=LENGTH) / SOUND
        if n % 2 == 0:
            shown = video.map(2, n, n * 1800, now) / VIDEO
            apart.append(abs(shown - heard))
            assert shown > last
            last = shown
    assert max(apart) < 0.15


def test_a_report_that_came_before_the_media() -> None:
    sound, video = sound_and_pictures()
    for n in range(50):
        sound.map(1, n, n * LENGTH, n * 0.02, length=LENGTH)
    sound.report(1, ntp(1.0), SOUND, 1.0)
    video.report(2, ntp(1.0), 5 * VIDEO, 1.0)
    # It was on its way for 90 ms longer.
    assert video.map(2, 0, 5 * VIDEO, 1.09) == VIDEO


@pytest.mark.parametrize("lie", [5.0, -3600.0, 1e9])
def test_a_report_that_lies_changes_nothing(lie: float) -> None:
    sound, video = sound_and_pictures()
    times = []
    for n in range(400):
        now = n * 0.02
        sound.map(1, n, n * LENGTH, now, length=LENGTH)
        times.append(video.map(2, n, n * 1800, now))
        if n % 50 == 25:
            sound.report(1, ntp(now), n * LENGTH, now)
            video.report(2, ntp(now + lie) % (1 << 64), n * 1800, now)
    assert times == [n * 1800 for n in range(400)]
    sound.report(1, 0, 0, 9.0)


def test_a_wall_clock_that_is_set_changes_nothing() -> None:
    sound, video = sound_and_pictures()
    times = []
    for n in range(1000):
        now = n * 0.02
        sound.map(1, n, n * LENGTH, now, length=LENGTH)
        times.append(video.map(2, n, n * 1800, now))
        wall = now + (1.3 if n > 500 else 0)
        if n % 50 == 25:
            video.report(2, ntp(wall), n * 1800, now)
        if n % 50 == 30:
            sound.report(1, ntp(wall), n * LENGTH, now)
    assert times == [n * 1800 for n in range(1000)]

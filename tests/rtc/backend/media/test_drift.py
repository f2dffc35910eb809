"""Remote clocks that are slow or fast, for an hour or more of a clock of the tests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from trio_rtc.rtc.backend.media.receiving.drift import Drift
from trio_rtc.rtc.backend.media.receiving.stream_clock import StreamClock
from trio_rtc.rtc.backend.media.receiving.timeline import PeerTimeline
from trio_rtc.rtc.backend.media.recording.recording_timeline import Placement, Timeline

SYNC = 0.040
HOUR = 3600.0
TRANSIT = 0.05
SOUND, VIDEO = 48_000, 90_000
PPM = 1e-6


@dataclass
class Track:
    """One track of a peer.

    Attributes:
        drift: by how much its clock is fast, in seconds a second.
        beat: seconds between two packets of sound, or two pictures.
        laid: when each was made by the clock on our wall, and its time on the timeline.
    """

    clock: StreamClock
    ssrc: int
    drift: float
    rate: int
    beat: float
    is_sound: bool = True
    laid: list[tuple[float, float]] = field(default_factory=list)
    number: int = 0

    def timestamp(self, made: float) -> int:
        return round(1000 + made * (1 + self.drift) * self.rate)

    def take(self, made: float, now: float) -> None:
        self.number += 1
        length = round(self.beat * self.rate) if self.is_sound else 0
        timestamp = self.timestamp(made) % (1 << 32)
        ticks = self.clock.map(self.ssrc, self.number, timestamp, now, length=length)
        self.laid.append((made, ticks / self.rate))

    def report(self, made: float, wall: float) -> None:
        ntp = round((3_900_000_000 + wall) * (1 << 32))
        timestamp = self.timestamp(made) % (1 << 32)
        self.clock.report(self.ssrc, ntp, timestamp, made + TRANSIT)


def peer(sound: float, video: float) -> tuple[Track, Track]:
    timeline = PeerTimeline()
    return (
        Track(StreamClock(timeline, SOUND, is_sound=True), 1, sound, SOUND, 0.06),
        Track(StreamClock(timeline, VIDEO, is_sound=False), 2, video, VIDEO, 0.2, is_sound=False),
    )


def talk(beat: float, hours: float, *, dtx: bool) -> Iterator[float]:
    """When packets are made: of sound each 0.4 s only in the pauses, which are a half of all."""
    made, number = 0.0, 0
    while made < hours * HOUR:
        yield made
        is_pause = dtx and made % 20 > 10
        number += round(0.4 / beat) if is_pause else 1
        made = number * beat


def run(
    *tracks: Track, hours: float, jitter: float = 0.0, dtx: bool = False, wall: float | None = None
) -> None:
    """Have the tracks come; with reports if the drift of the peer's wall clock is given."""
    chance = random.Random(7)
    made = [
        (time, track) for track in tracks
        for time in talk(track.beat, hours, dtx=dtx and track.is_sound)
    ]  # fmt: skip
    arrived = dict.fromkeys((track.ssrc for track in tracks), 0.0)
    reported = 0.0
    for time, track in sorted(made, key=lambda item: item[0]):
        now = max(arrived[track.ssrc], time + TRANSIT + chance.random() * jitter)
        arrived[track.ssrc] = now
        track.take(time, now)
        if wall is not None and time > reported + 2.5:
            reported = time
            for each in tracks:
                each.report(time, time * (1 + wall))


def off(track: Track) -> list[float]:
    """By how much it is not where the first one was."""
    made, laid = track.laid[0]
    return [(time - laid) - (then - made) for then, time in track.laid]


def apart(one: Track, other: Track) -> list[float]:
    """By how much what was made at the same time does not have the same."""
    there = dict(other.laid)
    return [time - there[made] for made, time in one.laid if made in there]


DRIFTS = [drift * PPM for drift in (-1000, -500, 0, 500, 1000)]


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize(("jitter", "dtx"), [(0.0, True), (0.03, False), (0.03, True)])
def test_sound_stays_with_the_wall_clock(drift: float, jitter: float, dtx: bool) -> None:
    sound, _ = peer(drift, 0)
    run(sound, hours=0.6, jitter=jitter, dtx=dtx)
    assert max(map(abs, off(sound))) < SYNC + jitter
    # There is no leap in it, and no gap that anybody hears.
    for (made, time), (then, after) in pairwise(sound.laid):
        assert abs((after - time) - (then - made)) < 0.003 * (then - made) + 2 / SOUND
    if not drift and not jitter:
        assert max(map(abs, off(sound))) < 1 / SOUND


@pytest.mark.parametrize("drift", DRIFTS)
def test_pictures_stay_with_the_wall_clock(drift: float) -> None:
    _, video = peer(0, drift)
    run(video, hours=6 if drift == DRIFTS[1] else 1, jitter=0.03)
    assert max(map(abs, off(video))) < SYNC + 0.03
    for (made, time), (then, after) in pairwise(video.laid):
        assert abs((after - time) - (then - made)) < 0.003 * (then - made) + 2 / VIDEO


@pytest.mark.parametrize("wall", [None, 0.0, 500 * PPM])
@pytest.mark.parametrize("drifts", [(-500, 0), (500, -500), (-1000, -1000), (1000, 1000)])
def test_tracks_stay_together(drifts: tuple[int, int], wall: float | None) -> None:
    """Clocks of a sound card and of a camera, and that which the reports are of."""
    sound, video = peer(drifts[0] * PPM, drifts[1] * PPM)
    run(sound, video, hours=0.6, jitter=0.01, dtx=True, wall=wall)
    assert max(map(abs, apart(sound, video))) < SYNC
    assert max(map(abs, off(sound))) < SYNC + 0.01


def test_recordings_stay_together() -> None:
    """What two clocks have laid goes into a file by the times of arrival."""
    timeline, placed = Timeline(), []
    for track in peer(-500 * PPM, 500 * PPM):
        run(track, hours=0.7, jitter=0.01)
        placement = Placement(timeline)
        placed += [placement.place(time, made + TRANSIT) - made for made, time in track.laid]
    assert max(placed) - min(placed) < SYNC


def test_a_clock_goes_on_as_fast_where_nothing_comes() -> None:
    drift = Drift()
    laid = 0.0
    for number in range(50 * 600):
        now = number * 0.02
        laid += drift.follow(now * 500 * PPM - laid, now)
    assert laid == pytest.approx(600 * 500 * PPM, abs=0.008)
    # An hour of silence later.
    now += HOUR
    laid += drift.follow(now * 500 * PPM - laid, now)
    assert laid == pytest.approx(now * 500 * PPM, abs=0.1)


@pytest.mark.parametrize("step", [0.5, -0.5, 5.0])
def test_a_step_is_no_drift(step: float) -> None:
    """Another way through the network, or sound that is made ahead of its time."""
    drift = Drift()
    for number in range(50 * 120):
        now = number * 0.02
        lateness = 0.05 if number < 3000 else 0.05 + step
        assert drift.follow(lateness, now) == 0.0


def test_a_queue_in_the_network_moves_little() -> None:
    drift = Drift()
    laid = most = 0.0
    for number in range(50 * 300):
        now = number * 0.02
        queue = 0.2 if 100 < now < 115 else 0.0
        laid += drift.follow(0.05 + queue - laid, now)
        most = max(most, abs(laid))
    assert 0 < most < SYNC
    assert abs(laid) < 0.005

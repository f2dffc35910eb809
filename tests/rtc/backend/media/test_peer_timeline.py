"""The common timeline of a peer's tracks: who leads, and what the others are laid later by."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.media.receiving.timeline import (
    IMPLAUSIBLE_SECONDS,
    REPORTS,
    STEP_SECONDS,
    SURE_SECONDS,
    PeerTimeline,
)


def led(offset: float = 0.0, *, is_sound: bool = True) -> PeerTimeline:
    """One whose track ``first`` leads, and has reported this once."""
    timeline = PeerTimeline()
    assert timeline.report("first", offset, is_sound=is_sound) == 0.0
    return timeline


def test_it_begins_with_the_first_media() -> None:
    timeline = PeerTimeline()
    assert [timeline.elapsed(now) for now in (50.0, 50.5, 49.0)] == [0.0, 0.5, -1.0]


@pytest.mark.parametrize("is_sound", [True, False])
def test_who_comes_first_leads_among_its_kind(is_sound: bool) -> None:
    timeline = led(is_sound=is_sound)
    assert timeline.report("second", 0.0625, is_sound=is_sound) == 0.0625
    # Who leads stays where it is.
    assert timeline.report("first", 0.0, is_sound=is_sound) == 0.0
    assert timeline.report("second", 0.0625, is_sound=is_sound) == 0.0625


def test_sound_takes_over_from_pictures_and_not_back() -> None:
    timeline = led(is_sound=False)
    assert timeline.report("sound", 0.0625, is_sound=True) == 0.0
    assert timeline.report("first", 0.0, is_sound=False) == -0.0625
    assert timeline.report("sound", 0.0625, is_sound=True) == 0.0


def test_the_report_counts_that_was_sent_soonest() -> None:
    timeline = led()
    for offset, correction in ((0.0625, 0.0625), (0.03125, 0.03125), (0.09375, 0.03125)):
        assert timeline.report("second", offset, is_sound=False) == correction
    assert timeline.report("first", -0.03125, is_sound=True) == 0.0
    assert timeline.report("first", 0.25, is_sound=True) == 0.0
    assert timeline.report("second", 0.09375, is_sound=False) == 0.0625
    # Of so many; then the soonest is forgotten.
    for _ in range(REPORTS - 3):
        assert timeline.report("second", 0.09375, is_sound=False) == 0.0625
    assert timeline.report("second", 0.09375, is_sound=False) == 0.09375 + 0.03125


def test_one_report_is_believed_to_tell_so_much_and_two_more() -> None:
    timeline = led()
    assert timeline.report("a", SURE_SECONDS, is_sound=False) == SURE_SECONDS
    assert timeline.report("b", SURE_SECONDS + 0.001, is_sound=False) == 0.0
    assert timeline.report("b", SURE_SECONDS + 0.001, is_sound=False) == SURE_SECONDS + 0.001
    for offset, correction in ((-IMPLAUSIBLE_SECONDS, -IMPLAUSIBLE_SECONDS), (2.001, 0.0)):
        timeline.report(offset, offset, is_sound=False)
        assert timeline.report(offset, offset, is_sound=False) == correction


def test_a_step_of_the_wall_clock_begins_anew() -> None:
    timeline = led(-0.5)
    assert timeline.report("second", 0.0, is_sound=False) == 0.0
    # No step yet: with two reports this much is believed.
    assert timeline.report("second", STEP_SECONDS, is_sound=False) == 0.5
    timeline.forget("second")
    # A step is one from the soonest of them.
    timeline.report("second", 0.0, is_sound=False)
    timeline.report("second", 0.375, is_sound=False)
    timeline.report("second", 0.625, is_sound=False)
    assert timeline.report("second", 0.625, is_sound=False) == 1.125


def test_what_has_been_laid_later_is_not_laid_later_again() -> None:
    timeline = led()
    assert timeline.report("second", 0.0625, is_sound=False) == 0.0625
    timeline.shift("second", 0.0625)
    timeline.shift("unknown", 1.0)
    assert timeline.report("second", 0.0, is_sound=False) == 0.0
    timeline.forget("second")
    assert timeline.report("second", 0.03125, is_sound=False) == 0.03125


def test_without_reports_arrivals_tell_what_is_more_than_jitter() -> None:
    timeline = PeerTimeline()
    # Nobody has arrived who leads.
    assert timeline.arrive("video", 1.0, is_sound=False) == 0.0
    assert timeline.arrive("sound", 0.0, is_sound=True) == 0.0
    assert timeline.arrive("video", 1.0, is_sound=False) == 1.0
    assert timeline.arrive("video", SURE_SECONDS, is_sound=False) == 0.0
    assert timeline.arrive("video", -0.5, is_sound=False) == -0.5
    # Reports of one alone tell nothing of the other; those of both do.
    timeline.report("video", 0.0, is_sound=False)
    assert timeline.arrive("video", 1.0, is_sound=False) == 1.0
    timeline.report("sound", 0.0, is_sound=True)
    assert timeline.arrive("video", 1.0, is_sound=False) == 0.0


def test_who_leaves_leads_no_more() -> None:
    timeline = led()
    timeline.arrive("first", 0.0, is_sound=True)
    timeline.leave("other")
    assert timeline.report("second", 0.0625, is_sound=False) == 0.0625
    timeline.leave("first")
    assert timeline.report("second", 0.5, is_sound=False) == 0.0
    assert timeline.report("third", 0.0625, is_sound=False) == 0.0
    # Back, it has neither arrived nor reported before: it leads, and nothing is known of it.
    timeline.forget("second")
    assert timeline.arrive("back", 5.0, is_sound=True) == 0.0
    timeline.leave("back")
    assert timeline.report("back", 7.0, is_sound=True) == 0.0
    assert timeline.arrive("second", 1.0, is_sound=False) == 0.0
    timeline.leave("back")
    assert timeline.arrive("back", 0.0, is_sound=True) == 0.0
    assert timeline.report("second", 7.0625, is_sound=False) == 0.0
    assert timeline.report("second", 7.0625, is_sound=False) == 0.0

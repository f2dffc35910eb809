"""Sources of a simulcast are told apart by what their packets say."""

from __future__ import annotations

from trio_rtc.rtc.backend.media.receiving.stream_ids import MOST_SOURCES, StreamIds


def test_a_source_is_known_once_it_was_heard() -> None:
    ids = StreamIds(("h", "l"))
    assert ids.learn(1, None) is None
    assert ids.learn(1, "h") == "h"
    assert ids.learn(2, "l") == "l"
    # It says no more who it is.
    assert [ids.learn(ssrc, None) for ssrc in (1, 2, 3)] == ["h", "l", None]
    assert [ids.of(ssrc) for ssrc in (1, 2, 3)] == ["h", "l", None]


def test_a_source_may_become_another_layers() -> None:
    ids = StreamIds(("h", "l"))
    ids.learn(1, "h")
    assert ids.learn(1, "l") == "l"


def test_names_that_were_not_agreed_on_count_for_nothing() -> None:
    ids = StreamIds(("h",))
    assert ids.learn(1, "x") is None
    assert StreamIds().learn(1, "h") is None


def test_sources_without_end() -> None:
    ids = StreamIds(("h", "l"))
    for ssrc in range(10_000):
        assert ids.learn(ssrc, "h") == "h"
    assert len(ids._known) == MOST_SOURCES
    assert ids.of(9_999) == "h"
    assert ids.of(0) is None

"""Names that are much too long cost no more than others."""

from __future__ import annotations

from collections.abc import Iterator

from trio_rtc.server.hub.member_names import LONGEST_NAME, clean_text, is_room


class Counted(str):
    """A text that counts which of its characters are looked at."""

    seen = 0

    def __iter__(self) -> Iterator[str]:
        for character in super().__iter__():
            self.seen += 1
            yield character


def test_what_is_cut_off_a_name_is_not_looked_at() -> None:
    text = Counted("é" * 100_000)
    assert clean_text(text) == "é" * (LONGEST_NAME // 2)
    assert text.seen <= LONGEST_NAME + 1


def test_a_long_room_is_none_without_a_look_at_it() -> None:
    text = Counted("a" * 100_000)
    assert not is_room(text)
    assert text.seen == 0
    assert is_room("a" * LONGEST_NAME)
    assert not is_room("é" * (LONGEST_NAME // 2 + 1))

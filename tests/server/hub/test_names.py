"""Names that are much too long cost no more than others."""

from __future__ import annotations

import pytest

from trio_rtc.server.hub.member_names import LONGEST_NAME, clean_text, decode_name, is_room
from trio_rtc.text import is_control
from trio_rtc.wire import names


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The characters that are looked at."""
    seen: list[str] = []

    def look(character: str) -> bool:
        seen.append(character)
        return is_control(character)

    monkeypatch.setattr(names, "is_control", look)
    return seen


def test_what_is_cut_off_a_name_is_not_looked_at(looked_at: list[str]) -> None:
    assert clean_text("é" * 100_000) == "é" * (LONGEST_NAME // 2)
    # One more shows whether there is more.
    assert len(looked_at) == LONGEST_NAME + 1


def test_a_long_room_is_none_without_a_look_at_it(looked_at: list[str]) -> None:
    assert not is_room("a" * 100_000)
    assert looked_at == []
    assert is_room("a" * LONGEST_NAME)
    assert not is_room("é" * (LONGEST_NAME // 2 + 1))


def test_percent_escapes_as_the_classic_server_reckons_them() -> None:
    assert decode_name(b"%41%6f+b") == b"Ao b"
    # Digits go on to Z: 35 * 16 | 35, of which a byte is left.
    assert decode_name(b"%zZ") == b"\x33"
    assert decode_name(b"%G0") == b"\x00"
    assert decode_name(b"%1g") == b"\x10"
    assert decode_name(b"%4 %%41%") == b"%4 %A%"

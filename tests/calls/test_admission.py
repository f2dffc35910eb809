"""How many calls there may be, without any."""

from __future__ import annotations

import pytest

from trio_rtc.calls.admission import MAX_CALLS, MAX_SETTING_UP, CallAdmission


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", None])
def test_a_limit_that_is_none(count: object) -> None:
    with pytest.raises(ValueError, match="not a number from 1 on"):
        CallAdmission(count, print)  # type: ignore[arg-type]


def test_it_is_said_once_as_long_as_it_lasts() -> None:
    said: list[str] = []
    admission = CallAdmission(1, said.append)
    for times in (1, 2):
        place = admission.admit()
        assert place is not None
        assert admission.admit() is None
        assert admission.admit() is None
        assert said == ["there are 1 calls: who calls now is declined as busy"] * times
        place.leave()
    assert (admission.calls, admission.setting_up) == (0, 0)


def test_those_being_set_up_have_a_limit_of_their_own() -> None:
    said: list[str] = []
    admission = CallAdmission(MAX_CALLS, said.append)
    places = [admission.admit() for _ in range(MAX_SETTING_UP)]
    first = places[0]
    assert first is not None
    assert admission.admit() is None
    assert said == [f"{MAX_SETTING_UP} calls are being set up: who calls now is declined as busy"]
    first.connected()
    first.connected()
    assert admission.setting_up == MAX_SETTING_UP - 1
    assert admission.admit() is not None
    first.leave()
    assert (admission.calls, admission.setting_up) == (MAX_SETTING_UP, MAX_SETTING_UP)

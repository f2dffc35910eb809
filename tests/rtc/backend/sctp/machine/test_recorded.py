"""What the congestion controls say on simple paths is what they were seen to say."""

from __future__ import annotations

import pytest

from .recorded import CONTROLS, COURSES, recorded, said


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("control", CONTROLS)
def test_what_is_said_on_a_path(control: str, course: str) -> None:
    known = recorded()[control][course]
    now = said(control, course)
    changed = "changed on purpose? then python -m tests.rtc.backend.sctp.machine.recorded"
    assert [rate is None for _, rate in now] == [rate is None for _, rate in known], changed
    for one, before in zip(now, known, strict=True):
        assert [value or 0.0 for value in one] == pytest.approx(
            [value or 0.0 for value in before], rel=1e-6
        ), changed

"""What is wrong with notes, and what is not."""

from __future__ import annotations

import pytest

from .notes import Notes


@pytest.mark.parametrize(
    ("received", "failed", "gone", "problem"),
    [
        ([0, 1, 2], [], set(), ""),
        ([0, 2], [1], set(), ""),
        ([0, 2], [], set(), "notes were lost without a word"),
        # The first two were for a session that has left, and the last one for the next.
        ([2], [], {5}, ""),
        ([2], [0], {5}, ""),
        ([0], [], {5}, "notes were lost without a word"),
        ([0, 1], [], {6}, ""),
        ([0, 1, 2], [2], {5}, "notes came that were told to have failed"),
        ([0, 1, 2, 3], [], set(), "notes came that nobody has sent"),
        ([0, 2, 1], [], set(), "notes came in another order"),
        ([0, 1, 1, 2], [], set(), "notes came twice"),
    ],
)
def test_problems(received: list[int], failed: list[int], gone: set[int], problem: str) -> None:
    notes = Notes(
        sent={1: 0, 2: 1, 4: 2},
        readers={1: 5, 2: 5, 4: 6},
        gone=gone,
        failed=failed,
        received=received,
    )
    assert notes.problem() == problem
    assert Notes(sent={1: 0}, readers={1: 5}, is_cut=True).problem() == ""

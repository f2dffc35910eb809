"""What two sides have tried to connect, in words: the same in Python and in the page."""

from __future__ import annotations

from typing import Any

import pytest

from trio_rtc.wire.attempts import describe_attempt

from .exam import in_javascript, vectors

VECTORS: list[dict[str, Any]] = vectors("attempts")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_in_python(vector: dict[str, Any]) -> None:
    found = describe_attempt(vector["local"], vector["remote"], turn=vector["turn"])
    assert found == vector["sentence"]


def test_in_javascript() -> None:
    assert in_javascript("attempts", VECTORS) == [vector["sentence"] for vector in VECTORS]

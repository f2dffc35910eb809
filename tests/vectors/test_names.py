"""What peers and rooms may be called, as Python and the page have it."""

from __future__ import annotations

from typing import Any

import pytest

from trio_rtc.wire.names import is_room, problem_of

from .exam import in_javascript, vectors

VECTORS: list[dict[str, Any]] = vectors("names")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: ascii(vector["text"])[:20])
def test_in_python(vector: dict[str, Any]) -> None:
    assert problem_of(vector["text"], room=vector["room"]) == vector["problem"]
    if vector["room"]:
        assert is_room(vector["text"]) == (vector["problem"] is None)


def test_in_javascript() -> None:
    assert in_javascript("names", VECTORS) == [vector["problem"] for vector in VECTORS]

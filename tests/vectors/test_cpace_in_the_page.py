"""The page's CPace: the draft's vectors, and the same results as Python's."""

from __future__ import annotations

import random
from typing import Any

from trio_rtc.wire.cpace import CPaceSide

from ..wire import test_cpace as draft
from .exam import in_javascript


def side(random: random.Random) -> dict[str, Any]:
    return {
        "secret": random.randbytes(random.choice([1, 20, 130, 200])),
        "channel": random.randbytes(10),
        "session": random.randbytes(32),
        "own": random.randbytes(64),
        "initiator": random.random() < 0.5,
        "scalar": random.randbytes(32),
    }


def as_text(given: dict[str, Any]) -> dict[str, Any]:
    return {name: one.hex() if isinstance(one, bytes) else one for name, one in given.items()}


def test_the_page_runs_the_same_exchange() -> None:
    context = {"secret": draft.SECRET, "channel": draft.CHANNEL, "session": draft.SESSION}
    ours = {**context, "own": b"ADa", "initiator": True, "scalar": draft.SCALAR_A}
    other = {"other_share": bytes.fromhex(draft.SHARE_B), "other": b"ADb"}
    played: list[dict[str, Any]] = [
        {"kind": "generator", **as_text(context)},
        {"kind": "side", **as_text(ours | other)},
        *(
            {"kind": "multiply", "scalar": draft.SCALAR.hex(), "point": point}
            for point in draft.LOW_ORDER
        ),
    ]
    expected: list[Any] = []
    for number in range(20):
        chance = random.Random(number)
        given = side(chance)
        theirs = CPaceSide(**side(chance)).share
        agreed = CPaceSide(**given).agree(theirs, b"somebody")
        played.append(
            {"kind": "side", **as_text(given | {"other_share": theirs, "other": b"somebody"})}
        )
        expected.append(
            {
                "share": CPaceSide(**given).share.hex(),
                "key": agreed.key.hex(),
                "tag": agreed.tag.hex(),
            }
        )
    generator, exchange, *rest = in_javascript("cpace", played)
    assert generator == draft.GENERATOR
    assert (exchange["share"], exchange["key"]) == (draft.SHARE_A, draft.KEY)
    low, results = rest[: len(draft.LOW_ORDER)], rest[len(draft.LOW_ORDER) :]
    assert dict(zip(draft.LOW_ORDER, low, strict=True)) == draft.LOW_ORDER
    assert results == expected

"""A minute of chaos loses and doubles nothing, leaves no ghost, and tells what is forgotten."""

from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

import pytest

from .chaos import FORGETTING, NAMES, UNFORGETTING, broken_promises, chaos
from .chaos_protections import PROTECTIONS, Protection

SECONDS = 60.0

MOST_SEEDS = 40
"""Of those one notices that a protection is taken out."""


def test_nothing_is_lost_or_doubled() -> None:
    sessions = chaos(0, UNFORGETTING, SECONDS)
    assert broken_promises(sessions, UNFORGETTING) == []
    assert len(sessions) == len(NAMES)
    assert sum(session.sent.total() for session in sessions) > 400


def test_what_redis_has_forgotten_is_told() -> None:
    sessions = chaos(0, FORGETTING, SECONDS)
    assert broken_promises(sessions, FORGETTING) == []
    assert {session.lost for session in sessions} == {"", "session_lost"}


@pytest.mark.parametrize("protection", PROTECTIONS, ids=[each.what for each in PROTECTIONS])
def test_a_seed_notices_when_a_protection_is_taken_out(protection: Protection) -> None:
    others = (seed for seed in range(MOST_SEEDS) if seed != protection.seed)
    with ExitStack() as stack:
        for owner, name, instead in protection.undone:
            stack.enter_context(mock.patch.object(owner, name, instead))
        for seed in (protection.seed, *others):
            sessions = chaos(seed, protection.kinds, protection.seconds)
            if protection.says in " ".join(broken_promises(sessions, protection.kinds)):
                return
    pytest.fail(f"none of {MOST_SEEDS} seeds notices")

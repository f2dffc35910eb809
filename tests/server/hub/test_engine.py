"""What an engine may know later: whether a message has found its place."""

from __future__ import annotations

import pytest

from trio_rtc.server.hub.engine import PendingSend, SendFailure
from trio_rtc.server.hub.hub import MailboxFull

FULL = MailboxFull("mailbox_messages")


@pytest.mark.parametrize("failure", [None, FULL])
@pytest.mark.parametrize("is_known_first", [True, False])
def test_who_has_sent_is_told_once(failure: SendFailure | None, is_known_first: bool) -> None:
    pending, told = PendingSend(), list[SendFailure | None]()
    if is_known_first:
        pending.settle(failure)
        assert told == []
        pending.then(told.append)
    else:
        pending.then(told.append)
        assert told == []
        pending.settle(failure)
    assert told == [failure]


def test_nobody_need_ask() -> None:
    pending = PendingSend()
    pending.settle()
    told: list[SendFailure | None] = []
    pending.then(told.append)
    assert told == [None]

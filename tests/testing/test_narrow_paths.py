"""Calls on a path that takes smaller packets from one moment to the next."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from trio_rtc.testing import Host, Link
from trio_rtc.testing.network.network_link import Passage

from .transfers import transfer

LARGE = 8912
"""Bytes of SCTP in a packet where links take jumbo frames."""

BEFORE, AFTER = 12, 12
PART = 256 * 1024
ALL = [bytes([number]) * PART for number in range(BEFORE + AFTER)]


def swallow_large(host: Host, most: int) -> None:
    """Have all packets over this size vanish on their way, fragmented or not."""
    for attachment in host.attachments:
        for direction in (attachment.up, attachment.down):
            send = direction.send

            def lose(size: int, now: float, *, send: Any = send, **options: Any) -> Passage:
                return Passage("loss") if size > most else send(size, now, **options)

            direction.send = lose  # type: ignore[method-assign]


def fragment_large(host: Host, most: int) -> None:
    """Have what is larger go in fragments, as a router does it."""
    host.set_link(mtu=most)


def send_all(
    narrow: Callable[[Host, int], None], most: int
) -> tuple[list[tuple[float, bytes]], str]:
    """What arrives, and when, and how the sender ends."""
    link = Link(rate=50e6, delay=0.01, mtu=9000)
    return transfer(ALL, link, lambda bob: narrow(bob, most), after=BEFORE, mtu=LARGE)


def test_where_large_packets_are_fragmented_it_goes_on() -> None:
    taken, end = send_all(fragment_large, 1300)
    assert end == "in order"
    assert [message for _, message in taken] == ALL
    assert max(later - at for at, later in pairwise([at for at, _ in taken])) < 4


def test_where_they_vanish_it_ends_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """They have TSNs, and cannot be split any more."""
    taken, end = send_all(swallow_large, 1300)
    assert end != "in order"
    assert BEFORE <= len(taken) < len(ALL)
    assert [message for _, message in taken] == ALL[: len(taken)]
    assert "does not take packets any more that are as large as before" in caplog.text

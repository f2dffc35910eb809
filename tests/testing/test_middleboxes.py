"""Calls through middleboxes that reorder, double, delay, and swallow what goes through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trio_rtc.testing import Host, Link
from trio_rtc.testing.network.network_link import Passage

from .transfers import transfer

DELAY = 0.02
COUNT = 24
PART = 64 * 1024
ALL = [bytes([number]) * PART for number in range(COUNT)]


def reorder(host: Host) -> None:
    """Have each fortieth packet be overtaken by more than 200."""
    host.set_link(reordering=0.025)


def double(host: Host) -> None:
    """Have everything come twice."""
    host.set_link(duplication=1.0)


def delay_tenfold(host: Host) -> None:
    host.set_link(delay=10 * DELAY)


def swallow_after_64_kilobytes(host: Host) -> None:
    """Have everything vanish that comes after so much."""
    for attachment in host.attachments:
        left = 64 * 1024
        send = attachment.down.send

        def lose(size: int, now: float, *, send: Any = send, **options: Any) -> Passage:
            nonlocal left
            left -= size
            return send(size, now, **options) if left > 0 else Passage("loss")

        attachment.down.send = lose  # type: ignore[method-assign]


def send_all(worsen: Callable[[Host], None]) -> tuple[list[bytes], str]:
    """What arrives, and how the call ends for its caller."""
    taken, end = transfer(ALL, Link(rate=100e6, delay=DELAY), worsen, after=1)
    return [message for _, message in taken], end


@pytest.mark.parametrize("worsen", [reorder, double, delay_tenfold])
def test_the_call_goes_on(worsen: Callable[[Host], None]) -> None:
    assert send_all(worsen) == (ALL, "in order")


def test_where_only_another_64_kilobytes_pass_it_ends_with_a_word() -> None:
    taken, end = send_all(swallow_after_64_kilobytes)
    assert taken == ALL[: len(taken)]
    assert 1 <= len(taken) < COUNT // 2
    assert end == "connection_lost"

"""What is sent again, when it is looked for, and what turns out to have been needless."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.sctp.machine.outbound import IN_FLIGHT, LOST, OutboundChunk, UserMessage
from trio_rtc.rtc.backend.sctp.machine.recovery import PROBE_MARGIN, Recovery
from trio_rtc.rtc.backend.sctp.machine.rtt import RoundTrips
from trio_rtc.rtc.backend.sctp.machine.sent import SentChunks

TRIP = 0.1


class Said:
    """A congestion control that only remembers what it is told."""

    window = 100_000
    rate: float | None = None
    needs_samples = True

    def __init__(self) -> None:
        self.log: list[str] = []

    def acknowledged(self, ack: object) -> None:
        self.log.append("acknowledged")

    def lost(self, now: float, in_flight: int) -> None:
        self.log.append("lost")

    def timed_out(self, now: float) -> None:
        self.log.append("timed out")

    def undo(self) -> None:
        self.log.append("undo")

    def idle(self, now: float) -> None:
        self.log.append("idle")

    def forget(self) -> None:
        self.log.append("forget")


class Half:
    """A sending half whose trips take 0.1 s, if any was measured."""

    def __init__(self, *, measured: bool = True) -> None:
        self.trips = RoundTrips()
        if measured:
            self.trips.add(TRIP, 0.0)
        self.control = Said()
        self.sent = SentChunks(1)
        self.recovery = Recovery(self.sent, self.trips, self.control)

    def send(self, now: float, count: int = 1, **options: int) -> list[OutboundChunk]:
        made = []
        for _ in range(count):
            message = UserMessage(1, 53, bytes(4), **options)  # type: ignore[arg-type]
            chunk = OutboundChunk(self.sent.next_tsn, message, 4)
            self.sent.add(chunk)
            self.depart(chunk, now)
            made.append(chunk)
        return made

    def depart(self, chunk: OutboundChunk, now: float) -> None:
        self.sent.depart(chunk)
        self.recovery.losses.sent(chunk, now)
        self.recovery.departed(now)

    def repair(self, now: float) -> list[int]:
        """Send again what is lost; which that is."""
        again = []
        while (chunk := self.recovery.peek()) is not None:
            self.recovery.pop()
            self.depart(chunk, now)
            again.append(chunk.tsn)
        self.recovery.is_forced = False
        return again

    def acknowledge(
        self,
        tsn: int,
        now: float,
        *blocks: tuple[int, int],
        duplicates: tuple[int, ...] = (),
    ) -> None:
        advanced = tsn > self.sent.acknowledged
        new = self.sent.acknowledge(tsn, blocks)
        for duplicate in duplicates:
            self.recovery.duplicated(duplicate)
        if new:
            self.recovery.acknowledged(new, now)
        self.recovery.find(now)
        self.recovery.settle(now, progressed=bool(new) or advanced)

    @property
    def due(self) -> float:
        due = self.recovery.deadline()
        assert due is not None
        return due

    def wake(self, now: float, *, has_new: bool = False, open_window: bool = True) -> bool:
        return self.recovery.wake(now, has_new=has_new, open_window=open_window)


def test_at_first_nothing_is_lost_and_nothing_is_due() -> None:
    half = Half()
    recovery = half.recovery
    assert (recovery.lost_size, recovery.is_forced, recovery.has_lost) == (0, False, False)
    assert recovery.deadline() is None
    assert half.wake(100.0) is False
    assert recovery.peek() is None


def test_a_loss_is_told_once_for_all_that_was_on_its_way() -> None:
    half = Half()
    chunks = half.send(0.0, 6)
    half.acknowledge(0, 0.1, (3, 3))
    assert half.recovery.deadline() == pytest.approx(0.1 + TRIP / 4)
    half.wake(0.126)
    assert half.control.log == ["lost"]
    assert half.recovery.lost_size == 2 * chunks[0].size
    assert [chunk.state for chunk in chunks[:2]] == [LOST, LOST]
    # What was sent before that is of the same one.
    half.acknowledge(0, 0.127, (3, 3), (6, 6))
    half.wake(0.2)
    assert half.control.log == ["lost"]
    assert half.repair(0.2) == [1, 2, 4, 5]
    assert not half.recovery.has_lost
    half.acknowledge(6, 0.3)
    assert half.recovery.deadline() is None
    half.send(0.4, 2)
    half.acknowledge(6, 0.5, (8, 8))
    half.wake(0.6)
    assert half.control.log == ["lost", "lost"]


def test_the_last_is_probed_with_after_two_trips() -> None:
    half = Half()
    half.send(1.0, 2)
    due = half.due
    assert due == pytest.approx(1.0 + 2 * TRIP + PROBE_MARGIN)
    assert half.wake(due - 0.001) is False
    assert not half.recovery.is_forced
    # What is sent later moves it, at another moment.
    half.send(1.05)
    due = half.due
    assert due == pytest.approx(1.05 + 2 * TRIP + PROBE_MARGIN)
    assert half.wake(due) is False
    assert half.recovery.is_forced
    assert half.repair(due) == [3]
    # There is one probe, and then the timeout.
    assert half.recovery.deadline() == pytest.approx(due + half.trips.timeout)
    half.send(due + 0.01)
    assert half.recovery.deadline() == pytest.approx(due + half.trips.timeout)
    assert half.control.log == []


def test_the_last_that_is_on_its_way_is_the_probe() -> None:
    half = Half()
    *_, last = half.send(1.0, 3)
    half.recovery.lose([last])
    assert half.wake(half.due) is False
    assert half.repair(half.due) == [2, 3]


def test_a_trip_is_that_of_the_newest() -> None:
    half = Half()
    half.send(1.0)
    [newest] = half.send(1.05)
    new = half.sent.acknowledge(2, [])
    trip, last = half.recovery.acknowledged(new, 1.2)
    assert trip == pytest.approx(0.15)
    assert last is newest


def test_what_was_taken_back_is_lost_with_a_timeout() -> None:
    half = Half()
    half.send(1.0, 3)
    half.acknowledge(0, 1.1, (2, 3))
    half.acknowledge(0, 1.11, (2, 2))
    again: list[int] = []
    while not half.wake(now := half.due):
        again += half.repair(now)
    assert again == [1, 1]
    assert half.repair(now) == [1, 3]


def test_something_new_is_a_probe_as_well() -> None:
    half = Half()
    half.send(1.0)
    due = half.due
    half.wake(due, has_new=True)
    assert half.recovery.is_forced
    assert not half.recovery.has_lost
    # An answer to it begins another.
    half.send(due)
    half.acknowledge(2, due + TRIP)
    half.send(due + 1.0)
    assert half.recovery.deadline() == pytest.approx(
        due + 1.0 + 2 * (half.trips.smoothed or 0.0) + PROBE_MARGIN
    )


def test_while_a_loss_waits_to_be_sent_again_there_is_no_probe() -> None:
    half = Half()
    half.send(0.0, 6)
    half.acknowledge(0, 0.1, (3, 3))
    half.wake(0.126)
    assert half.recovery.has_lost
    half.recovery.arm(0.2)
    assert half.recovery._expires_at == pytest.approx(0.2 + half.trips.timeout)
    half.repair(0.2)
    half.recovery.arm(0.2)
    assert half.recovery._expires_at == pytest.approx(0.2 + 2 * TRIP + PROBE_MARGIN)


def test_a_probe_that_repaired_a_loss_tells_of_it() -> None:
    for duplicates, log in (((), ["lost"]), ((2,), [])):
        half = Half()
        half.send(1.0, 2)
        due = half.due
        half.wake(due)
        assert half.repair(due) == [2]
        half.acknowledge(2, due + TRIP, duplicates=duplicates)
        assert half.control.log == log
        assert half.recovery.deadline() is None


def test_a_probe_of_which_nothing_is_heard_tells_of_none() -> None:
    half = Half()
    half.send(1.0, 2)
    due = half.due
    half.wake(due)
    half.repair(due)
    # The first has arrived only now; whether the probe was needed is not known.
    half.acknowledge(1, due + 0.01)
    assert half.control.log == []


def test_what_is_not_to_be_sent_again_is_no_probe() -> None:
    half = Half()
    [chunk] = half.send(1.0, max_retransmits=0)
    due = half.due
    half.wake(due)
    assert not half.recovery.is_forced
    assert chunk.state == IN_FLIGHT
    assert half.wake(due + half.trips.timeout) is True


def test_a_timeout_takes_all_that_is_old_for_lost() -> None:
    half = Half(measured=False)
    half.send(1.0, 3)
    due = half.due
    assert due == pytest.approx(1.0 + half.trips.timeout)
    before = half.trips.timeout
    assert half.wake(due) is True
    assert half.control.log == ["timed out"]
    assert half.recovery.is_forced
    assert half.trips.timeout == pytest.approx(2 * before)
    assert half.recovery.deadline() == pytest.approx(due + 2 * before)
    assert half.repair(due) == [1, 2, 3]
    half.acknowledge(3, due + 0.3)
    assert half.recovery.deadline() is None


def test_a_window_that_is_closed_is_no_reason_to_send_slower() -> None:
    half = Half(measured=False)
    half.send(1.0)
    assert half.wake(10.0, open_window=False) is True
    assert half.control.log == []
    assert half.repair(10.0) == [1]


@pytest.mark.parametrize("needless", [(1,), (1, 2), (2, 1), ()])
def test_what_was_needless_is_undone_when_all_of_it_was(needless: tuple[int, ...]) -> None:
    half = Half()
    half.send(0.0, 3)
    half.acknowledge(0, 0.1, (3, 3))
    half.wake(0.2)
    assert half.repair(0.2) == [1, 2]
    half.acknowledge(0, 0.25, (3, 3), duplicates=needless)
    assert half.control.log == ["lost", "undo"] if len(needless) == 2 else ["lost"]
    # It is told once.
    half.acknowledge(0, 0.26, (3, 3), duplicates=(1, 2))
    half.acknowledge(0, 0.27, (3, 3), duplicates=(1, 2))
    assert half.control.log == ["lost", "undo"]


def test_an_answer_that_comes_too_soon_is_to_what_was_sent_first() -> None:
    half = Half()
    half.send(0.0, 2)
    half.acknowledge(0, 0.1, (2, 2))
    half.wake(0.2)
    assert half.repair(0.2) == [1]
    half.acknowledge(2, 0.21)
    assert half.control.log == ["lost", "undo"]


def test_an_answer_that_takes_a_trip_is_to_what_was_sent_again() -> None:
    half = Half()
    half.send(0.0, 2)
    half.acknowledge(0, 0.1, (2, 2))
    half.wake(0.2)
    assert half.repair(0.2) == [1]
    half.acknowledge(2, 0.3)
    assert half.control.log == ["lost"]
    # What is told of it later says nothing.
    half.recovery.duplicated(1)
    assert half.control.log == ["lost"]


def test_another_path_is_waited_for_as_at_first() -> None:
    half = Half()
    half.send(0.0, 2)
    half.trips.forget()
    half.recovery.begin_anew(5.0)
    assert half.recovery.deadline() == pytest.approx(5.0 + half.trips.timeout)
    assert half.wake(5.0 + half.trips.timeout) is True
    half.acknowledge(2, 6.0)
    half.recovery.begin_anew(7.0)
    assert half.recovery.deadline() is None


def test_a_stale_acknowledgement_keeps_the_timer() -> None:
    half = Half()
    half.send(1.0, 2)
    due = half.due
    half.acknowledge(0, 1.05)
    assert half.recovery.deadline() == due
    half.acknowledge(1, 1.1)
    assert half.recovery.deadline() == pytest.approx(1.1 + 2 * TRIP + PROBE_MARGIN)


def test_an_undone_loss_is_undone_once() -> None:
    half = Half()
    chunks = half.send(0.0, 4)
    half.acknowledge(0, 0.1, (4, 4))
    half.wake(0.2)
    assert half.repair(0.2) == [1, 2, 3]
    half.acknowledge(0, 0.25, (4, 4), duplicates=(1, 2, 3))
    assert half.control.log == ["lost", "undo"]
    # What the other side took back was no loss that could be undone.
    half.recovery.lose(chunks[2:3])
    assert half.repair(0.26) == [3]
    half.acknowledge(0, 0.3, (4, 4), duplicates=(3,))
    assert half.control.log == ["lost", "undo"]


def test_where_nothing_was_sent_the_time_passes_once() -> None:
    half = Half()
    # As when the other side was only told what to pass over.
    half.recovery.departed(1.0)
    assert half.wake(half.due) is True
    assert half.recovery.deadline() is None
    assert half.control.log == []

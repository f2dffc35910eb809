"""Batches of flushes: once for each connection, at the end of the outermost block."""

from __future__ import annotations

import pytest

from trio_rtc.server.scheduling.flush_batches import FlushBatch


class Connection:
    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


def test_outside_of_a_batch_it_is_done_at_once() -> None:
    batch, connection = FlushBatch(), Connection()
    for times in (1, 2):
        batch.mark(connection)
        assert connection.flushed == times
    with batch:
        pass
    assert connection.flushed == 2


def test_within_it_is_done_once_at_the_end_of_the_outermost() -> None:
    batch, one, other = FlushBatch(), Connection(), Connection()
    with batch:
        batch.mark(one)
        with batch:
            batch.mark(one)
            batch.mark(other)
        assert (one.flushed, other.flushed) == (0, 0)
        batch.mark(one)
    assert (one.flushed, other.flushed) == (1, 1)
    with batch:
        batch.mark(other)
    assert (one.flushed, other.flushed) == (1, 2)


def test_what_a_flush_marks_is_done_at_once() -> None:
    batch, other = FlushBatch(), Connection()

    class Chain(Connection):
        def flush(self) -> None:
            super().flush()
            batch.mark(other)

    chain = Chain()
    with batch:
        batch.mark(chain)
    assert (chain.flushed, other.flushed) == (1, 1)


def test_an_error_in_a_batch_holds_nothing_back() -> None:
    batch, connection = FlushBatch(), Connection()
    with pytest.raises(KeyError), batch:
        batch.mark(connection)
        raise KeyError
    assert connection.flushed == 1
    batch.mark(connection)
    assert connection.flushed == 2

"""The sender: what goes into a packet, and what it makes of acknowledgements."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from aiortc.rtcsctptransport import DataChunk
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.rtc.backend.sctp.machine.bbr import Bbr
from trio_rtc.rtc.backend.sctp.machine.cubic import Cubic
from trio_rtc.rtc.backend.sctp.machine.data_sender import Sender
from trio_rtc.rtc.backend.sctp.machine.outbound import UserMessage
from trio_rtc.rtc.backend.sctp.machine.rtt import RTO_INITIAL, RTO_MAX

FIRST = 2**32 - 3
PACKET = 1200


def sender(control: Any = None, *, peer_window: int = 1 << 20, **options: Any) -> Sender:
    return Sender(
        FIRST, control or Bbr(PACKET), peer_window=peer_window, packet_size=PACKET, **options
    )


def put(
    sends: Sender, *sizes: int, stream: int = 1, now: float = 0.0, **options: Any
) -> list[UserMessage]:
    messages = [
        UserMessage(stream, 53, bytes([len(str(size))]) * size, **options) for size in sizes
    ]
    for message in messages:
        sends.send(message, now)
    return messages


def packets(sends: Sender, now: float = 0.0) -> list[list[DataChunk]]:
    """What it sends now, as aiortc reads it."""
    found = []
    while (packet := sends.next_packet(now)) is not None:
        chunks = []
        while packet and packet[0] == 0:
            length = int.from_bytes(packet[2:4], "big")
            chunks.append(DataChunk(flags=packet[1], body=packet[4:length]))
            packet = packet[length + -length % 4 :]
        if chunks:
            found.append(chunks)
    return found


def acknowledge(sends: Sender, count: int, now: float, **options: Any) -> None:
    fields = {"window": 1 << 20, "blocks": [], "duplicates": [], **options}
    sends.acknowledge((FIRST + count - 1) & 0xFFFFFFFF, now=now, **fields)


def test_small_messages_share_a_packet() -> None:
    sends = sender()
    put(sends, *[100] * 30)
    sent = packets(sends)
    assert [len(packet) for packet in sent] == [10, 10, 10]
    numbers = [(chunk.tsn, chunk.stream_seq, chunk.flags) for packet in sent for chunk in packet]
    assert numbers == [((FIRST + i) & 0xFFFFFFFF, i, 3) for i in range(30)]


def test_a_large_one_is_split_to_the_size_of_packets() -> None:
    sends = sender()
    put(sends, 3000)
    (one,), (two,), (three,) = packets(sends)
    assert [len(chunk.user_data) for chunk in (one, two, three)] == [1172, 1172, 656]
    assert [chunk.flags for chunk in (one, two, three)] == [2, 0, 1]
    assert len({chunk.stream_seq for chunk in (one, two, three)}) == 1


def test_the_end_of_a_large_one_shares_its_packet_with_the_next() -> None:
    sends = sender()
    put(sends, *[1300] * 5)
    sent = packets(sends)
    # A packet has 1172 bytes of one message: five times 1300 take six, and not ten.
    assert [len(packet) for packet in sent] == [1, 2, 2, 2, 2, 1]
    assert sum(len(chunk.user_data) for packet in sent for chunk in packet) == 5 * 1300


def test_one_that_fits_is_not_split_to_fill_a_packet() -> None:
    sends = sender()
    put(sends, *[700] * 3)
    assert [len(packet) for packet in packets(sends)] == [1, 1, 1]


def test_nothing_waits_behind_bulk() -> None:
    sends = sender()
    put(sends, *[5000] * 4, stream=1)
    put(sends, 10, 20, stream=2)
    put(sends, 30, stream=3, ordered=False)
    order = [(chunk.stream_id, len(chunk.user_data)) for sent in packets(sends) for chunk in sent]
    whole = [1172] * 4
    assert [size for stream, size in order if stream == 1][:5] == [*whole, 312]
    # A message that has begun goes on; then it is the turn of the others.
    assert [stream for stream, _ in order[:8]] == [1, 1, 1, 1, 1, 2, 3, 1]


def test_at_first_there_are_ten_packets() -> None:
    for control in (Bbr, Cubic):
        sends = sender(control(PACKET + 89))
        put(sends, 100_000)
        assert 10 <= len(packets(sends)) <= 11


def test_the_window_of_the_other_side_is_obeyed() -> None:
    sends = sender(peer_window=3000)
    put(sends, 100_000)
    assert len(packets(sends)) == 2
    acknowledge(sends, 2, 0.1, window=0)
    # One packet asks whether there is room again, and then time after time.
    assert len(packets(sends, 0.1)) == 1
    now, asked = 0.1, []
    for _ in range(8):
        due = sends.deadline()
        assert due is not None
        now = due
        sends.wake(now)
        sent = packets(sends, now)
        assert len(sent) <= 1
        if sent:
            assert sent[0][0].tsn == (FIRST + 2) & 0xFFFFFFFF
            asked.append(now)
    waits = [after - before for before, after in pairwise(asked)]
    assert waits[-1] == pytest.approx(RTO_MAX)
    assert waits == sorted(waits)
    acknowledge(sends, 3, now + 0.1, window=1 << 20)
    assert len(packets(sends, now + 0.1)) > 1


def test_a_window_of_four_gigabytes_is_not_a_reason_to_send_them() -> None:
    sends = sender(peer_window=2**32 - 1)
    put(sends, 1_000_000)
    assert len(packets(sends)) <= 11


@pytest.mark.parametrize(
    ("count", "blocks"),
    [
        (11, []),
        (2**31, []),
        (-5, []),
        (0, [(2, 60_000)]),
        (0, [(5, 3)]),
        (0, [(0, 4)]),
        (0, [(6, 7), (2, 3)]),
        (0, [(2, 4), (3, 6)]),
        (0, [(2, 2)] * 4000),
    ],
)
def test_an_acknowledgement_that_cannot_be_true(count: int, blocks: list[tuple[int, int]]) -> None:
    sends = sender()
    put(sends, *[1172] * 9)
    assert len(packets(sends)) == 9
    before = sends.in_flight
    acknowledge(sends, count, 0.1, blocks=blocks)
    assert sends.in_flight == before
    acknowledge(sends, 9, 0.2)
    assert sends.is_idle
    assert sends.next_tsn == FIRST + 9


def test_duplicates_of_what_was_never_sent() -> None:
    sends = sender()
    put(sends, 10)
    packets(sends)
    acknowledge(sends, 1, 0.1, duplicates=[0, 2**32 - 1, FIRST, 77] * 100)
    assert sends.is_idle


@given(st.randoms(use_true_random=False))
def test_no_acknowledgement_ends_it(source: random.Random) -> None:
    """Whatever is acknowledged: nothing is raised, and what is on its way is counted."""
    sends = sender(source.choice([Bbr, Cubic])(PACKET))
    now = 0.0
    for _ in range(30):
        put(sends, *[source.choice([1, 500, 3000])] * source.randint(0, 5), ordered=False)
        packets(sends, now)
        now += source.random() * 0.3
        sends.wake(now)
        sends.acknowledge(
            (sends.acknowledged_tsn + source.randint(-3, 12)) & 0xFFFFFFFF,
            source.choice([0, 1, 5000, 2**32 - 1]),
            [
                (source.randint(0, 9), source.randint(0, 70_000))
                if source.random() < 0.3
                else (2 + 3 * n, 3 + 3 * n)
                for n in range(source.randint(0, 4))
            ],
            [source.getrandbits(32) for _ in range(source.randint(0, 3))],
            now,
        )
        assert sends.in_flight >= 0
    # It goes on.
    put(sends, 10)
    for _ in range(300):
        now += 1.0
        sends.wake(now)
        packets(sends, now)
        sends.acknowledge((sends.next_tsn - 1) & 0xFFFFFFFF, 1 << 20, [], (), now)
    assert sends.is_idle
    assert sends.in_flight == 0


def test_the_tail_is_probed_before_the_timeout() -> None:
    sends = sender()
    put(sends, 10)
    packets(sends)
    acknowledge(sends, 1, 0.1)
    put(sends, *[1172] * 3)
    packets(sends, 1.0)
    acknowledge(sends, 2, 1.1)
    due = sends.deadline()
    assert due is not None
    assert due == pytest.approx(1.1 + 2 * 0.1 + 0.025, abs=0.001)
    sends.wake(due)
    # The last of what was sent, so that all before it is told of.
    assert [[chunk.tsn for chunk in sent] for sent in packets(sends, due)] == [
        [(FIRST + 3) & 0xFFFFFFFF]
    ]
    acknowledge(sends, 2, due + 0.1, blocks=[(2, 2)])
    sends.wake(due + 0.2)
    assert [[chunk.tsn for chunk in sent] for sent in packets(sends, due + 0.2)] == [
        [(FIRST + 2) & 0xFFFFFFFF]
    ]


def test_a_timeout_that_was_needless_costs_nothing() -> None:
    for kind in (Bbr, Cubic):
        control = kind(PACKET)
        sends = sender(control)
        put(sends, *[1172] * 9)
        packets(sends)
        window = control.window
        sends.wake(RTO_INITIAL + 0.01)
        assert control.window < window
        assert len(packets(sends, RTO_INITIAL + 0.01)) == 1
        # All come at last, and what was sent again comes twice.
        acknowledge(sends, 9, 0.6)
        acknowledge(sends, 9, 0.7, duplicates=[FIRST])
        assert control.window >= window


def test_what_the_other_side_takes_back_is_sent_again() -> None:
    sends = sender()
    put(sends, *[1172] * 6)
    packets(sends)
    acknowledge(sends, 1, 0.1, blocks=[(2, 5)])
    # The second is there now, and the third is not any more.
    acknowledge(sends, 2, 0.11)
    again = [chunk.tsn for sent in packets(sends, 0.11) for chunk in sent]
    assert again == [(FIRST + i) & 0xFFFFFFFF for i in (2, 3, 4, 5)]


def test_what_is_lost_taken_back_and_lost_is_sent_once() -> None:
    sends = sender()
    put(sends, *[1172] * 9)
    packets(sends)
    # The first three are taken for lost, arrive before they are sent again, and are taken back.
    acknowledge(sends, 0, 0.1, blocks=[(4, 4)])
    sends.wake(0.2)
    acknowledge(sends, 0, 0.2, blocks=[(2, 4)])
    acknowledge(sends, 1, 0.2, blocks=[(3, 3)])
    sends.wake(1.0)
    again = [chunk.tsn for sent in packets(sends, 10.0) for chunk in sent]
    assert len(again) == len(set(again))
    acknowledge(sends, 9, 11.0)
    assert sends.is_idle
    assert sends.in_flight == 0


def test_messages_that_are_given_up_are_passed_over() -> None:
    sends = sender()
    lossy = put(sends, 5000, max_retransmits=0)
    put(sends, 100, stream=2)
    assert len(packets(sends)) == 5
    # All but the second fragment arrives, and then what follows it is not sent again.
    acknowledge(sends, 1, 0.1, blocks=[(2, 5)])
    sends.wake(0.2)
    forward = sends.next_packet(0.2)
    assert forward is not None
    assert lossy[0].is_abandoned
    # RFC 3758, section 3.2: the TSN, the stream, and its number there.
    assert forward == bytes.fromhex("c000 000c") + (FIRST + 1 & 0xFFFFFFFF).to_bytes(4, "big") + (
        b"\0\1\0\0"
    )
    # It is told again until that is heard of, once a round trip.
    assert sends.next_packet(0.2) is None
    acknowledge(sends, 1, 0.25, blocks=[(2, 5)])
    assert sends.next_packet(0.25) is None
    acknowledge(sends, 1, 0.35, blocks=[(2, 5)])
    assert sends.next_packet(0.35) == forward
    acknowledge(sends, 6, 0.4)
    assert sends.is_idle


def test_a_message_that_expires_before_it_is_sent_leaves_no_trace() -> None:
    sends = sender()
    put(sends, 100, expires=1.0)
    (kept,) = put(sends, 50)
    ((chunk,),) = packets(sends, 2.0)
    assert (len(chunk.user_data), chunk.stream_seq) == (50, 0)
    assert [message.is_abandoned for message in sends.taken] == [True, False]
    assert sends.taken[1] is kept


def test_a_message_that_expires_while_it_is_sent_ends_for_the_other_side_too() -> None:
    sends = sender(peer_window=3000)
    put(sends, 9000, expires=1.0)
    assert len(packets(sends)) == 2
    acknowledge(sends, 2, 2.0)
    put(sends, 10)
    data, forward = sends.next_packet(2.0), sends.next_packet(2.0)
    assert data is not None
    assert forward is not None
    assert forward[0] == 192
    # Its end has a TSN of its own, though it is not sent.
    assert int.from_bytes(forward[4:8], "big") == (FIRST + 2) & 0xFFFFFFFF
    chunk = DataChunk(flags=data[1], body=data[4:26])
    assert (chunk.tsn, chunk.stream_seq) == ((FIRST + 3) & 0xFFFFFFFF, 1)


def test_a_stream_that_was_reset_is_numbered_anew() -> None:
    sequences: dict[int, int] = {}
    sends = sender(sequences=sequences)
    put(sends, 1, 1)
    assert sends.queue.holds(1)
    packets(sends)
    assert not sends.queue.holds(1)
    assert sequences.pop(1) == 2
    put(sends, 1)
    ((chunk,),) = packets(sends)
    assert chunk.stream_seq == 0


def test_all_is_sent_when_the_last_has_arrived() -> None:
    sends = sender()
    assert sends.has_sent_all(FIRST - 1)
    put(sends, 1, 1)
    assert not sends.has_sent_all(FIRST - 1)
    packets(sends)
    assert not sends.has_sent_all(FIRST)
    assert sends.has_sent_all(FIRST + 1)

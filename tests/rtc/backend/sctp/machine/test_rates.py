"""How fast the path delivers, and when the next packet may be sent."""

from __future__ import annotations

import pytest

from trio_rtc.rtc.backend.sctp.machine.bbr import Bbr
from trio_rtc.rtc.backend.sctp.machine.congestion import Acknowledged
from trio_rtc.rtc.backend.sctp.machine.data_sender import COMMON_HEADER, Sender
from trio_rtc.rtc.backend.sctp.machine.delivery_rate import DeliveryRate
from trio_rtc.rtc.backend.sctp.machine.outbound import (
    DATA_HEADER,
    FIRST,
    IN_FLIGHT,
    LAST,
    UNORDERED,
    OutboundChunk,
    Snapshot,
    UserMessage,
)
from trio_rtc.rtc.backend.sctp.machine.pacing import LATE, Pacer


def sent(delivery: DeliveryRate, at: float) -> OutboundChunk:
    chunk = OutboundChunk(1, UserMessage(1, 53, b"x"), 1)
    chunk.sent_at = at
    chunk.snapshot = delivery.snapshot()
    return chunk


def test_what_was_delivered_since_a_chunk_was_sent() -> None:
    delivery = DeliveryRate()
    assert delivery.snapshot() == Snapshot(0, 0.0, 0.0, app_limited=False)
    delivery.begin(1.0)
    assert delivery.snapshot() == Snapshot(0, 1.0, 1.0, app_limited=False)
    first, second = sent(delivery, 1.0), sent(delivery, 1.05)
    assert delivery.add(1000, first, 1.1, 0.1) == pytest.approx(1000 / 0.1)
    # The acknowledgements took longer than the sending.
    assert delivery.add(3000, second, 1.3, 0.1) == pytest.approx(4000 / 0.3)
    assert delivery.snapshot() == Snapshot(4000, 1.3, 1.05, app_limited=False)
    # And the other way round, as where acknowledgements come at once.
    late = sent(delivery, 1.85)
    assert delivery.add(2000, late, 1.9, 0.1) == pytest.approx(2000 / 0.8)


def test_less_than_a_trip_tells_no_rate() -> None:
    for shortest, rate in ((0.1, 10_000.0), (0.11, 0.0), (0.0, 10_000.0)):
        delivery = DeliveryRate()
        delivery.begin(1.0)
        assert delivery.add(1000, sent(delivery, 1.0), 1.1, shortest) == pytest.approx(rate)
    delivery = DeliveryRate()
    delivery.begin(1.0)
    assert delivery.add(1000, sent(delivery, 1.0), 1.0, 0.0) == 0.0
    # Clocks that go back tell none, either.
    assert delivery.add(1000, sent(delivery, 0.5), 0.5, -1.0) == 0.0


def test_what_begins_anew_counts_from_then_on() -> None:
    delivery = DeliveryRate()
    delivery.begin(1.0)
    delivery.add(1000, sent(delivery, 1.0), 1.1, 0.1)
    assert delivery.snapshot() == Snapshot(1000, 1.1, 1.0, app_limited=False)
    delivery.begin(5.0)
    assert delivery.snapshot() == Snapshot(1000, 5.0, 5.0, app_limited=False)


def test_what_was_sent_while_there_was_no_more_tells_nothing_of_the_path() -> None:
    delivery = DeliveryRate()
    delivery.limit(0)
    # Nothing is on its way: what is sent next is limited all the same.
    assert delivery.snapshot().app_limited
    delivery.add(1, sent(delivery, 1.0), 1.1, 0.1)
    assert not delivery.snapshot().app_limited
    delivery.limit(500)
    assert delivery.snapshot().app_limited
    delivery.add(499, sent(delivery, 1.0), 1.2, 0.1)
    assert delivery.snapshot().app_limited
    delivery.add(1, sent(delivery, 1.1), 1.3, 0.1)
    assert not delivery.snapshot().app_limited


def test_without_a_rate_packets_cost_no_time() -> None:
    pacer = Pacer()
    assert pacer.next_at == 0.0
    for rate in (None, 0.0):
        pacer.sent(1000, rate, 5.0)
        assert pacer.next_at == 5.0


def test_the_first_packet_of_all_is_paced() -> None:
    pacer = Pacer()
    pacer.sent(2000, 1e6, 0.0)
    assert pacer.next_at == pytest.approx(0.002)


def test_packets_go_out_a_quantum_at_a_time() -> None:
    pacer = Pacer()
    now = 10.0
    pacer.sent(0, None, now)
    times = []
    for _ in range(9):
        now = max(now, pacer.next_at)
        times.append(now)
        pacer.sent(400, 1e6, now)
    # 0.4 ms each: those of a quantum at once, and then what they cost is waited for.
    assert times == pytest.approx([10.0] * 3 + [10.0012] * 3 + [10.0024] * 3)


def test_a_host_that_is_late_makes_good_for_so_much() -> None:
    for late, packets in ((0.5 * LATE, 25), (LATE, 50), (10 * LATE, 50)):
        pacer = Pacer()
        pacer.sent(0, None, 1.0)
        now, count = 1.0 + late, 0
        while pacer.next_at <= now:
            pacer.sent(1000, 1e6, now)
            count += 1
        # Those, and a quantum's.
        assert packets < count <= packets + 2


def test_a_burst_is_sent_at_once_and_no_more() -> None:
    pacer = Pacer()
    # A byte that is left is as good as a packet.
    pacer.allow(2001)
    for _ in range(2):
        pacer.sent(1000, 1000.0, 2.0)
        assert pacer.next_at == 2.0
    pacer.sent(1000, 1000.0, 2.0)
    assert pacer.next_at == pytest.approx(3.0)


def test_of_a_burst_that_is_used_up_nothing_is_left() -> None:
    pacer = Pacer()
    pacer.sent(0, None, 2.0)
    pacer.allow(1000)
    pacer.sent(1000, 1000.0, 2.0)
    assert pacer.next_at == pytest.approx(3.0)


def test_a_message_becomes_chunks() -> None:
    message = UserMessage(7, 53, b"abcdef", ordered=False)
    message.sequence = 0
    first, second = OutboundChunk(2**32 + 5, message, 5), OutboundChunk(2**32 + 6, message, 1)
    assert first.wire == DATA_HEADER.pack(0, FIRST | UNORDERED, 21, 5, 7, 0, 53) + b"abcde\0\0\0"
    assert second.wire == DATA_HEADER.pack(0, LAST | UNORDERED, 17, 6, 7, 0, 53) + b"f\0\0\0"
    assert (first.is_last, second.is_last, message.position) == (False, True, 6)
    assert (first.size, first.state, first.order, first.sent_at, first.transmissions) == (
        24, IN_FLIGHT, 0, 0.0, 0
    )  # fmt: skip
    ordered = UserMessage(7, 53, b"abcd")
    ordered.sequence = 9
    assert OutboundChunk(1, ordered, 4).wire == (
        DATA_HEADER.pack(0, FIRST | LAST, 20, 1, 7, 9, 53) + b"abcd"
    )


@pytest.mark.parametrize(
    ("options", "is_reliable"),
    [({}, True), ({"expires": 0.0}, False), ({"max_retransmits": 0}, False)],
)
def test_of_what_is_never_given_up_no_tsns_are_kept(
    options: dict[str, float], is_reliable: bool
) -> None:
    message = UserMessage(1, 53, b"abcdefgh", **options)  # type: ignore[arg-type]
    for tsn in (7, 9):
        OutboundChunk(tsn, message, 4)
    assert message.tsns == (None if is_reliable else [7, 9])


@pytest.mark.parametrize(("trip", "is_heard"), [(0.0002, False), (0.02, True)])
def test_what_arrives_within_a_room_tells_the_control_nothing(trip: float, is_heard: bool) -> None:
    """It takes a tenth of what a round trip costs, and the window is as large as can be."""
    control = Bbr(1300)
    sender = Sender(1, control, peer_window=1 << 20, packet_size=1200)
    heard: list[Acknowledged] = []
    acknowledged = control.acknowledged

    def hear(ack: Acknowledged) -> None:
        heard.append(ack)
        acknowledged(ack)

    control.acknowledged = hear  # type: ignore[method-assign]
    now = 0.0

    def send(count: int) -> None:
        nonlocal now
        for _ in range(count):
            sender.send(UserMessage(1, 53, bytes(1000)), now)
        while sender.next_packet(now) is not None:
            pass
        now += trip
        sender.acknowledge(sender.acknowledged_tsn + 1, 1 << 20, [], (), now)

    send(1)
    assert len(heard) == 1
    for _ in range(50):
        send(1)
    assert len(heard) == (51 if is_heard else 1)
    before = len(heard)
    send(3)
    send(0)
    assert len(heard) == before + (2 if is_heard else 0)
    # What is as busy as that is no room.
    trip = 0.2
    send(1)
    assert len(heard) > before


def test_a_packet_that_is_not_full_waits_while_more_follows() -> None:
    sender = Sender(1, Bbr(1300), peer_window=1 << 20, packet_size=1200)
    packet = 1200 - COMMON_HEADER
    sender.more_follows = True
    sender.send(UserMessage(1, 53, bytes(1500)), 0.0)
    # Nothing is on its way at first; and a full packet waits for nobody.
    assert len(sender.next_packet(0.0) or b"") == packet
    due = sender.deadline()
    assert sender.next_packet(0.0) is None
    assert due is not None
    assert due > 0.0
    sender.send(UserMessage(1, 53, bytes(1500)), 0.0)
    assert len(sender.next_packet(0.0) or b"") == packet
    assert sender.next_packet(0.0) is None
    sender.more_follows = False
    assert 0 < len(sender.next_packet(0.0) or b"") < packet
    assert sender.next_packet(0.0) is None


def test_what_waits_for_more_goes_when_nothing_is_on_its_way() -> None:
    sender = Sender(1, Bbr(1300), peer_window=1 << 20, packet_size=1200)
    sender.more_follows = True
    sender.send(UserMessage(1, 53, bytes(1500)), 0.0)
    assert sender.next_packet(0.0) is not None
    assert sender.next_packet(0.0) is None
    sender.acknowledge(1, 1 << 20, [], (), 0.1)
    assert sender.next_packet(0.1) is not None
    assert not sender.has_more or sender.taken

"""Splitting, joining and credit, without a network."""

from __future__ import annotations

import random
from dataclasses import replace
from struct import pack

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trio_rtc.errors import MessageTooLarge
from trio_rtc.rtc.channels.credit import ReceiveWindow, SendWindow
from trio_rtc.rtc.channels.extension import (
    MAX_MESSAGE_SIZE,
    OURS,
    WINDOW,
    ChannelExtension,
    find_extension,
    with_extension,
)
from trio_rtc.rtc.channels.framing import (
    ABANDON,
    ABANDON_FRAME,
    CREDIT,
    PART_SIZE,
    FramingError,
    Split,
    Splitter,
    cost,
)
from trio_rtc.rtc.channels.framing import PART_HEADER as PART
from trio_rtc.rtc.channels.reassembly import MAX_PARTIALS, PARTIAL_COST, Reassembled, Reassembler

MESSAGES = st.one_of(
    st.text(max_size=50),
    st.binary(max_size=50),
    st.integers(0, 5 * PART_SIZE).map(lambda size: random.Random(size).randbytes(size)),
    st.sampled_from([PART_SIZE - 1, PART_SIZE, PART_SIZE + 1]).map(lambda size: "é" * (size // 2)),
)


def split_message(splitter: Splitter, message: str | bytes) -> Split:
    if isinstance(message, str):
        return splitter.split(message.encode(), is_text=True)
    return splitter.split(message, is_text=False)


class Link:
    """Both ends of one direction; the reader keeps up as far as it is told to."""

    def __init__(self, *, ordered: bool = True, reliable: bool = True):
        self.splitter = Splitter()
        self.send_window = SendWindow(WINDOW)
        self.receive_window = ReceiveWindow()
        self.reassembler = Reassembler(
            ordered=ordered, receive_window=self.receive_window if reliable else None
        )
        self.read: list[object] = []
        self.unread: list[Reassembled] = []

    def frames(self, message: str | bytes, up_to: int | None = None) -> list[bytes]:
        """Those of a message; of its first parts and the end of them, if it is cut short."""
        split = split_message(self.splitter, message)
        frames: list[bytes] = []
        while not split.is_complete and (up_to is None or len(frames) < up_to):
            self.send_window.take(cost(split.next_size()))
            frames.append(split.next_frame())
        if not split.is_complete and frames:
            frames.append(split.abandon())
        return frames

    def deliver(self, frame: bytes) -> None:
        joined = self.reassembler.take(frame)
        if joined is not None:
            self.unread.append(joined)
        if not self.unread:
            self.reassembler.advance()
        self.give_credit()

    def read_all(self) -> None:
        for joined in self.unread:
            if self.reassembler._receive_window is not None:
                self.receive_window.read(joined.cost)
            self.read.append(joined.message)
        self.unread.clear()
        self.reassembler.advance()
        self.give_credit()

    def give_credit(self) -> None:
        if (frame := self.receive_window.due()) is not None:
            self.send_window.receive(frame)

    def settle(self) -> None:
        """All that was read is told, whether it is worth a frame or not."""
        self.send_window.receive(pack("!BQ", CREDIT, self.receive_window._read))


@given(st.lists(MESSAGES, max_size=20))
def test_what_is_split_is_joined(messages: list[str | bytes]) -> None:
    link = Link()
    for message in messages:
        for frame in link.frames(message):
            assert len(frame) <= PART_SIZE + 21
            link.deliver(frame)
            link.read_all()
    assert link.read == messages
    assert [type(message) for message in link.read] == [type(message) for message in messages]
    assert link.reassembler.kept == 0
    link.settle()
    assert link.send_window.used == 0


@given(st.lists(MESSAGES, max_size=6), st.randoms(use_true_random=False))
def test_frames_in_any_order(messages: list[str | bytes], source: random.Random) -> None:
    link = Link(ordered=False)
    frames = [frame for message in messages for frame in link.frames(message)]
    # The window bounds what can overtake what.
    assume(sum(cost(len(frame)) for frame in frames) < WINDOW)
    source.shuffle(frames)
    for frame in frames:
        link.deliver(frame)
        link.read_all()
    assert sorted(map(repr, link.read)) == sorted(map(repr, messages))
    assert link.reassembler.kept == 0


@given(
    st.lists(st.tuples(MESSAGES, st.one_of(st.none(), st.integers(1, 4))), max_size=8),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_messages_cut_short(
    plan: list[tuple[str | bytes, int | None]], ordered: bool, source: random.Random
) -> None:
    # Each message is at most 5 parts long, and so many frames overtake each other.
    link = Link(ordered=ordered)
    whole: list[object] = []
    for message, up_to in plan:
        frames = link.frames(message, up_to)
        if frames[-1][0] != ABANDON:
            whole.append(message)
        if not ordered:
            source.shuffle(frames)
        for frame in frames:
            link.deliver(frame)
        link.read_all()
    assert link.read == whole
    assert link.reassembler.kept == 0
    assert not link.reassembler._abandoned
    link.settle()
    assert link.send_window.used == 0


@given(st.lists(MESSAGES, max_size=8), st.data())
def test_frames_that_are_lost(messages: list[str | bytes], data: st.DataObject) -> None:
    for ordered in (True, False):
        link = Link(ordered=ordered, reliable=False)
        arrived: list[object] = []
        for message in messages:
            frames = link.frames(message)
            kept = [frame for frame in frames if data.draw(st.booleans())]
            if kept == frames:
                arrived.append(message)
            for frame in kept:
                link.deliver(frame)
            link.read_all()
        assert link.read == arrived
        assert link.reassembler.kept <= MAX_MESSAGE_SIZE + 2 * WINDOW


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3 * WINDOW), min_size=1, max_size=8), st.data())
def test_credit_never_runs_dry(sizes: list[int], data: st.DataObject) -> None:
    # Whatever the sizes: one who waits for credit gets it from a reader who reads.
    link = Link()
    for size in sizes:
        split = link.splitter.split(bytes(size), is_text=False)
        while not split.is_complete:
            if link.send_window.room < cost(split.next_size()):
                link.read_all()
            assert link.send_window.room >= cost(split.next_size())
            link.send_window.take(cost(split.next_size()))
            link.deliver(split.next_frame())
            if data.draw(st.booleans()):
                link.read_all()
    link.read_all()
    assert [len(message) for message in link.read] == sizes  # type: ignore[arg-type]


def test_a_reader_that_stops_bounds_what_is_kept() -> None:
    link = Link()
    sent = 0
    while link.send_window.room >= cost(1000):
        for frame in link.frames(b"x" * 1000):
            link.deliver(frame)
        sent += 1
    assert sent == WINDOW // cost(1000)
    assert len(link.unread) == sent
    with pytest.raises(FramingError, match="credit"):
        link.deliver(link.splitter.split(b"x" * 1000, is_text=False).next_frame())


@given(st.binary(max_size=200))
def test_any_bytes(frame: bytes) -> None:
    link = Link()
    try:
        link.deliver(frame)
        link.deliver(frame)
    except FramingError:
        pass
    assert link.reassembler.kept <= 2 * (PARTIAL_COST + cost(len(frame)))


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [bytes([6])],
        [bytes([CREDIT])],
        [bytes([ABANDON])],
        [b"\x00\xff"],
        [b"\x01" + bytes(PART_SIZE + 1)],
        [PART.pack(2, 1, 10, 0)],
        [PART.pack(2, 1, 10, 0)[:-1]],
        [PART.pack(2, 1, 10, 8) + b"xxx"],
        [PART.pack(2, 1, 10, 0) + b"xxx"] * 2,
        [PART.pack(2, 1, 10, 0) + b"xxx", PART.pack(2, 1, 11, 3) + b"x"],
        [PART.pack(2, 1, 4, 0) + b"xxx", PART.pack(2, 1, 4, 2) + b"x"],
        [PART.pack(2, 1, 2, 0) + b"\xff\xff"],
    ],
)
def test_what_no_peer_of_ours_sends(frames: list[bytes]) -> None:
    link = Link()
    with pytest.raises(FramingError):
        for frame in frames:
            link.deliver(frame)


@pytest.mark.parametrize("frame", [b"", b"\x05", b"\x05" + bytes(9), pack("!BQ", CREDIT, 1)])
def test_credit_that_makes_no_sense(frame: bytes) -> None:
    with pytest.raises(FramingError):
        SendWindow(WINDOW).receive(frame)


def test_credit_that_comes_late() -> None:
    credit = SendWindow(WINDOW)
    credit.take(100)
    credit.receive(pack("!BQ", CREDIT, 80))
    credit.receive(pack("!BQ", CREDIT, 50))
    assert credit.used == 20


def test_credit_is_told_by_the_quarter_of_a_window() -> None:
    receive_window = ReceiveWindow(400)
    receive_window.arrived(400)
    assert receive_window.due() is None
    receive_window.read(99)
    assert receive_window.due() is None
    receive_window.read(1)
    assert receive_window.due() == pack("!BQ", CREDIT, 100)
    assert receive_window.due() is None
    receive_window.arrived(100)
    with pytest.raises(FramingError, match="more was sent"):
        receive_window.arrived(1)


def test_credit_is_for_what_was_sent() -> None:
    credit = SendWindow(400)
    assert (credit.room, credit.used) == (400, 0)
    credit.take(150)
    assert (credit.room, credit.used) == (250, 150)
    credit.receive(pack("!BQ", CREDIT, 150))
    assert (credit.room, credit.used) == (400, 0)
    with pytest.raises(FramingError, match="what was not sent"):
        credit.receive(pack("!BQ", CREDIT, 151))


def test_a_message_over_the_limit_is_an_error_in_its_place() -> None:
    link = Link()
    joined = link.reassembler.take(PART.pack(3, 1, MAX_MESSAGE_SIZE + 1, 0) + b"x")
    assert joined is not None
    assert isinstance(joined.message, MessageTooLarge)
    assert joined.message.fault == "remote"
    assert link.reassembler.kept == 0


def test_many_messages_that_never_end() -> None:
    link = Link(ordered=False)
    with pytest.raises(FramingError, match="not complete"):
        for id_ in range(2000):
            link.send_window.take(cost(PART_SIZE))
            link.deliver(PART.pack(3, id_, MAX_MESSAGE_SIZE, 0) + bytes(PART_SIZE))
    lossy = Link(ordered=False, reliable=False)
    for id_ in range(1200):
        lossy.deliver(PART.pack(3, id_, MAX_MESSAGE_SIZE, 0) + bytes(PART_SIZE))
    assert lossy.reassembler.kept <= MAX_MESSAGE_SIZE + 2 * WINDOW


def test_many_tiny_messages_that_never_end() -> None:
    link = Link(ordered=False)
    for id_ in range(MAX_PARTIALS):
        link.send_window.take(cost(1))
        link.deliver(PART.pack(3, id_, MAX_MESSAGE_SIZE, 0) + b"x")
    assert link.reassembler.kept == MAX_PARTIALS * (PARTIAL_COST + cost(1))
    link.send_window.take(cost(1))
    with pytest.raises(FramingError, match="not complete"):
        link.deliver(PART.pack(3, MAX_PARTIALS, MAX_MESSAGE_SIZE, 0) + b"x")
    lossy = Link(ordered=False, reliable=False)
    for id_ in range(1000):
        lossy.deliver(PART.pack(3, id_, 2, 0) + b"x")
    assert lossy.reassembler.kept == MAX_PARTIALS * (PARTIAL_COST + cost(1))
    # The newest are kept.
    for id_ in (0, 999):
        lossy.deliver(PART.pack(3, id_, 2, 1) + b"y")
    lossy.read_all()
    assert lossy.read == [b"xy"]


def test_each_part_costs_something() -> None:
    link = Link(ordered=False, reliable=False)
    for offset in range(10):
        link.deliver(PART.pack(3, 1, 1000, 2 * offset) + b"x")
    assert link.reassembler.kept == PARTIAL_COST + 10 * cost(1)
    link.deliver(ABANDON_FRAME.pack(ABANDON, 1, 10))
    assert link.reassembler.kept == 0


def test_a_message_is_given_up_before_its_parts_have_come() -> None:
    link = Link(ordered=False)
    *parts, end = link.frames(bytes(4 * PART_SIZE), 3)
    assert len(parts) == 3
    link.deliver(parts[0])
    link.deliver(end)
    assert link.reassembler.kept == 0
    assert len(link.reassembler._abandoned) == 1
    for part in parts[1:]:
        link.deliver(part)
    assert not link.reassembler._abandoned
    link.settle()
    assert link.send_window.used == 0


def test_the_largest_message_beside_a_full_window() -> None:
    limit = 4 * WINDOW
    receive_window = ReceiveWindow()
    reassembler = Reassembler(ordered=False, receive_window=receive_window, limit=limit)
    for offset in range(0, limit - PART_SIZE, PART_SIZE):
        assert reassembler.take(PART.pack(3, 1, limit, offset) + bytes(PART_SIZE)) is None
        reassembler.advance()
        receive_window.due()
    for id_ in range(2, 2 + WINDOW * 3 // 4 // cost(PART_SIZE) - 1):
        # As much as there is credit for, a quarter of which may not be told yet.
        assert reassembler.take(PART.pack(3, id_, limit // 8, 0) + bytes(PART_SIZE)) is None
    last = reassembler.take(PART.pack(3, 1, limit, limit - PART_SIZE) + bytes(PART_SIZE))
    assert last is not None
    assert last.message == bytes(limit)


def test_a_whole_message_in_order_ends_what_was_lost_before() -> None:
    link = Link(reliable=False)
    link.deliver(link.frames(bytes(2 * PART_SIZE))[0])
    assert link.reassembler.kept
    link.deliver(b"\x01next")
    assert link.reassembler.kept == 0


def test_each_message_has_an_id_of_its_own() -> None:
    splitter = Splitter()
    data = bytes(2 * PART_SIZE)
    ids = {splitter.split(data, is_text=False).id for _ in range(1000)}
    assert len(ids) == 1000
    splitter._next_id = 2**32 - 2
    last, first = (splitter.split(data, is_text=False) for _ in range(2))
    assert (last.id, first.id) == (2**32 - 1, 0)
    for split in (last, first):
        assert len(split.next_frame()) == PART.size + PART_SIZE


def test_too_many_that_are_given_up() -> None:
    link = Link(ordered=False)
    with pytest.raises(FramingError, match="given up"):
        for id_ in range(2000):
            link.deliver(ABANDON_FRAME.pack(ABANDON, id_, 1))


SDP = "v=0\r\ns=-\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n"


def test_the_extension_of_a_description() -> None:
    extended = with_extension(SDP, 16_384)
    assert find_extension(extended) == replace(OURS, max_packet_size=16_384)
    line = f"a=x-trio-rtc-channels:1 {WINDOW} {MAX_MESSAGE_SIZE} 16384\r\n"
    grows = "a=x-trio-rtc-channels-grow\r\n"
    assert extended.replace(line, "").replace(grows, "") == SDP
    assert find_extension(extended.replace(grows, "")) == replace(
        OURS, max_packet_size=16_384, grows=False
    )
    assert find_extension(SDP) is None


def test_an_extension_that_takes_more_or_less() -> None:
    def of(window: int, limit: int) -> str:
        return SDP.replace("m=", f"a=x-trio-rtc-channels:1 {window} {limit}\r\nm=")

    assert find_extension(of(10**12, 10**12)) == replace(OURS, grows=False)
    assert find_extension(of(300_000, 1000)) == ChannelExtension(300_000, 1000)


@pytest.mark.parametrize(
    "value",
    ["2 1048576 1", "1 1000 1000000", "1 1048576 0", "1 -5 5", "1", "1 x y", "1 1048576 1 x"],
)
def test_an_extension_that_is_none_of_ours(value: str) -> None:
    line = f"a=x-trio-rtc-channels:{value}\r\n"
    assert find_extension(SDP.replace("m=", f"{line}m=")) is None
    # One in a section means nothing either.
    assert find_extension(SDP + line) is None

"""What a connection has still to send: it arrives whole and in order, wherever it is cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trio_rtc.server.websocket.unsent import UnsentBytes, UnsentMessages
from trio_rtc.wire.session import Outbox


def texts(stream: bytes) -> list[bytes]:
    """The texts in the frames of a server; there is nothing else, and nothing is left."""
    found = []
    while stream:
        assert stream[0] == 0x81
        begin, size = 2, stream[1]
        if size >= 126:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(stream[2:begin])
        found.append(stream[begin : begin + size])
        assert len(found[-1]) == size
        stream = stream[begin + size :]
    return found


SIZES = st.one_of(st.integers(0, 200), st.sampled_from([125, 126, 65_535, 65_536, 70_000]))
TAKES = st.lists(st.integers(1, 200_000), max_size=30)


@given(sizes=st.lists(SIZES, max_size=12), takes=TAKES, limit=st.integers(500, 100_000))
@settings(max_examples=50)
def test_messages_come_whole_however_much_is_taken(
    sizes: list[int], takes: list[int], limit: int
) -> None:
    outbox = Outbox()
    messages = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    unsent = UnsentMessages(outbox)
    stream = b""
    for number, take in enumerate([*takes, *[10**6] * 40]):
        if number < len(messages):
            outbox.keep(messages[number])
        data = unsent.read(limit)
        unsent.sent(len(data[:take]))
        stream += data[:take]
    while data := unsent.read(limit):
        unsent.sent(len(data))
        stream += data
    assert texts(stream) == messages
    assert not unsent.midway


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50)), limit=st.integers(1, 80), data=st.data()
)
def test_bytes_come_whole(chunks: list[bytes], limit: int, data: st.DataObject) -> None:
    unsent = UnsentBytes()
    for chunk in chunks:
        unsent.add(chunk)
    assert unsent.size == sum(map(len, chunks))
    stream = b""
    while piece := unsent.read(limit):
        count = data.draw(st.integers(1, len(piece)))
        unsent.sent(count)
        stream += piece[:count]
    assert stream == b"".join(chunks)
    assert (unsent.size, unsent.midway) == (0, False)


def test_a_frame_that_has_begun_is_ended_though_it_is_acknowledged() -> None:
    outbox = Outbox()
    unsent = UnsentMessages(outbox)
    for letter in b"abc":
        outbox.keep(bytes([letter]) * 10)
    first = unsent.read(1)
    unsent.sent(len(first))
    outbox.acknowledge(2)
    assert unsent.held == 10
    stream = first
    while data := unsent.read(4):
        unsent.sent(len(data))
        stream += data
    assert texts(stream) == [b"a" * 10, b"c" * 10]
    assert unsent.held == 0


def test_what_is_stopped_ends_with_its_frame() -> None:
    outbox = Outbox()
    outbox.keep(b"first")
    outbox.keep(b"second")
    begun, fresh = UnsentMessages(outbox), UnsentMessages(outbox)
    begun.sent(len(begun.read(3)))
    begun.stop()
    fresh.stop()
    assert begun.midway
    data = begun.read(100)
    assert data == b"st"
    begun.sent(len(data))
    assert begun.read(100) == fresh.read(100) == b""


def test_nothing_is_copied_for_who_does_not_read() -> None:
    """A reader that takes nothing costs the same whatever waits for it."""
    outbox = Outbox()
    message = b"x" * 1_000_000
    outbox.keep(message)
    unsent = UnsentMessages(outbox)
    for _ in range(10):
        assert len(unsent.read(1000)) <= 1010
    unsent.sent(5)
    assert unsent._partial is message

"""Cutting frames gives what the parser of frames would have given, however the bytes come."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from trio_rtc.server.websocket.text_frames import TextFrames, text_frame

from ..ws_client import frame, text

LONGEST = 300

TEXTS = st.binary(max_size=LONGEST).map(text)
CONTROLS = st.builds(frame, st.sampled_from([9, 10]), st.binary(max_size=125))
#: What is for the parser, and all that follows it.
OTHERS = st.one_of(
    st.builds(lambda first, rest: bytes([first]) + rest[1:], st.integers(0, 255), TEXTS | CONTROLS),
    st.binary(max_size=LONGEST + 2).map(lambda data: text(b"x" * LONGEST + data)),
    st.just(frame(8, struct.pack("!H", 1000))),
    st.binary(max_size=9),
)


def parse(protocol: ServerProtocol, data: bytes) -> list[tuple[Opcode, bytes]]:
    """Frames, with the end of the parsing as an empty continuation."""
    protocol.receive_data(data)
    found = []
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        found.append((event.opcode, bytes(event.data)))
    if protocol.parser_exc is not None:
        protocol.parser_exc = None
        found.append((Opcode.CONT, b"the end"))
    return found


def new_protocol() -> ServerProtocol:
    return ServerProtocol(state=State.OPEN, max_size=LONGEST)


@given(
    simple=st.lists(TEXTS | CONTROLS, max_size=8),
    others=st.lists(TEXTS | CONTROLS | OTHERS, max_size=4),
    pieces=st.lists(st.integers(1, 700), min_size=1, max_size=30),
)
def test_it_is_what_the_parser_gives(
    simple: list[bytes], others: list[bytes], pieces: list[int]
) -> None:
    data = b"".join(simple + others)
    expected = parse(new_protocol(), data)
    protocol, frames, found, start = new_protocol(), TextFrames(LONGEST), [], 0
    for piece in [*pieces, len(data)]:
        for is_text, content in frames.cut(data[start : start + piece]):
            if not is_text:
                found += parse(protocol, content)
            elif protocol.close_rcvd is None:
                found.append((Opcode.TEXT, content))
        start += piece
    assert found == expected


def test_texts_do_not_reach_the_parser() -> None:
    frames, ping = TextFrames(LONGEST), frame(9, b"?")
    assert frames.cut(text("a") + ping + text("b")) == [(True, b"a"), (False, ping), (True, b"b")]
    # A message in two frames: that and all the rest is for the parser.
    rest = text("c", fin=False) + frame(0, b"d") + text("e")
    assert frames.cut(rest) == [(False, rest)]
    assert frames.cut(ping) == [(False, ping)]


def test_a_text_byte_for_byte() -> None:
    frames = TextFrames(2**17)
    data = text("x" * 70_000)
    for position in range(len(data) - 1):
        assert frames.cut(data[position : position + 1]) == []
    assert frames.cut(data[-1:]) == [(True, b"x" * 70_000)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_what_a_server_sends(size: int) -> None:
    content = b"x" * size
    assert text_frame(content) == Frame(Opcode.TEXT, content).serialize(mask=False)

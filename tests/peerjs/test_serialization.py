"""Values on the three kinds of data connections of PeerJS."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_rtc.errors import MessageTooLarge, SerializationError
from trio_rtc.peerjs.serialization import (
    CHUNK_BYTES,
    LONG_BYTES,
    MAX_PENDING,
    Binary,
    PeerCloses,
    serialization,
)
from trio_rtc.wire.binarypack import pack

LIMIT = 1024 * 1024


def binary() -> Binary:
    return Binary(LIMIT)


def piece(id_: Any = 1, n: Any = 0, total: Any = 2, data: Any = b"x") -> bytes:
    return pack({"__peerData": id_, "n": n, "total": total, "data": data})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("raw", "text"),
        ("raw", b"bytes"),
        ("json", {"a": [1, None, "é"]}),
        ("json", "text"),
        ("json", None),
        ("binary", {"a": [1, None, "é", b"\x00"]}),
        ("binary-utf8", [b"x" * 40_000]),
        (None, "the default is binary"),
    ],
)
def test_there_and_back(name: str | None, value: Any) -> None:
    sender, receiver = serialization(name, LIMIT), serialization(name, LIMIT)
    assert sender is not None
    assert receiver is not None
    values = [got for message in sender.write(value) for got in receiver.read(message)]
    assert values == [value]


def test_a_serialization_that_nobody_knows() -> None:
    assert serialization("msgpack", LIMIT) is None


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=5), st.randoms())
@settings(max_examples=50)
def test_pieces_come_in_any_order(sizes: list[int], order: random.Random) -> None:
    sender, receiver = binary(), binary()
    values = [bytes([number]) * size for number, size in enumerate(sizes)]
    messages = [message for value in values for message in sender.write(value)]
    order.shuffle(messages)
    got = [value for message in messages for value in receiver.read(message)]
    assert sorted(got) == sorted(values)


@pytest.mark.parametrize(("size", "count"), [(CHUNK_BYTES - 3, 1), (CHUNK_BYTES - 2, 2)])
def test_pieces_begin_where_those_of_peerjs_do(size: int, count: int) -> None:
    messages = binary().write(b"x" * size)
    assert len(messages) == count
    assert all(len(message) < CHUNK_BYTES + 100 for message in messages)


def test_text_in_json_is_read_too() -> None:
    form = serialization("json", LIMIT)
    assert form is not None
    assert form.read('{"a":1}') == [{"a": 1}]


@pytest.mark.parametrize("name", ["json", "binary"])
def test_the_end_that_peerjs_tells(name: str) -> None:
    form = serialization(name, LIMIT)
    assert form is not None
    (message,) = form.write({"__peerData": {"type": "close"}})
    with pytest.raises(PeerCloses):
        form.read(message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("raw", 1),
        ("raw", {"a": 1}),
        ("raw", None),
        ("json", object()),
        ("json", "\ud800"),
        ("json", {1: {2, 3}, (4, 5): 6}),
        ("binary", object()),
    ],
)
def test_what_has_no_form(name: str, value: Any) -> None:
    form = serialization(name, LIMIT)
    assert form is not None
    with pytest.raises(SerializationError) as raised:
        form.write(value)
    assert (raised.value.code, raised.value.fault) == ("bad_value", "local")


@pytest.mark.parametrize("message", [b"", b"{", b"\xff", "nope", "[" * 5000])
def test_what_is_no_json(message: str | bytes) -> None:
    form = serialization("json", LIMIT)
    assert form is not None
    with pytest.raises(SerializationError) as raised:
        form.read(message)
    assert raised.value.code == "bad_message"


@pytest.mark.parametrize(
    "message",
    [
        "text",
        b"",
        b"\xc4",
        piece("one"),
        piece(n="one"),
        piece(total=None),
        piece(n=2),
        piece(n=-1),
        piece(total=0),
        piece(data="text"),
        piece(data=None),
        piece(id_={"type": "open"}),
        pack({"__peerData": 1}),
        piece(total=1, data=piece()),
        piece(total=1, data=b"\xc4"),
    ],
)
def test_what_is_no_binary_message(message: str | bytes) -> None:
    form = binary()
    with pytest.raises(SerializationError) as raised:
        form.read(message)
    assert raised.value.code == "bad_message"
    assert form.read(pack("the next one")) == ["the next one"]


@pytest.mark.parametrize("second", [piece(n=0), piece(n=1, total=3)])
def test_pieces_that_contradict_each_other(second: bytes) -> None:
    form = binary()
    assert form.read(piece()) == []
    with pytest.raises(SerializationError):
        form.read(second)


def test_a_value_that_is_too_large() -> None:
    form = Binary(100_000)
    messages = binary().write(b"x" * 100_001)
    with pytest.raises(MessageTooLarge) as raised:
        for message in messages:
            form.read(message)
    assert raised.value.fault == "remote"


def test_many_values_that_never_end() -> None:
    form = binary()
    for number in range(1, MAX_PENDING + 1):
        assert form.read(piece(number)) == []
    with pytest.raises(MessageTooLarge):
        form.read(piece(MAX_PENDING + 1))


def test_empty_pieces_cost_something() -> None:
    form = Binary(100_000)
    with pytest.raises(MessageTooLarge, match="100000"):
        for number in range(2000):
            form.read(piece(number % 2 + 1, number // 2, 780, b""))
    form = Binary(100_000)
    with pytest.raises(MessageTooLarge, match="pieces"):
        form.read(piece(total=2000, data=b""))


def test_the_largest_value_in_pieces_of_peerjs_has_room() -> None:
    form = Binary(100_000)
    value = b"x" * (100_000 - 64 - 5)
    messages = binary().write(value)
    assert [form.read(message) for message in messages] == [*[[]] * (len(messages) - 1), [value]]
    assert form._cost == 0


def test_what_is_long() -> None:
    form = binary()
    assert not form.is_long(pack(b"x" * CHUNK_BYTES))
    assert form.is_long(pack(b"x" * LONG_BYTES))
    *messages, last = form.write(b"x" * 100_000)
    for message in messages:
        assert not form.is_long(message)
        form.read(message)
    assert form.is_long(last)
    form.read(last)
    assert not form.is_long(last)


def test_a_value_in_too_many_pieces() -> None:
    with pytest.raises(MessageTooLarge):
        binary().read(piece(total=2**50))


@given(
    st.lists(
        st.binary(max_size=60)
        | st.builds(
            piece, st.integers(0, 2), st.integers(-1, 3), st.integers(0, 3), st.binary(max_size=5)
        )
    )
)
def test_anything_is_a_value_or_an_error(messages: list[bytes]) -> None:
    form = Binary(1000)
    for message in messages:
        with suppress(SerializationError, MessageTooLarge, PeerCloses):
            form.read(message)

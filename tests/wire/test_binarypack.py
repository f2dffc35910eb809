"""BinaryPack, against bytes made by npm's ``peerjs-js-binarypack`` 2.1.0."""

from __future__ import annotations

import json
import math
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trio_rtc.errors import MessageTooLarge, SerializationError
from trio_rtc.wire.binarypack import MAX_BYTES, MAX_DEPTH, _pack_size, pack, unpack

VECTORS = json.loads(
    (Path(__file__).parent.parent / "data" / "peerjs" / "binarypack.json").read_text()
)


def plain(value: Any) -> Any:
    """A value of the vectors, in which bytes stand as ``{"$bytes": hex}``."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        if "$bytes" in value:
            return bytes.fromhex(value["$bytes"])
        return {key: plain(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["packed"])[:16])
def test_what_npm_packs_is_read(vector: dict[str, Any]) -> None:
    value = unpack(bytes.fromhex(vector["packed"]))
    assert value == plain(vector["value"])
    assert type(value) is type(plain(vector["value"]))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["packed"])[:16])
def test_what_we_pack_is_what_npm_packs(vector: dict[str, Any]) -> None:
    value = plain(vector["value"])
    if isinstance(value, int) and value < -(2**31):
        # npm rounds these when it reads its own form of them, but not a double.
        assert pack(value) == pack(value + 0.5)[:1] + pack(value)[1:]
        assert len(pack(value)) == 9
    else:
        assert pack(value).hex() == vector["packed"]


def same(one: Any, other: Any) -> bool:
    """Equality that tells True from 1."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.binary()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=30
)


@given(VALUES)
@example(list(range(70_000)))
@example({str(number): None for number in range(70_000)})
@example("x" * 70_000)
@example(b"x" * 70_000)
@example(math.inf)
def test_what_is_packed_comes_out_again(value: Any) -> None:
    assert same(unpack(pack(value), 2**24), value)


@given(VALUES)
def test_every_truncation_is_noticed(value: Any) -> None:
    packed = pack(value)
    for end in {0, 1, len(packed) // 2, len(packed) - 1} - {len(packed)}:
        with pytest.raises(SerializationError) as raised:
            unpack(packed[:end])
        assert (raised.value.code, raised.value.fault) == ("bad_message", "remote")


@given(st.binary(max_size=400))
@settings(max_examples=2000)
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    with suppress(SerializationError):
        value = unpack(data)
        if "nan" not in repr(value):
            assert same(unpack(pack(value)), value)


@pytest.mark.fuzz
@given(st.binary(max_size=4000))
@settings(max_examples=100_000)
def test_any_bytes_are_a_value_or_an_error_100_000_times(data: bytes) -> None:
    with suppress(SerializationError):
        unpack(data)


@pytest.mark.parametrize("type_", [0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9])
def test_unknown_types(type_: int) -> None:
    with pytest.raises(SerializationError, match=f"no type {type_:#x}"):
        unpack(bytes([type_, 0, 0]))


@pytest.mark.parametrize(
    ("packed", "value"),
    [
        ("c1", None),
        ("d4", None),
        ("d7", None),
        ("ca3fc00000", 1.5),
        ("cabfc00000", -1.5),
        ("ca3f800000", 1),
        ("cb4008000000000000", 3),
        ("8101a161", {"1": b"a"}),
        ("81cb3ff8000000000000c0", {"1.5": None}),
        ("82b16101b16102", {"a": 2}),
    ],
)
def test_what_only_others_send(packed: str, value: Any) -> None:
    assert unpack(bytes.fromhex(packed)) == value


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        ("", "announced"),
        ("0000", "follows"),
        ("ddffffffff", "items are announced"),
        ("dfffffffff00", "items are announced"),
        ("dbffffffff00", "bytes are announced"),
        ("d9ffffffff00", "bytes are announced"),
        ("b2c328", "UTF-8"),
        ("b3eda080", "UTF-8"),
        ("81c000", "a key is NoneType"),
        ("81c300", "a key is bool"),
        ("819000", "a key is list"),
        ("91" * 200 + "00", "deep"),
        ("81b161" * 200 + "00", "deep"),
        ("91" * 1_000_000, "deep"),
    ],
)
def test_malformed(packed: str, why: str) -> None:
    with pytest.raises(SerializationError, match=why) as raised:
        unpack(bytes.fromhex(packed))
    assert raised.value.fault == "remote"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "NaN"),
        (2**64, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ("\ud800", "Unicode"),
        ({1: 2}, "a key is int"),
        ({b"a": 2}, "a key is bytes"),
        ({1, 2}, "set has no form"),
        ([object()], "object has no form"),
        (nested(MAX_DEPTH + 1), "deep"),
    ],
)
def test_what_has_no_form(value: Any, why: str) -> None:
    with pytest.raises(SerializationError, match=why) as raised:
        pack(value)
    assert (raised.value.code, raised.value.fault) == ("bad_value", "local")


def test_the_deepest() -> None:
    assert unpack(pack(nested(MAX_DEPTH))) == nested(MAX_DEPTH)


@pytest.mark.parametrize("data", [b"\x80", b"\x90", b"\xa0", b"\xb0", b"\x01", b"\xc0"])
def test_many_items_in_few_bytes(data: bytes) -> None:
    packed = b"\xdd" + (1_000_000).to_bytes(4, "big") + data * 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(MessageTooLarge, match=f"limit of {MAX_BYTES} bytes") as raised:
            unpack(packed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert raised.value.fault == "remote"
    assert peak < len(packed) + 1_000_000


@pytest.mark.parametrize(
    ("value", "takes"),
    [
        (None, 64),
        (5, 64),
        ("é" * 10, 64 + 20),
        (b"x" * 10, 64 + 10),
        ([], 64),
        ([1, [2, 3]], 5 * 64),
        ({"a": 1, "bc": {}}, 5 * 64 + 3),
    ],
)
def test_what_a_value_takes(value: Any, takes: int) -> None:
    packed = pack(value)
    assert unpack(packed, takes) == value
    with pytest.raises(MessageTooLarge):
        unpack(packed, takes - 1)


def test_items_in_many_arrays() -> None:
    # None of them announces too much.
    inner = b"\xdc\x03\xe8" + b"\x90" * 1000
    packed = b"\xdc\x03\xe8" + inner * 1000
    with pytest.raises(MessageTooLarge):
        unpack(packed)


def test_the_largest_numbers_that_javascript_counts_with() -> None:
    exact = 2**53 - 1
    assert pack(float(exact)) == pack(exact) != pack(float(exact + 1))
    assert pack(float(-exact)) == pack(-exact)
    assert pack(float(exact + 1))[0] == pack(float(-exact - 1))[0] == 0xCB
    assert [type(unpack(pack(value))) for value in (float(exact), float(exact + 1))] == [int, float]


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0x0F, b"\x8f"),
        (0x10, b"\xde\x00\x10"),
        (0xFFFF, b"\xde\xff\xff"),
        (0x1_0000, b"\xdf\x00\x01\x00\x00"),
        (0xFFFF_FFFF, b"\xdf\xff\xff\xff\xff"),
    ],
)
def test_a_size_has_as_many_bytes_as_it_needs(size: int, head: bytes) -> None:
    out = bytearray()
    _pack_size(size, out, 0x80, 0xDE)
    assert out == head


def test_a_size_that_there_are_no_bytes_for() -> None:
    with pytest.raises(SerializationError, match="more than BinaryPack can count"):
        _pack_size(1 << 32, bytearray(), 0x80, 0xDE)

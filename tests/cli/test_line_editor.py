"""The keys of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_rtc.cli.terminal.line_editor import HISTORY, LineEditor
from trio_rtc.text import is_control


@pytest.mark.parametrize(
    ("typed", "lines", "text"),
    [
        (b"hello\n", ["hello"], ""),
        (b"hello\r", ["hello"], ""),
        (b"one\ntwo\nthr", ["one", "two"], "thr"),
        (b"helxx\x7f\x7flo\n", ["hello"], ""),
        (b"\x7f\x08hello\n", ["hello"], ""),
        ("h\u00f6\u20ac\U0001f600".encode() + b"\x7f\n", ["h\u00f6\u20ac"], ""),
        (b"away\x15hello\n", ["hello"], ""),
        (b"hello big world\x17\x17", [], "hello "),
        (b"  \x17x", [], "x"),
        (b"a\tb\n", ["a b"], ""),
        # Keys that do nothing here, and what a terminal answers.
        (b"a\x1b[Cb\x1b[3~c\x1b[1;5Dd\x1bOPe\x1bxf\n", ["abcdef"], ""),
        (b"a\x00\x01\x02b\xc2\x9bc\n", ["abc"], ""),
        (b"\xff\xfe\n", ["\ufffd\ufffd"], ""),
        (b"\n\n", ["", ""], ""),
        # The arrows.
        (b"one\ntwo\nunfin\x1b[A", ["one", "two"], "two"),
        (b"one\ntwo\nunfin\x1b[A\x1b[A\x1b[A", ["one", "two"], "one"),
        (b"one\ntwo\nunfin\x1b[A\x1bOA\x1b[B\x1b[B\x1b[B", ["one", "two"], "unfin"),
        (b"one\none\n \n\x1b[A\x1b[A", ["one", "one", " "], "one"),
        (b"\x1b[A\x1b[Bx", [], "x"),
        (b"one\n\x1b[A\n", ["one", "one"], ""),
    ],
)
def test_keys(typed: bytes, lines: list[str], text: str) -> None:
    editor = LineEditor()
    assert editor.type(typed) == lines
    assert (editor.text, editor.ended) == (text, False)
    # One key at a time is the same.
    slow = LineEditor()
    assert [line for byte in typed for line in slow.type(bytes([byte]))] == lines
    assert slow.text == text


def test_control_d_ends_an_empty_line_only() -> None:
    editor = LineEditor()
    assert editor.type(b"hello\x04\n") == ["hello"]
    assert not editor.ended
    assert editor.type(b"\x04more\n") == []
    assert editor.ended


def test_a_line_may_be_longer_than_those_of_a_terminal() -> None:
    assert LineEditor().type(b"x" * 100_000 + b"\n") == ["x" * 100_000]


def test_the_history_is_bounded() -> None:
    editor = LineEditor()
    for number in range(2 * HISTORY):
        editor.type(f"{number}\n".encode())
    editor.type(b"\x1b[A" * 3 * HISTORY)
    assert editor.text == str(HISTORY)


@given(st.binary())
def test_nothing_typed_gets_a_control_character_in(data: bytes) -> None:
    editor = LineEditor()
    for text in [*editor.type(data), editor.text]:
        assert not any(map(is_control, text))

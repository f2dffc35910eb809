"""Sentences on terminals, at words; and elsewhere as they are."""

from __future__ import annotations

import io

import pytest

from trio_rtc.cli.terminal.wrapping import wrapped, wrapped_to


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("waiting for the other end; Ctrl-C ends it", 80, 1),
        ("waiting for the other end; Ctrl-C ends it", 40, 2),
        ("waiting for the other end; Ctrl-C ends it", 0, 1),
        ("waiting for the other end; Ctrl-C ends it", 10, 1),
        ("ok       packages: trio-rtc 0.2.0, trio 0.35.0, aiortc 1.16.0", 30, 3),
        ("a file\nof two lines, which are not to be made one", 30, 2),
    ],
)
def test_sentences(text: str, columns: int, lines: int) -> None:
    found = wrapped_to(text, columns, "  ").split("\n")
    assert len(found) == lines
    assert " ".join(" ".join(found).split()) == " ".join(text.split())
    if lines > 1 and "\n" not in text:
        assert all(len(line) <= columns for line in found)
        assert all(line.startswith("  ") for line in found[1:])


def test_what_is_to_be_copied_stays_whole() -> None:
    link = "http://127.0.0.1:28888/#719-seashell-onion"
    assert link in wrapped_to(f"the page is at {link}", 25)


def test_nothing_is_wrapped_that_no_terminal_gets() -> None:
    text = 100 * "word "
    assert wrapped(text, io.StringIO()) == text

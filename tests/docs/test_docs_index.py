"""The start page: its program runs, and is that of the README."""

from __future__ import annotations

import re

import trio_rtc

from .pages import ROOT, blocks_of, output_of

BLOCKS = blocks_of("index.md")


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "text", "console"]


async def test_the_program() -> None:
    assert await output_of(BLOCKS[0][1]) == BLOCKS[1][1]


def test_it_is_that_of_the_readme() -> None:
    assert f"```python\n{BLOCKS[0][1]}```" in (ROOT / "README.md").read_text()


def test_the_figure_names_what_there_is() -> None:
    page = (ROOT / "docs" / "index.md").read_text()
    figure = page.partition("<svg")[2].partition("</svg>")[0]
    said = re.findall(r">([^<>]+)</text>", figure)
    assert len(said) == 11
    for name in re.findall(r"\b\w+_calls?\b", " ".join(said)):
        assert hasattr(trio_rtc, name)
    # What it shows is explained below it.
    words = page.partition("</figure>")[2].partition("## ")[0]
    assert all(word in words for word in ("signaling server", "STUN", "TURN", "encrypted"))

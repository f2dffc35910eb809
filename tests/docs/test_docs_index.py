"""The start page: its program runs, and is that of the README."""

from __future__ import annotations

from .pages import ROOT, blocks_of, output_of

BLOCKS = blocks_of("index.md")


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "text", "console"]


async def test_the_program() -> None:
    assert await output_of(BLOCKS[0][1]) == BLOCKS[1][1]


def test_it_is_that_of_the_readme() -> None:
    assert f"```python\n{BLOCKS[0][1]}```" in (ROOT / "README.md").read_text()

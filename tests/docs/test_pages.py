"""Each page of the documents has a test that knows its blocks."""

from __future__ import annotations

import re

import pytest

from .pages import ROOT, blocks_of

DOCS = ROOT / "docs"
PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

#: Folders whose pages are all looked at by one module, which lists them.
FOLDERS = ("tutorial", "howto", "from")


@pytest.mark.parametrize("page", PAGES)
def test_a_test_knows_it(page: str) -> None:
    if blocks_of(page):
        folder = page.partition("/")[0]
        assert folder in FOLDERS or f'"{page}"' in TESTS


@pytest.mark.parametrize("page", PAGES)
def test_no_block_is_overlooked(page: str) -> None:
    """A fence with more than a language beside it is one that `blocks_of` does not find."""
    fences = re.findall(r"^ *```+ *\S.*$", (DOCS / page).read_text(), re.M)
    assert [fence for fence in fences if not re.fullmatch(r"```\w+", fence)] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_heading(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (DOCS / page).read_text(), flags=re.S | re.M)
    assert len(re.findall(r"^# ", text, re.M)) == 1

"""A program of the documents runs with what comes with ours, or its page says what it needs."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

from ..scripts import script
from .pages import ROOT

PUBLIC: Final = script("public_names")
PUBLIC_NAMES: Final = PUBLIC.public_names()

PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES: Final = sorted((ROOT / "examples").glob("*.py"))

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTALLED: Final = {
    *(re.split(r"[^\w.-]", one)[0].lower() for one in PROJECT["dependencies"]),
}
DISTRIBUTIONS: Final = packages_distributions()

#: What runs only with a package that nothing imports by name.
HIDDEN: Final = {
    "numpy": re.compile(r"\b(to|from)_ndarray\b"),
    "pytest-trio": re.compile(r"^async def test_", re.M),
}

#: Modules that a page has its reader write.
OF_THE_PAGE: Final = {"filter"}


def imported(program: str) -> Iterator[str]:
    """The packages that a program imports."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def needed(program: str) -> set[str]:
    """The distributions that a program imports from, beside what comes with ours."""
    foreign = set(imported(program)) - {*sys.stdlib_module_names, *OF_THE_PAGE, "trio_rtc"}
    found = {DISTRIBUTIONS[name][0].lower() for name in foreign}
    found |= {name for name, used in HIDDEN.items() if used.search(program)}
    return found - INSTALLED


def told(text: str) -> set[str]:
    """What a text says is to be installed."""
    return {name for line in re.findall(r"pip install ([\w. -]+)", text) for name in line.split()}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_says_what_its_programs_need(page: Path) -> None:
    text = page.read_text()
    programs = re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M)
    assert set().union(*map(needed, programs)) - told(text) == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_says_what_it_needs(path: Path) -> None:
    text = path.read_text()
    assert needed(text) - told(ast.get_docstring(ast.parse(text)) or "") == set()


@pytest.mark.parametrize("path", [*PAGES, *EXAMPLES], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_program_imports_what_is_public(path: Path) -> None:
    text = path.read_text()
    programs = re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M)
    for program in programs if path.suffix == ".md" else [text]:
        for module, names in re.findall(r"(?m)^from (trio_rtc[\w.]*) import (.+)$", program):
            assert module in PUBLIC.MODULES
            for name in re.findall(r"\w+", names):
                assert f"{module}.{name}" in PUBLIC_NAMES


def test_what_is_needed_is_found() -> None:
    program = "import numpy as np, os\nfrom av import VideoFrame\nfrom jwt import encode\n"
    assert needed(program) == {"numpy"}
    assert needed("frame.to_ndarray()") == {"numpy"}
    assert needed("async def test_it():\n    pass\n") == {"pytest-trio"}
    assert told("after `pip install numpy pytest-trio`, it") == {"numpy", "pytest-trio"}

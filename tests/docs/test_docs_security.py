"""What docs/security.md promises is shown by tests that there are, and what it shows is run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .test_docs_server import BLOCK, run_section

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M))
PROMISES = re.findall(r"^\| (.+?) \| (.+?) \| `(.+?)` \|$", SECTIONS["What is promised"], re.M)
ATTACKERS = {
    who
    for row in re.findall(r"^\| (.+?) \|", SECTIONS["Who attacks"], re.M)
    for who in row.split(", ")
}


@pytest.mark.parametrize(("promise", "against", "shown_by"), PROMISES)
def test_each_promise_is_shown(promise: str, against: str, shown_by: str) -> None:
    path, _, name = shown_by.partition("::")
    functions = [
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert name in functions
    assert set(re.split(", | with ", against)) <= ATTACKERS


def test_every_row_is_a_promise() -> None:
    rows = [line for line in SECTIONS["What is promised"].splitlines() if line.startswith("| ")]
    assert len(rows) == len(PROMISES) + 2


CODES = "A server that is not trusted"


def test_the_program(tmp_path: Path) -> None:
    (_, program), (_, output) = BLOCK.findall(SECTIONS[CODES])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
    )
    assert done.stdout == output
    assert done.stderr == "the call of eve (3) failed: eve (3) tries a code that was used\n"


@pytest.mark.parametrize(
    "title", [title for title, text in SECTIONS.items() if BLOCK.search(text) and title != CODES]
)
def test_the_commands(title: str, tmp_path: Path) -> None:
    assert "Traceback" not in run_section(title, tmp_path, sections=SECTIONS)

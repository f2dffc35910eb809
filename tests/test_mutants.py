"""The mutants of `scripts/mutants`: what is changed, and that it is noticed when no test minds."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RATE = "trio_rtc/wire/rate.py"

SOURCE = '''
"""Text."""
LIMIT = 7

def work(here: int, there: str) -> int:
    """Text."""
    logger.info("text %d", 3)
    if here < LIMIT and there:
        self.sum += 1
    if not there:
        raise ValueError(f"{here + 1}")
    return max(here, 0)
'''


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "mutants.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_what_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from mutations import mutations, some

    found = mutations(SOURCE)
    assert {(mutation.line, mutation.after) for mutation in found} == {
        (8, "here < LIMIT or there"),
        (8, "there"),
        (8, "here < LIMIT"),
        (8, "here <= LIMIT"),
        (8, "not (here < LIMIT and there)"),
        (9, "pass"),
        (9, "self.sum -= 1"),
        (9, "0"),
        (9, "2"),
        (10, "there"),
        (10, "not (not there)"),
        (11, "pass"),
        (12, "return None"),
        (12, "min(here, 0)"),
        (12, "1"),
        (12, "-1"),
    }
    for mutation in found:
        before, after = SOURCE.splitlines(), mutation.source.splitlines()
        changed = [n for n, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b]
        assert changed == [mutation.line]
        ast.parse(mutation.source)
    assert some(SOURCE, 5, "a seed") == some(SOURCE, 5, "a seed") != some(SOURCE, 5, "another")


def test_the_machines_and_their_tests_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from equivalents import EQUIVALENT
    from machines import MACHINES
    from mutations import mutations

    for patterns, tests in MACHINES:
        assert all(list((ROOT / "trio_rtc").glob(f"{pattern}.py")) for pattern in patterns)
        assert all((ROOT / test).exists() for test in tests)
    for module, known in EQUIVALENT.items():
        source = (ROOT / "trio_rtc" / f"{module}.py").read_text()
        lines = source.splitlines()
        there = {(lines[m.line - 1].strip(), m.before, m.after) for m in mutations(source)}
        assert known.keys() <= there, "no mutant is like this any more"


def test_they_are_killed_by_the_tests_of_a_module() -> None:
    done = run("--count", "4", "--tests", "tests/wire/test_rate.py", "--", RATE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{RATE}: 4 mutants: 4 killed",
        "all: 4 mutants: 4 killed",
    ]


def test_they_live_where_no_test_minds() -> None:
    done = run("--count", "4", "--tests", "tests/wire/test_messages.py", "--", RATE)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines[:4]] == ["unreached"] * 4
    assert lines[4:] == [f"{RATE}: 4 mutants: 4 unreached", "all: 4 mutants: 4 unreached"]

"""What the two pages on testing show is one test module each; both are run as a reader would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .pages import blocks_of, texts_of

PAGES = ("testing.md", "howto/testing.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_tested(page: str) -> None:
    assert {language for language, _ in blocks_of(page)} == {"python", "ini"}


def test_the_tests_on_the_pages_pass(tmp_path: Path) -> None:
    count = 0
    for page in PAGES:
        program = "\n".join(texts_of(page, "python"))
        (tmp_path / f"test_{page.replace('/', '_')[:-3]}.py").write_text(program)
        count += program.count("def test_")
    (settings,) = {"".join(texts_of(page, "ini")) for page in PAGES}
    (tmp_path / "pytest.ini").write_text(settings)
    options = ["-q", "-W", "error", "--strict-markers", "-p", "trio_rtc.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} passed" in done.stdout

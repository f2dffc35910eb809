"""The page's logic that needs no browser, in Node: each file here with ``.test.mjs``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import trio_rtc

from ..node import NODE

PAGE = Path(trio_rtc.__file__).parent / "page"
TESTS = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if NODE is None and "CI" not in os.environ:
        pytest.skip("Node is not installed")
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    # Node takes a .js file for a module only where this says so.
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.mark.parametrize("test", TESTS, ids=lambda path: path.name.partition(".")[0])
def test_in_node(test: Path, page: Path) -> None:
    done = subprocess.run(
        [str(NODE), "--test", "--test-reporter=tap", str(test)],
        env={**os.environ, "PAGE": page.as_uri()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert "# pass 0" not in done.stdout

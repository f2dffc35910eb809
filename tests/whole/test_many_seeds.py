"""`scripts/simulate`: seeds in processes of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_seeds_run_in_other_processes(tmp_path: Path) -> None:
    words = ["-m", "tests.whole", "--seeds", "2", "--jobs", "1", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert (done.returncode, done.stdout) == (0, "2 seeds, 0 failed: []\n"), done.stderr


def test_the_scripts_install_what_there_is() -> None:
    extras = re.compile(r'^set_up (""|"\[[a-z,]+\]")$', re.M)
    for script in (ROOT / "scripts").iterdir():
        if script.is_file() and "\nset_up " in (text := script.read_text()):
            assert extras.search(text), script.name

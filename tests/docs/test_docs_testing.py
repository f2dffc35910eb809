"""The page on testing is a test module; it is run as one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parent.parent.parent / "docs" / "testing.md").read_text()


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    ((language, program),) = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.S | re.M)
    assert language == "python"
    (tmp_path / "test_page.py").write_text(program)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\nfilterwarnings = error\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout

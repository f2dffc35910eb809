"""The page on testing is a test module; it is run as one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parent.parent.parent / "docs" / "testing.md").read_text()
INI = """[pytest]
trio_mode = true
filterwarnings = error
addopts = --strict-markers -p trio_rtc.pytest_plugin
"""


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.S | re.M)
    assert {language for language, _ in blocks} == {"python"}
    program = "\n".join(text for _, text in blocks)
    (tmp_path / "test_page.py").write_text(program)
    (tmp_path / "pytest.ini").write_text(INI)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{program.count('def test_')} passed" in done.stdout

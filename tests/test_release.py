"""What a release is looked at for, where that is quick; all of it is in scripts/release-check."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from .scripts import ROOT, script

release = script("release_check")

README = (ROOT / "README.md").read_text()
RELATIVE = re.compile(r"\]\((?!https?:|#)")


@pytest.mark.parametrize("source", [None, "https://example.org/trio-rtc"])
def test_links_of_the_readme_on_a_package_index(source: str | None) -> None:
    if "CI" not in os.environ:
        pytest.importorskip(
            "hatchling", reason="hatchling is not installed (pip install -e .[dev])"
        )
    shown = script("hatch_build", folder="").absolute(README, "1.2.3", source)
    assert RELATIVE.search(README)
    assert not RELATIVE.search(shown)
    assert release.readme_problem(README)
    assert not release.readme_problem(shown)
    assert "https://img.shields.io" in shown
    assert ("[The commands](" in shown) is (source is not None)
    assert "The commands" in shown
    if source is not None:
        assert f"{source}/blob/v1.2.3/docs/calls.md" in shown
        assert f"{source}/raw/v1.2.3/docs/assets/call.png" in shown


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ("# Changes\n\n## 1.0\n\n* This.\n", ""),
        ("# Changes\n\n## Next\n\n## 1.0\n\n* This.\n", ""),
        ("# Changes\n\n## Next\n\n* That.\n\n## 1.0\n\n* This.\n", "under Next"),
        ("# Changes\n\n## 1.0\n\n## 0.9\n\n* This.\n", "no entry for 1.0"),
        ("# Changes\n\n## 1.0.1\n\n* This.\n", "no entry for 1.0"),
    ],
)
def test_changes(changes: str, problem: str) -> None:
    found = "; ".join(release.changes_problems(changes, "1.0"))
    assert problem in found if problem else found == ""


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("MIT", True),
        ("BSD-3-Clause", True),
        ("License :: OSI Approved :: Apache Software License", True),
        ("LGPL-2.1-or-later", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_licences(licence: str, good: bool) -> None:
    assert bool(release.LICENCES.search(licence)) is good


def test_what_is_built_is_looked_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tarfile
    import zipfile

    wheel, sdist = tmp_path / "x-1.whl", tmp_path / "x-1.tar.gz"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("trio_rtc/py.typed", "trio_rtc/page/index.html", "tests/test_x.py"):
            archive.writestr(name, "")
    with tarfile.open(sdist, "w:gz") as archive_:
        archive_.add(ROOT / "LICENSE", "x-1/LICENSE")
        archive_.add(ROOT / "LICENSE", "x-1/tests/node_modules/LICENSE")
    findings = release.Findings()
    release.check_contents(findings, [sdist, wheel])
    told = capsys.readouterr().out
    assert findings.failed == 2
    assert "trio_rtc/__init__.py is missing, tests/test_x.py is in it" in told
    assert "CHANGELOG.md is missing" in told
    assert "node_modules" in told

"""What a release is looked at for, where that is quick; all of it is in scripts/release-check."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from .scripts import ROOT, script

release = script("release_check")
preparation = script("prepare_release")

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


PROJECT = '[project]\nname = "x"\nversion = "0.9.1"\n\n[project.scripts]\nx = "x:main"\n'
URLS = PROJECT.replace(
    "[project.scripts]", '[project.urls]\nSource = "https://old"\n\n[project.scripts]'
)


@pytest.mark.parametrize("before", [PROJECT, URLS, URLS.replace("Source", "Documentation")])
def test_where_the_sources_are_is_filled_in(before: str) -> None:
    after = preparation.with_source(before, "https://example.org/x/")
    assert after.count("[project.urls]") == 1
    assert preparation.tomllib.loads(after)["project"]["urls"]["Source"] == "https://example.org/x"
    assert preparation.with_source(after, "https://example.org/x") == after


def test_the_version_is_filled_in_and_the_changes_come_under_it() -> None:
    assert preparation.with_version(PROJECT, "0.10.0") == PROJECT.replace("0.9.1", "0.10.0")
    changes = "# Changes\n\n## Next\n\n* That.\n\n## 0.9.1\n\n* This.\n"
    prepared = preparation.with_changes(changes, "0.10.0")
    assert prepared == changes.replace("Next", "0.10.0")
    assert list(release.changes_problems(prepared, "0.10.0")) == []


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: preparation.with_version(PROJECT, "0.9.1"), "does not come after 0.9.1"),
        (lambda: preparation.with_version(PROJECT, "0.8.10"), "does not come after 0.9.1"),
        (lambda: preparation.with_version(PROJECT, "v1"), "is no version"),
        (lambda: preparation.with_source(PROJECT, "example.org"), "begins with https://"),
        (
            lambda: preparation.with_changes("## Next\n\n## 1.0.0\n\n* x\n", "1.1.0"),
            "nothing under",
        ),
        (lambda: preparation.with_changes("## Next\n\n* y\n## 1.0.0\n", "1.0.0"), "already"),
    ],
)
def test_what_cannot_be_released_is_refused(attempt: Callable[[], str], message: str) -> None:
    with pytest.raises(preparation.Refused, match=message):
        attempt()


def checkout_in(folder: Path) -> Path:
    """What is in the repository, in a folder of its own."""
    kept = {"trio_rtc", "docs", "examples", "packaging", "scripts", "tests"}
    root = folder / "checkout"
    root.mkdir()
    for path in ROOT.iterdir():
        if path.name in kept:
            ignored = shutil.ignore_patterns("node_modules", "__pycache__")
            shutil.copytree(path, root / path.name, ignore=ignored, symlinks=True)
        elif path.is_file() and path.name != ".git":
            shutil.copy(path, root / path.name)
    return root


def test_a_release_that_cannot_be_prepared_changes_nothing(tmp_path: Path) -> None:
    """The public names are those of what is installed: here something is missing."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "public_names.py").write_text("raise SystemExit('no such module')")
    before = {"pyproject.toml": PROJECT, "CHANGELOG.md": "## Next\n\n* That.\n"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(preparation.Refused, match="cannot be read: no such module"):
        preparation.prepare(tmp_path, "1.0.0", None)
    assert {name: (tmp_path / name).read_text() for name in before} == before


@pytest.mark.skipif(
    "CI" not in os.environ and not (find_spec("build") and find_spec("hatchling")),
    reason="build or hatchling is not installed (pip install -e .[dev])",
)
@pytest.mark.timeout(300)
def test_a_release_lacks_nothing_but_its_version_and_where_the_sources_are(tmp_path: Path) -> None:
    root = checkout_in(tmp_path)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}

    def run(*command: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *command], cwd=root, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return done.returncode, done.stdout

    source = "https://example.org/trio-rtc"
    assert run("scripts/prepare_release.py", "1000.0.0", "--source", source)[0] == 0
    status, told = run("scripts/release_check.py", "--here")
    assert (status, [line for line in told.splitlines() if line.startswith("FAILED")]) == (0, [])
    assert told.endswith("all of these are as they should be\n")
    assert "trio_rtc-1000.0.0.tar.gz" in told
    assert "trio_rtc_server-1000.0.0-py3-none-any.whl" in told

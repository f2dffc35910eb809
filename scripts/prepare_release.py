#!/usr/bin/env python3
"""Makes a release of what has changed: its version, its changes, and its public names.

    scripts/prepare-release 0.3.0 --source https://example.org/trio-rtc

What stands under *Next* in CHANGELOG.md comes under the version, pyproject.toml gets the version
and where the sources are, and the snapshot of the public names is taken. Nothing is committed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

NEXT: Final = re.compile(r"^## Next\n(.*?)(?=^## |\Z)", re.M | re.S)


class Refused(Exception):
    """What was asked for cannot be; the message says why."""


def with_changes(changes: str, version: str) -> str:
    """CHANGELOG.md with what was under *Next* under the version.

    Raises:
        Refused: nothing has changed, or the version has changes already.
    """
    under_next = NEXT.search(changes)
    if under_next is None or not under_next[1].strip():
        raise Refused("CHANGELOG.md has nothing under Next: there is nothing to release")
    if re.search(rf"^## {re.escape(version)}$", changes, re.M):
        raise Refused(f"CHANGELOG.md has an entry for {version} already")
    return changes.replace("## Next\n", f"## {version}\n", 1)


def with_version(project: str, version: str) -> str:
    """pyproject.toml with the version.

    Raises:
        Refused: it is no version, or not after the one that stands there.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise Refused(f"{version!r} is no version: three numbers with dots between them")
    before = tomllib.loads(project)["project"]["version"]
    if _numbers(version) <= _numbers(before):
        raise Refused(f"{version} does not come after {before}")
    return project.replace(f'\nversion = "{before}"\n', f'\nversion = "{version}"\n', 1)


def with_source(project: str, source: str) -> str:
    """pyproject.toml with where the sources are: the repository, in which vVERSION is a tag.

    Raises:
        Refused: it is no address.
    """
    source = source.rstrip("/")
    if not re.fullmatch(r'https://[^\s"\\]+', source):
        raise Refused(f"{source!r} is no address of sources: it begins with https://")
    urls = tomllib.loads(project)["project"].get("urls", {})
    line = f'Source = "{source}"\n'
    if "Source" in urls:
        return re.sub(r"^Source = .*\n", lambda _: line, project, count=1, flags=re.M)
    if urls:
        return project.replace("\n[project.urls]\n", f"\n[project.urls]\n{line}", 1)
    return project.replace(
        "\n[project.scripts]\n", f"\n[project.urls]\n{line}\n[project.scripts]\n"
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def prepare(root: Path, version: str, source: str | None) -> None:
    """Change a checkout; all of it, or nothing.

    Raises:
        Refused: what was asked for cannot be.
    """
    changelog, pyproject = root / "CHANGELOG.md", root / "pyproject.toml"
    project = with_version(pyproject.read_text(), version)
    if source is not None:
        project = with_source(project, source)
    changes = with_changes(changelog.read_text(), version)
    names = [sys.executable, str(root / "scripts" / "public_names.py"), "--write"]
    taken = subprocess.run(names, cwd=root, check=False, capture_output=True, text=True)
    if taken.returncode:
        why = taken.stderr.strip().rpartition("\n")[2]
        raise Refused(f"the public names cannot be read: {why}")
    pyproject.write_text(project)
    changelog.write_text(changes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("version", help="three numbers, such as 0.3.0")
    parser.add_argument(
        "--source", metavar="URL",
        help="where the sources are, if pyproject.toml does not say it yet",
    )  # fmt: skip
    arguments = parser.parse_args()
    try:
        prepare(ROOT, arguments.version, arguments.source)
    except Refused as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print("prepared; now look at `git diff`, and run scripts/release-check")
    return 0


if __name__ == "__main__":
    sys.exit(main())

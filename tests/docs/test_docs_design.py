"""The map of the code: what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "design.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables under a heading."""
    section = re.split(r"^## ", TEXT.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    assert lines
    return [re.split(r"(?<!`)\|(?!`)", line.strip("| ")) for line in lines]


def is_there(name: str, folder: Path) -> bool:
    """Whether it is in the package, beside what was named before it, or in the project."""
    places = (ROOT / "trio_rtc", folder, ROOT)
    return any((place / name).exists() for place in places)


@pytest.mark.parametrize("heading", ["Where things are", "Where to look for what"])
def test_files_and_folders_are_where_the_map_has_them(heading: str) -> None:
    for row in rows(heading):
        folder = ROOT
        for cell in row:
            for name in re.findall(r"`([\w./-]+(?:/|\.py|\.js|\.md|\.json))`", cell):
                assert is_there(name, folder), name
                if (ROOT / "trio_rtc" / name).is_dir():
                    folder = ROOT / "trio_rtc" / name


def test_every_folder_is_on_the_map() -> None:
    told = {name for row in rows("Where things are") for name in re.findall(r"`([\w./]+)`", row[0])}
    package = ROOT / "trio_rtc"
    for folder in (path for path in package.iterdir() if path.is_dir() and path.name[0] != "_"):
        assert f"{folder.name}/" in told

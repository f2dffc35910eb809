"""What the code imports is declared, with bounds where more than its interface is used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import trio_rtc

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}
EXTRAS = {
    canonicalize_name(Requirement(one).name) for one in PROJECT["optional-dependencies"]["cluster"]
}

#: What is there for its bounds only, if anything is.
NOT_IMPORTED: set[str] = set()

#: Modules that a package loads, which is there then, and does not have to be else.
LOADED_BY = {"pytest_plugin.py": "pytest"}

#: Of which private names are touched.
BOUNDED = ("aioice", "aiortc", "pyopenssl")


def imported() -> Iterator[str | None]:
    for path in Path(trio_rtc.__file__).parent.rglob("*.py"):
        yield from imported_by(path) - {LOADED_BY.get(path.name)}


def imported_by(path: Path) -> set[str | None]:
    names: set[str | None] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    return names


def test_what_is_imported_is_declared_and_the_other_way_round() -> None:
    packages = {name.split(".")[0] for name in imported() if name}
    packages -= {*sys.stdlib_module_names, "trio_rtc"}
    of = packages_distributions()
    assert packages <= of.keys()
    needed = {canonicalize_name(of[package][0]) for package in packages}
    assert needed == (DECLARED.keys() | EXTRAS) - NOT_IMPORTED


def test_releases_of_which_private_names_are_touched_are_bounded() -> None:
    for name in BOUNDED:
        specifier = DECLARED[canonicalize_name(name)].specifier
        assert any(part.operator == "<" for part in specifier), name
        assert version(name) in specifier


def test_what_is_locked_for_the_image_is_within_the_bounds() -> None:
    text = (ROOT / "examples" / "deploy" / "requirements.txt").read_text()
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", text, re.M))
    server = tomllib.loads((ROOT / "packaging" / "server" / "pyproject.toml").read_text())
    for name in server["tool"]["server"]["dependencies"]:
        assert locked[name] in DECLARED[canonicalize_name(name)].specifier, "run scripts/lock"

"""Pages that are made of other files of the project: examples, configurations, changes."""

from __future__ import annotations

import ast
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

#: Files at the top, as pages.
PAPERS: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}

LANGUAGES: Final = {
    ".py": "python", ".conf": "nginx", ".cfg": "text", ".toml": "toml", ".yml": "yaml",
    ".yaml": "yaml", ".json": "json", ".html": "html", ".service": "ini", ".socket": "ini",
}  # fmt: skip

#: Longer ones are told of, and not shown.
SHOWN_LINES: Final = 200

LINK: Final = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def texts() -> Iterator[tuple[str, str]]:
    """The path and the text of each page."""
    for paper, page in PAPERS.items():
        text = rewritten((ROOT / paper).read_text(), ".", page)
        yield page, text.replace("# Security\n", "# Reporting a vulnerability\n", 1)
    yield "examples.md", _examples()
    yield "deploy.md", _deploy()


def anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _examples() -> str:
    parts = [
        "# Examples\n\nPrograms of one file each. Each runs in a test, with a real peer. Those that"
        " want a server take `--server`, which is `ws://localhost:8888` if it is not given: start"
        " one with `trio-rtc server`.\n"
    ]
    for path in sorted((ROOT / "examples").glob("*.py")):
        text = path.read_text()
        about = ast.get_docstring(ast.parse(text)) or ""
        parts.append(f"## {path.stem} {{ #{anchor(path.name)} }}\n\n{_prose(about)}\n")
        parts.append(f'??? example "examples/{path.name}"\n\n' + _indented(_fenced(path)))
    return "\n".join(parts)


def _prose(docstring: str) -> str:
    """A docstring as Markdown: what is indented is a command."""
    return re.sub(r"(?m)^    (\S.*)$", r"    $ \1", docstring) if "    " in docstring else docstring


def _deploy() -> str:
    parts = [
        "# Files to deploy\n\nWhat `examples/deploy/` has in a checkout. Each is run, or"
        " checked by the program that it is for, in a test.\n"
    ]
    for path in sorted((ROOT / "examples" / "deploy").iterdir()):
        parts.append(f"## {path.name} {{ #{anchor(path.name)} }}\n")
        if len(path.read_text().splitlines()) > SHOWN_LINES:
            parts.append(f"It is long: see `examples/deploy/{path.name}` in a checkout.\n")
        else:
            parts.append(_fenced(path))
    return "\n".join(parts)


def _fenced(path: Path) -> str:
    language = LANGUAGES.get(path.suffix, "text")
    return f"````{language}\n{path.read_text().rstrip()}\n````\n"


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.split("\n"))


def rewritten(text: str, folder: str, page: str) -> str:
    """Markdown whose links are those of the site.

    Args:
        text: of a file.
        folder: where the file is in the project.
        page: where the page is in the site.
    """

    def replace(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        found = _in_site(path)
        if found is None:
            return match[0]
        where, _, fragment = found.partition("#")
        relative = posixpath.relpath(where, posixpath.dirname(page) or ".")
        return f"{before}{relative}" + (f"#{fragment})" if fragment else after)

    return LINK.sub(replace, text)


def _in_site(path: str) -> str | None:
    """Where a file of the project is in the site; None if it is not."""
    if path in PAPERS:
        return PAPERS[path]
    if path == "README.md":
        return "index.md"
    if path == "examples":
        return "examples.md"
    if path == "examples/deploy":
        return "deploy.md"
    if path.startswith("examples/") and (ROOT / path).is_file():
        page = "deploy.md" if path.startswith("examples/deploy/") else "examples.md"
        return f"{page}#{anchor(os.path.basename(path))}"  # noqa: PTH119
    return path.removeprefix("docs/") if path.startswith("docs/") else None

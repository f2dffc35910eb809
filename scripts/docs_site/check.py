#!/usr/bin/env python3
"""Looks at a site that was built: each link leads somewhere, and nothing comes from elsewhere."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

#: What a browser fetches by itself, and by which attribute.
LOADED: Final = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src",
    "audio": "src", "link": "href", "use": "href",
}  # fmt: skip

CSS_URL: Final = re.compile(r"(?:url\(|@import\s+)[\"']?(https?:)?//")


class Contents(HTMLParser):
    """The anchors of a page, and what it links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := values.get(name))}
        if tag in LOADED and (source := values.get(LOADED[tag])):
            self.loads.append(source)
        if tag == "a" and (target := values.get("href")):
            self.links.append(target)


def problems(site: Path) -> Iterator[str]:
    """What is wrong with a site, one sentence each."""
    pages = {path.resolve(): Contents(path.read_text()) for path in site.rglob("*.html")}
    for path, contents in pages.items():
        name = path.relative_to(site.resolve())
        for target in contents.loads:
            if urlsplit(target).netloc:
                yield f"{name} loads {target}, which is elsewhere"
        for target in [*contents.links, *contents.loads]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if goal.is_dir():
                goal /= "index.html"
            if not goal.is_file():
                yield f"{name} links to {target}, which is not there"
            elif (
                parts.fragment
                and goal in pages
                and unquote(parts.fragment) not in pages[goal].anchors
            ):
                yield f"{name} links to {target}, and there is no such place"
    for style in site.rglob("*.css"):
        if CSS_URL.search(style.read_text()):
            yield f"{style.relative_to(site)} loads something from elsewhere"
    for line in re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text()):
        if not (site / line).is_file():
            yield f"llms.txt names {line}, which is not there"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    found = sorted(set(problems(parser.parse_args().site)))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

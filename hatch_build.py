"""The README as a package index shows it: its links lead to the sources, or are plain text.

A relative link leads nowhere there. Where the sources are says ``Source`` in ``[project.urls]``;
as long as that is not there, the text of a link stays, and a picture goes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)\n?")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def absolute(text: str, version: str, source: str | None) -> str:
    """Markdown without relative links.

    Args:
        text: of the README.
        version: whose files are linked to, by its tag.
        source: where the sources are; None if nobody knows.
    """

    def is_elsewhere(target: str) -> bool:
        return target.startswith(("https:", "http:", "#"))

    def picture(match: re.Match[str]) -> str:
        if is_elsewhere(match[2]):
            return match[0]
        return (
            ""
            if source is None
            else match[0].replace(match[2], f"{source}/raw/v{version}/{match[2]}")
        )

    def link(match: re.Match[str]) -> str:
        if is_elsewhere(match[2]):
            return match[0]
        return match[1] if source is None else f"[{match[1]}]({source}/blob/v{version}/{match[2]})"

    return LINK.sub(link, PICTURE.sub(picture, text))


class ReadmeHook(MetadataHookInterface):
    """Gives the distribution its long description."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source")
        shown = absolute(text, metadata["version"], source)
        metadata["readme"] = {"content-type": "text/markdown", "text": shown}

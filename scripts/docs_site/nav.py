"""The order of the site's pages. What stands in no list comes under *How to*, after the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

Nav = list[dict[str, Any]]

REFERENCE: Final = "Reference"
CATCH_ALL: Final = "How to"

SECTIONS: Final[dict[str, list[str]]] = {
    "Start": ["index.md"],
    "Tutorial": [
        "tutorial/index.md",
        "tutorial/call.md",
        "tutorial/page.md",
        "tutorial/channels.md",
        "tutorial/pictures.md",
        "tutorial/filter.md",
    ],
    "Guide": [
        "library.md",
        "calls.md",
        "signaling.md",
        "channels.md",
        "files.md",
        "forwarding.md",
        "media.md",
        "voice.md",
        "whip.md",
        "browsers.md",
        "peerjs.md",
        "commands.md",
        "server.md",
        "testing.md",
        "examples.md",
    ],
    CATCH_ALL: [
        "howto/index.md",
        "howto/nat.md",
        "howto/ports.md",
        "howto/tls.md",
        "howto/proxies.md",
        "howto/tokens.md",
        "cluster.md",
        "howto/systemd.md",
        "howto/monitoring.md",
        "howto/obs.md",
        "howto/voice.md",
        "howto/testing.md",
        "howto/embedding.md",
        "howto/direct.md",
        "howto/asyncio.md",
        "deploy.md",
    ],
    "Coming from": [
        "from/index.md",
        "from/aiortc.md",
        "from/peerjs.md",
        "from/peerconnection.md",
        "from/conductor.md",
        "from/livekit.md",
    ],
    "Trouble": ["troubleshooting.md"],
    REFERENCE: [],
    "Project": [
        "design.md",
        "protocol.md",
        "performance.md",
        "security.md",
        "changelog.md",
        "contributing.md",
        "reporting.md",
    ],
}


def nav_of(pages: Iterable[str], reference: Iterable[str]) -> Nav:
    """The nav for these pages.

    Raises:
        ValueError: a page is listed that is not there.
    """
    there = set(pages)
    listed = {page for section in SECTIONS.values() for page in section}
    if missing := sorted(listed - there):
        raise ValueError(f"scripts/docs_site/nav.py lists what is not there: {missing}")
    sections = {name: list(section) for name, section in SECTIONS.items()}
    sections[REFERENCE] = list(reference)
    sections[CATCH_ALL] += sorted(there - listed - set(reference))
    return [{name: pages} for name, pages in sections.items()]

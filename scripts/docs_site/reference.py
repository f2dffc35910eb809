"""The reference: which public name is on which page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final

from public_names import MODULES, OF_OUR_OWN

#: The page for what is no object of its own: what a parameter may be.
TYPES: Final = "reference/types.md"


@dataclass(frozen=True)
class Page:
    """A page of the reference.

    Attributes:
        name: of its file.
        title: its heading.
        about: its first paragraph, with a link to the guide.
        homes: the modules whose names it has; the most exact home of all pages counts.
    """

    name: str
    title: str
    about: str
    homes: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"reference/{self.name}.md"


PAGES: Final = (
    Page("calls", "Calls", "The guide is [Calls](../calls.md).", ("trio_rtc.calls",)),
    Page(
        "signaling",
        "Signaling",
        "The guide is [Signaling](../signaling.md).",
        ("trio_rtc.signaling",),
    ),
    Page(
        "channels",
        "Data channels",
        "The guide is [Data channels](../channels.md).",
        ("trio_rtc.rtc.channels",),
    ),
    Page(
        "media",
        "Media and voice",
        "The guides are [Media](../media.md) and [Voice programs](../voice.md).",
        ("trio_rtc.rtc.media",),
    ),
    Page(
        "files",
        "Files and forwarding",
        "The guides are [Files](../files.md) and [Forwarding](../forwarding.md).",
        ("trio_rtc.files", "trio_rtc.forwarding"),
    ),
    Page(
        "whip",
        "WHIP, WHEP and relays",
        "The guide is [WHIP and WHEP](../whip.md).",
        ("trio_rtc.whip", "trio_rtc.relaying"),
    ),
    Page("peerjs", "PeerJS", "The guide is [PeerJS](../peerjs.md).", ("trio_rtc.peerjs",)),
    Page(
        "server",
        "Server",
        "The guide is [The signaling server](../server.md).",
        ("trio_rtc.server",),
    ),
    Page(
        "connections",
        "Peer connections",
        "What calls are made of, for those who bring their own signaling.",
        ("trio_rtc.rtc", "trio_rtc.wire"),
    ),
    Page(
        "testing",
        "Testing",
        "The guide is [Testing programs](../testing.md).",
        ("trio_rtc.testing",),
    ),
    Page(
        "errors",
        "Errors",
        "What goes wrong is a `TrioRTCError`; a `DataChannel` raises what Trio's channels raise.",
        ("trio_rtc.errors",),
    ),
)


def names_of(module: ModuleType) -> list[str]:
    """What a program may import from one of our modules."""
    names = getattr(module, "__all__", None)
    if names is not None:
        return sorted(names)
    # A package has what it imports, a module what it defines.
    package = hasattr(module, "__path__")
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and (package or getattr(value, "__module__", "") == module.__name__)
        and name != "annotations"
    )


def all_names() -> dict[str, str]:
    """Each public name, such as ``trio_rtc.peerjs.open_peerjs``, and the module it comes from."""
    names: dict[str, str] = {}
    seen: set[tuple[str, int]] = set()
    for module_name in MODULES:
        module = import_module(module_name)
        homes: dict[str, str] = getattr(module, "_HOME", {})
        for name in names_of(module):
            value = getattr(module, name)
            if (name, id(value)) in seen:
                continue
            seen.add((name, id(value)))
            home = getattr(value, "__module__", "")
            if not home.startswith("trio_rtc"):
                # A type alias knows nothing of where it stands.
                home = f"{module_name}.{homes[name]}" if name in homes else module_name
            names[f"{module_name}.{name}"] = home
    return names


def page_of(home: str) -> Page:
    """The page for what comes from a module.

    Raises:
        ValueError: there is none.
    """
    fitting = [
        (len(prefix), number, page)
        for number, page in enumerate(PAGES)
        for prefix in page.homes
        if f"{home}.".startswith(f"{prefix}.")
    ]
    if not fitting:
        raise ValueError(f"{home} has no page in scripts/docs_site/reference.py")
    return max(fitting)[2]


def texts() -> Iterator[tuple[str, str]]:
    """The path and the text of each page."""
    names = all_names()
    for page in PAGES:
        # A program begins with what it calls, then come the classes; each in the alphabet's order.
        here = sorted(
            (name.rpartition(".")[2][0].isupper(), name)
            for name, home in names.items()
            if page_of(home) is page
        )
        blocks = "\n\n".join(_block(name) for _, name in here)
        yield page.path, f"# {page.title}\n\n{page.about}\n\n{blocks}\n"
    yield "reference/index.md", _index(names)


def types_text(aliases: list[str]) -> str:
    """The page of types that parameters have, and that are no classes."""
    return (
        "# Types\n\nWhat a parameter may be, where that has a name: a function that you write, or"
        " one of some words.\n\n" + "\n\n".join(f"::: {path}" for path in aliases) + "\n"
    )


def _block(name: str) -> str:
    """What has mkdocstrings show a name, without what only classes of ours call."""
    hidden = OF_OUR_OWN.get(name.rpartition(".")[2])
    if hidden is None:
        return f"::: {name}"
    return f"::: {name}\n    options:\n      filters: ['!^_', '!^({'|'.join(hidden)})$']"


def _index(names: dict[str, str]) -> str:
    lines = [f"| [`{name}`][{name}] | [{page_of(home).title}]({page_of(home).name}.md) |"
             for name, home in sorted(names.items(), key=lambda item: item[0].lower())]  # fmt: skip
    return (
        "# Reference\n\nEvery public name, generated from the docstrings. Times are in seconds,"
        " sizes in bytes, unless something else is said.\n\n| name | page |\n|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )

"""The house stands in floors: a module imports only from those below its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import trio_rtc

ROOT = Path(trio_rtc.__file__).parent

#: From the top down. What stands on one floor does not know each other.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"testing", "calling"},
    {"conductor", "peerjs"},
    {"restoring"},
    {"negotiator", "call", "crossing"},
    {"call_options", "goodbye", "negotiation"},
    {"server", "signaling", "rtc"},
    {"session", "peerjs_protocol"},
    {"protocol", "messages", "binarypack"},
    {"faults"},
    {"names", "tasks", "rate", "admission"},
    {"text"},
    {"errors"},
]
HEIGHT = {name: -number for number, names in enumerate(FLOORS) for name in names}

#: asyncio is on one floor only.
ASYNCIO = {"rtc"}


def modules() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"
    )


def floor(path: str) -> str:
    return path.removesuffix(".py").split("/")[0]


def imports(path: str) -> set[str]:
    """What a module imports: names of ours as floors, others as they are."""
    here = ("trio_rtc", *path.removesuffix(".py").split("/"))
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            package = here[: -node.level]
            names = [(*package, *(node.module or "").split("."))] if node.module else []
            names = names or [(*package, alias.name) for alias in node.names]
            found |= {name[1] for name in names}
    return found


@pytest.mark.parametrize("path", modules())
def test_imports_go_down(path: str) -> None:
    own = floor(path)
    assert own in HEIGHT, "a new module needs a floor"
    for other in imports(path) & HEIGHT.keys() - {own}:
        assert HEIGHT[other] < HEIGHT[own], f"{own} imports {other}"
    if own not in ASYNCIO:
        assert "asyncio" not in imports(path)
    if own == "server":
        assert not imports(path) & {"aiortc", "aioice", "av"}

"""The house stands in floors: a module imports only from those below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import trio_rtc

from .test_world import MEANT, reads

ROOT = Path(trio_rtc.__file__).parent

#: From the top down. What stands on one floor does not know each other.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"pytest_plugin"},
    {"testing"},
    {"peerjs", "files", "forwarding", "whip", "relaying"},
    {"calls"},
    {"server", "signaling", "rtc"},
    {"faults"},
    {"wire"},
    {"tasks"},
    {"errors", "keywords", "text", "world"},
    {"netlink"},
]
HEIGHT = {name: -number for number, names in enumerate(FLOORS) for name in names}

PEER_CONNECTION = {"rtc/peer_connection", "rtc/open_connection", "rtc/ice_listener"}

#: Inside of a room: what is in the first folder imports nothing of the others.
INNER = [
    (
        "server/scheduling",
        {"server/hub", "server/cluster", "server/http", "server/websocket", "server/dialects"},
    ),
    ("server/hub", {"server/cluster", "server/http", "server/websocket", "server/dialects"}),
    ("server/cluster", {"server/websocket", "server/dialects"}),
    ("server/http", {"server/websocket", "server/dialects"}),
    ("server/websocket", {"server/dialects"}),
    (
        "rtc/bridge",
        {"rtc/backend", "rtc/channels", "rtc/media", *PEER_CONNECTION},
    ),
    ("rtc/backend", {"rtc/media", *PEER_CONNECTION}),
    ("rtc/channels", {"rtc/media", *PEER_CONNECTION}),
    ("rtc/backend/ice", {"rtc/backend/jsep", "rtc/backend/sctp", "rtc/backend/media"}),
    ("rtc/backend/dtls", {"rtc/backend/jsep", "rtc/backend/sctp", "rtc/backend/media"}),
    ("rtc/backend/sctp", {"rtc/backend/jsep", "rtc/backend/media"}),
]

#: What dialects have in common; all else in their folder is a dialect of its own.
OF_ALL_DIALECTS = {"dialect", "membership", "refusal", "settled", "websocket_dialect"}

#: Which folders may know a package of others; nobody else does.
KEPT_TO = {
    "hiredis": ("server/cluster/",),
    # `testing/machine.py` keeps programs in a simulation from it.
    "asyncio": ("rtc/bridge/", "rtc/backend/", "testing/machine.py"),
    "aiortc": ("rtc/backend/",),
    "aioice": ("rtc/backend/",),
    "OpenSSL": ("rtc/backend/",),
    "av": ("rtc/backend/", "rtc/media/"),
    "aiortc.sdp": ("rtc/backend/jsep/",),
}

#: What is given messages and the time, and says what to do: it has no I/O and reads no clock.
MACHINES = [
    "wire/",
    "calls/lifecycle",
    "calls/authentication",
    "calls/negotiation",
    "files/protocol",
    "forwarding/endpoints",
    "server/cluster/cluster_hub",
    "server/cluster/cluster_members",
    "server/cluster/entries",
    "server/cluster/local_members",
    "server/cluster/operations",
    "server/cluster/redis_address",
    "server/cluster/replicas",
    "server/hub/",
    "server/scheduling/deadlines",
    "server/scheduling/flush_batches",
    "server/scheduling/shares",
    "server/scheduling/steps",
    "signaling/client_session",
    "rtc/channels/credit",
    "rtc/channels/framing",
    "rtc/channels/reassembly",
    "rtc/backend/media/congestion/arrival_record",
    "rtc/backend/media/congestion/bandwidth_estimate",
    "rtc/backend/media/congestion/delay_gradient",
    "rtc/backend/media/congestion/media_pacer",
    "rtc/backend/media/congestion/numbered_packets",
    "rtc/backend/media/congestion/rate_control",
    "rtc/backend/media/congestion/sent_packets",
    "rtc/backend/media/congestion/transport_feedback",
    "rtc/backend/media/receiving/drift",
    "rtc/backend/media/receiving/minimum",
    "rtc/backend/media/receiving/nack",
    "rtc/backend/media/receiving/pictures/frame_size",
    "rtc/backend/media/receiving/pictures/keyframes",
    "rtc/backend/media/receiving/pictures/picture_buffer",
    "rtc/backend/media/receiving/pictures/picture_packets",
    "rtc/backend/media/receiving/sequence",
    "rtc/backend/media/receiving/sound/delay",
    "rtc/backend/media/receiving/sound/playout",
    "rtc/backend/media/receiving/source",
    "rtc/backend/media/receiving/stream_clock",
    "rtc/backend/media/receiving/stream_ids",
    "rtc/backend/media/receiving/timeline",
    "rtc/backend/media/simulcast/layer_choice",
    "rtc/backend/media/simulcast/layer_rates",
    "rtc/backend/sctp/machine/",
    "rtc/backend/sctp/path_mtu",
    "rtc/backend/sctp/receive_buffer",
]
WORLD = {"anyio", "asyncio", "httpx", "os", "random", "secrets", "socket", "ssl", "time", "trio"}

#: A name that stands for two files sends a reader to the wrong one.
MAX_MODULES = 15
MAX_LINES = 400
TWICE = 3


def modules() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"
    )


@cache
def imports(path: str) -> frozenset[str]:
    """What a module imports: ours as ``rtc/bridge/engines``, others as ``aiortc.sdp``."""
    here = path.removesuffix(".py").split("/")
    return frozenset(_imports(here, (ROOT / path).read_text()))


def _imports(here: list[str], text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            package = here[: len(here) - node.level]
            module = [*package, *(node.module or "").split(".")] if node.module else package
            yield "/".join(module)
            yield from ("/".join([*module, alias.name]) for alias in node.names)


@cache
def needed(path: str) -> frozenset[str]:
    """A module, and ours that it imports, and those that they import."""
    found: set[str] = set()
    left = {path}
    while left:
        found |= left
        left = {own for module in left for own in _own(module)} - found
    return frozenset(found)


def _own(path: str) -> Iterator[str]:
    for name in imports(path):
        yield from {f"{name}.py", f"{name}/__init__.py"} & _ALL


_ALL = frozenset(modules())


def within(module: str, folder: str) -> bool:
    return module == folder or module.startswith(folder.rstrip("/") + "/")


@pytest.mark.parametrize("path", modules())
def test_imports_go_down(path: str) -> None:
    own = path.removesuffix(".py").split("/")[0]
    assert own in HEIGHT, "a new module needs a floor"
    for other in {name.split("/")[0] for name in imports(path)} & HEIGHT.keys() - {own}:
        assert HEIGHT[other] < HEIGHT[own], f"{own} imports {other}"
    for folder, others in INNER:
        if within(path.removesuffix(".py"), folder):
            for other in others:
                assert not any(within(name, other) for name in imports(path)), other


@pytest.mark.parametrize("path", [p for p in modules() if p.startswith("server/dialects/")])
def test_dialects_do_not_know_each_other(path: str) -> None:
    own = path.removesuffix(".py").split("/")[2]
    known = {name.split("/")[2] for name in imports(path) if name.startswith("server/dialects/")}
    assert known - {own} <= OF_ALL_DIALECTS


@pytest.mark.parametrize("path", modules())
def test_packages_of_others_are_kept_to_their_folders(path: str) -> None:
    for package, folders in KEPT_TO.items():
        if not path.startswith(folders):
            known = {name for name in imports(path) if f"{name}.".startswith(f"{package}.")}
            assert not known, package


@pytest.mark.parametrize("path", [p for p in modules() if p.startswith(tuple(MACHINES))])
def test_machines_have_no_io_and_no_clock(path: str) -> None:
    """Neither by themselves, nor by what they import of ours."""
    for module in needed(path):
        assert not {name.split(".")[0] for name in imports(module)} & WORLD, module


@pytest.mark.parametrize("path", modules())
def test_the_world_comes_in_through_one_place(path: str) -> None:
    """Where `trio_rtc.world` gives time, chance and threads, a simulation can run it too."""
    module = path.removesuffix(".py")
    if not any(within(module, meant) for meant in MEANT):
        assert reads((ROOT / path).read_text()) == set(), "use trio_rtc.world"


def test_no_folder_is_a_street() -> None:
    for folder in {(ROOT / path).parent for path in modules()}:
        inside = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(inside) <= MAX_MODULES, folder


@pytest.mark.parametrize("path", modules())
def test_no_module_is_a_novel(path: str) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= MAX_LINES


def test_a_name_stands_for_one_thing() -> None:
    files = [Path(path).name for path in modules() if not path.endswith("__init__.py")]
    assert len({name for name in files if files.count(name) > 1}) <= TWICE


def test_a_class_name_stands_for_one_thing() -> None:
    """An underscore makes no other name of one: readers and editors look for the word."""
    where: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name.lstrip("_"), []).append(path)
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}

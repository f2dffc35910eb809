"""What the code touches of others that is not public, as its syntax tells.

There are no types in it. So a private name counts as ours only where it is defined in the class
that uses it on itself, or where one of our classes has it and nothing of the other libraries. All
else counts as theirs, but for `OURS`, which says what it is.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import trio_rtc

ROOT = Path(trio_rtc.__file__).parent

LEDGER = "rtc/backend/ledger"

#: Whose names are looked for. What C has is not found in sources: such as `av`.
LIBRARIES = (
    *("aioice", "aiortc", "anyio", "asyncio", "h11", "httpcore", "httptools", "httpx", "ifaddr"),
    *("jwt", "OpenSSL", "prometheus_client", "trio", "trio_websocket", "websockets", "wsproto"),
)

#: Whose methods are not made to be overridden.
CLOSED = ("aioice", "aiortc", "OpenSSL", "websockets")

#: They are: W3C's interface of a track, as aiortc documents it.
OPEN = {"MediaStreamTrack": {"kind", "recv", "stop"}}

#: Where an object is one of ours although others have such a name as well.
OURS = {
    ("rtc/bridge/ownership", "owner._add"): "Owner",
    ("rtc/bridge/bridge", "bridge._close"): "Bridge",
    ("rtc/bridge/bridge", "self._bridge._deliver"): "Bridge",
    ("rtc/bridge/bridge", "self._bridge._send"): "Bridge",
    ("rtc/open_connection", "connection._open"): "PeerConnection",
    ("rtc/peer_connection", "track._source"): "MediaTrack",
    ("rtc/media/sender", "track._source"): "MediaTrack",
    ("rtc/media/recorder", "track._source"): "MediaTrack",
    ("rtc/backend/media/player", "track._put"): "PlayerTrack",
    (
        "rtc/backend/media/receiving/receiver",
        "cast(_TimedReceiver, receiver)._prepare",
    ): "_TimedReceiver",
    ("rtc/backend/media/receiving/stream_clock", "other._rate"): "StreamClock",
    ("calls/call", "channel._close"): "DataChannel",
    ("peerjs/opening", "peer._receive"): "PeerJSPeer",
    ("peerjs/opening", "peer._server"): "PeerJSPeer",
    ("peerjs/serving", "peer._server"): "PeerJSPeer",
    ("peerjs/serving", "self.peer._options"): "PeerJSPeer",
    ("peerjs/serving", "self.peer._run"): "PeerJSPeer",
}

#: Texts that happen to be the name of something.
TEXTS = {
    ("rtc/backend/media/player", "_pipe"),
    ("server/metrics", "_total"),
    ("wire/messages", "_T"),
    ("wire/peerjs", "_T"),
}

#: What is no method, although others have one of this name.
OTHERWISE = {
    ("rtc/bridge/stepper", "self._selector.stop"),
    ("rtc/backend/jsep/descriptions", "parsed.type"),
    ("rtc/backend/jsep/numbering", "parsed.type"),
    ("rtc/backend/trials", "chunk.type"),
}

#: Documented in spite of its name.
PUBLIC = {"os._exit"}

MANGLED = re.compile(r"_[A-Za-z]\w*?[a-z]__(?=[a-z])")


@dataclass
class Touched:
    """Names of others, with where they are used."""

    #: name: places
    names: dict[str, list[str]] = field(default_factory=dict)
    #: (class, name) of what is overridden: places
    overridden: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    #: names of methods in whose place another function is put: places
    replaced: dict[str, list[str]] = field(default_factory=dict)
    #: (module, name) of our classes that objects of others are made to be of
    classes: set[tuple[str, str]] = field(default_factory=set)
    #: each attribute that is used, of whomever
    attributes: set[str] = field(default_factory=set)


class Code:
    """Our modules: their syntax, their classes, and what their names stand for."""

    def __init__(self, modules: dict[str, str]):
        self.trees = {module: ast.parse(text) for module, text in modules.items()}
        self.imports = {module: dict(_imports(module, tree)) for module, tree in self.trees.items()}
        self.classes = {
            (module, node.name): node
            for module, tree in self.trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
        }
        self.defined = {key: frozenset(_defined(node)) for key, node in self.classes.items()}
        self.names = frozenset().union(*self.defined.values())

    def family(self, module: str, name: str) -> tuple[set[str], list[type]]:
        """What a class of ours and those above it define, and which of others it is made of."""
        own, theirs = set(self.defined[module, name]), []
        for base in self.classes[module, name].bases:
            where, what = self.stands_for(module, base)
            if (where, what) in self.classes:
                more, others = self.family(where, what)
                own |= more
                theirs += others
            elif where and where not in self.trees:
                found = getattr(importlib.import_module(where), what)
                theirs += [found] if isinstance(found, type) else []
        return own, theirs

    def stands_for(self, module: str, node: ast.expr) -> tuple[str, str]:
        match node:
            case ast.Subscript():
                return self.stands_for(module, node.value)
            case ast.Name(id=name):
                if (module, name) in self.classes:
                    return module, name
                where, what = self.imports[module].get(name, ("", name))
                package = f"{where}/__init__"
                if package in self.imports and what in self.imports[package]:
                    return self.imports[package][what]
                return where, what
            case ast.Attribute():
                path = ast.unparse(node)
                where, what = self.imports[module].get(path.split(".")[0], ("", ""))
                *middle, last = path.split(".")[1:]
                return ".".join([part for part in (where, what, *middle) if part]), last
        raise AssertionError(ast.unparse(node))


def _imports(module: str, tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    here = module.split("/")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            package = [*here[: len(here) - node.level], *(node.module or "").split(".")]
            where = "/".join(part for part in package if part) if node.level else node.module or ""
            yield from ((a.asname or a.name, (where, a.name)) for a in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.asname or a.name.split(".")[0], (a.name, "")) for a in node.names)


def _defined(node: ast.ClassDef) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and _own(part):
            yield part.attr
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from (
                part.id
                for part in ast.walk(statement)
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            )


def _own(node: ast.Attribute) -> bool:
    """Whether it is an attribute of the object, or of its class, by whom it is used."""
    match node.value:
        case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")):
            return True
    return False


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"


def is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


@cache
def sources(library: str) -> tuple[str, ...]:
    spec = find_spec(library)
    assert spec is not None
    assert spec.origin is not None
    return tuple(path.read_text() for path in Path(spec.origin).parent.rglob("*.py"))


@cache
def private_names() -> frozenset[str]:
    """All of the libraries', wherever they stand in their sources."""
    text = re.compile(r"\b_[A-Za-z]\w*")
    return frozenset(
        name for library in LIBRARIES for part in sources(library) for name in text.findall(part)
    )


@cache
def methods() -> frozenset[str]:
    """The names of what can be replaced in an object of the closed libraries."""
    return frozenset(
        item.name
        for library in CLOSED
        for part in sources(library)
        for node in ast.walk(ast.parse(part))
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.decorator_list
    ) - frozenset(
        # What has a setter is made to be set.
        name
        for library in CLOSED
        for part in sources(library)
        for name in re.findall(r"@(\w+)\.setter", part)
    )


@cache
def _attributes(owner: type) -> frozenset[str]:
    """What the objects of a class have: by itself, or as its methods set or read it."""
    text = next(
        (
            found[0]
            for part in sources(owner.__module__.split(".")[0])
            if (found := re.search(rf"^class {owner.__name__}\b.*?(?=^\S|\Z)", part, re.M | re.S))
        ),
        "",
    )
    return frozenset(vars(owner)) | frozenset(re.findall(r"\bself\.(\w+)", text))


def _has(owner: type, name: str) -> bool:
    bases = [base for base in owner.__mro__ if base.__module__.split(".")[0] in LIBRARIES]
    return any(name in _attributes(base) for base in bases) or bool(MANGLED.match(name))


class _Reader(ast.NodeVisitor):
    def __init__(self, code: Code, module: str, touched: Touched):
        self._code = code
        self._module = module
        self._touched = touched
        self._families: list[tuple[set[str], list[type]]] = []

    def _note(self, name: str, node: ast.AST) -> None:
        place = f"{self._module}:{getattr(node, 'lineno', 0)}"
        self._touched.names.setdefault(name, []).append(place)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        own, theirs = self._code.family(self._module, node.name)
        for name in self._code.defined[self._module, node.name]:
            for base in theirs:
                self._override(base, name, node)
        self._families.append((own, theirs))
        self.generic_visit(node)
        self._families.pop()

    def _override(self, base: type, name: str, node: ast.ClassDef) -> None:
        if base.__module__.split(".")[0] not in CLOSED or name in OPEN.get(base.__name__, ()):
            return
        if name in ("__init__", "__slots__") or not _has(base, name):
            return
        key = base.__name__, name
        self._touched.overridden.setdefault(key, []).append(f"{self._module}:{node.name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        name = node.attr
        self._touched.attributes.add(name)
        text = ast.unparse(node)
        if isinstance(node.ctx, ast.Store) and not _own(node):
            method = MANGLED.sub("__", name)
            if method in methods() and (self._module, text) not in OTHERWISE:
                self._touched.replaced.setdefault(name, []).append(f"{self._module}:{node.lineno}")
        if not is_private(name) or text in PUBLIC:
            return
        if _own(node) and self._families:
            _, theirs = self._families[-1]
            its = [base for base in theirs if base.__module__.split(".")[0] in LIBRARIES]
            ours = any(name in own for own, _ in self._families)
            if not ours or any(_has(base, name) for base in its):
                self._note(name, node)
        elif name not in self._code.names or name in private_names() or MANGLED.match(name):
            known = OURS.get((self._module, text))
            if known is None:
                self._note(name, node)
            else:
                assert any(
                    name in defined and of == known
                    for (_, of), defined in self._code.defined.items()
                ), f"{known} has no {name}"

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr == "__class__":
                self._touched.classes.add(self._code.stands_for(self._module, node.value))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.level:
            for name in [*(node.module or "").split("."), *(alias.name for alias in node.names)]:
                if is_private(name):
                    self._note(name, node)

    def visit_Constant(self, node: ast.Constant) -> None:
        name = node.value
        if not isinstance(name, str) or not is_private(name) or not name.isidentifier():
            return
        if (self._module, name) in TEXTS:
            return
        if MANGLED.match(name) or (name in private_names() and name not in self._code.names):
            self._note(name, node)


def our_modules() -> dict[str, str]:
    """Our code but for the ledger, by the names of modules as ``rtc/bridge/engines``."""
    paths = {str(path.relative_to(ROOT).with_suffix("")): path for path in ROOT.rglob("*.py")}
    return {name: path.read_text() for name, path in paths.items() if name != LEDGER}


def touched(modules: dict[str, str]) -> Touched:
    """What these modules touch."""
    code = Code(modules)
    found = Touched()
    for module, tree in code.trees.items():
        _Reader(code, module, found).visit(tree)
    return found

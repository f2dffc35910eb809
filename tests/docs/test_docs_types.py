"""Every program in the documents passes ``mypy --strict``.

What a reader sees has no annotations where a name says it all, and leaves out what stands above it:
both are put in here, by name.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from .pages import ROOT

PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)

#: What a parameter of this name is, in all documents.
TYPES: Final = {
    "call": "trio_rtc.Call",
    "channel": "trio_rtc.DataChannel",
    "connection": "trio_rtc.PeerConnection",
    "fingerprint": "str",
    "message": "str",
    "name": "str | None",
    "peer": "trio_rtc.Peer",
    "port": "int",
    "room": "str | None",
    "secret": "str",
    "signaling": "trio_rtc.Signaling",
    "stream": "trio.abc.Stream",
    "task_status": "trio.TaskStatus[Any]",
    "text": "str",
    "track": "trio_rtc.MediaTrack",
    "tracks": "list[trio_rtc.MediaTrack]",
    "url": "str",
}

#: The same where it is something else.
TYPES_ON: Final = {
    ("peerjs", "connection"): "trio_rtc.peerjs.DataConnection | trio_rtc.peerjs.MediaConnection",
    ("from_peerjs", "connection"): (
        "trio_rtc.peerjs.DataConnection | trio_rtc.peerjs.MediaConnection"
    ),
    ("howto_asyncio", "peer"): "str",
    ("testing", "message"): "bytes",
    ("tutorial_filter", "track"): "trio_rtc.VideoTrack",
}

#: What the text around a block tells of, or a block of another page.
CONTEXT: Final = {
    "LISTEN": "LISTEN: int",
    "Path": "from pathlib import Path",
    "TARGET": "TARGET: int",
    "VideoFrame": "from av import VideoFrame",
    "answer": "from .channels_1 import answer",
    "ask": "from .channels_1 import ask",
    "np": "import numpy as np",
}


def module_name(page: Path) -> str:
    name = str(page.relative_to(ROOT).with_suffix(""))
    return re.sub(r"\W", "_", name.removeprefix("docs/")).lower()


def annotate(tree: ast.AST, page: str) -> None:
    """Say of each parameter what its name says, and of a function whether it returns anything."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*function.args.args, *function.args.kwonlyargs]
            if function.args.vararg:
                arguments.append(function.args.vararg)
            for argument in arguments:
                if argument.annotation is None and argument.arg != "self":
                    kind = TYPES_ON.get((page, argument.arg)) or TYPES.get(argument.arg, "Any")
                    argument.annotation = ast.parse(kind, mode="eval").body
            if function.returns is None:
                gives = any(
                    isinstance(node, ast.Yield) or (isinstance(node, ast.Return) and node.value)
                    for node in ast.walk(function)
                )
                function.returns = ast.Name("Any") if gives else ast.Constant(None)


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that stand for something after a block."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
        else:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    yield inner.id


def used(tree: ast.Module) -> set[str]:
    """The names that a block takes from above it."""
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names - own - {*defined(tree), *vars(builtins)}


def write_modules(folder: Path) -> int:
    """A module for each block; how many there are."""
    count = 0
    for page in PAGES:
        name = module_name(page)
        homes: dict[str, str] = {}
        for number, text in enumerate(BLOCK.findall(page.read_text())):
            module = f"{name}_{number}"
            tree = ast.parse(text)
            lines = ["# mypy: implicit-reexport", "from __future__ import annotations"]
            lines += ["from typing import Any"]
            lines += ["import trio", "import trio_rtc", "import trio_rtc.peerjs"]
            for wanted in sorted(used(tree) - {"trio", "trio_rtc", "Any"}):
                if wanted in homes:
                    lines.append(f"from .{homes[wanted]} import {wanted} as {wanted}")
                elif wanted in CONTEXT:
                    lines.append(CONTEXT[wanted])
            homes |= dict.fromkeys(defined(tree), module)
            annotate(tree, name)
            body = ast.unparse(tree).replace("from __future__ import annotations\n", "")
            (folder / f"{module}.py").write_text("\n".join([*lines, body, ""]))
            count += 1
    (folder / "__init__.py").write_text("")
    # As a page of the tutorial says, what it shows is in a file of this name.
    answer = "from blocks.tutorial_filter_0 import answer as answer\n"
    (folder.parent / "filter.py").write_text(answer)
    return count


def test_every_block_of_python_is_typed(tmp_path: Path) -> None:
    if "CI" not in os.environ:
        pytest.importorskip("mypy", reason="mypy is not installed (pip install -e .[dev])")
    folder = tmp_path / "blocks"
    folder.mkdir()
    assert write_modules(folder) > 60
    # The options, and the place of the package, are those of the check of the whole project,
    # so that what that has found out is used.
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache")]
    mypy += ["--config-file", str(ROOT / "pyproject.toml")]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [*mypy, "blocks"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout

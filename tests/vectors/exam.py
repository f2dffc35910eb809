"""The common exam: what Python and the page's modules both do, by the same vectors.

A file in ``tests/data/vectors`` has events and, for each, what is to be seen. A module here plays
them in Python, and one of the same name, with ``.mjs``, plays them in Node.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

import trio_rtc

from ..node import NODE

FOLDER = Path(__file__).parent
VECTORS = FOLDER.parent / "data" / "vectors"
PAGE = Path(trio_rtc.__file__).parent / "page"


def vectors(kind: str) -> Any:
    """All vectors of a kind."""
    return json.loads((VECTORS / f"{kind}.json").read_text(encoding="utf-8"))


def in_javascript(kind: str, played: object) -> Any:
    """What the page's modules make of these vectors."""
    if NODE is None and "CI" not in os.environ:
        pytest.skip("Node is not installed")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PAGE, folder, dirs_exist_ok=True)
        # Node takes a .js file for a module only where this says so.
        Path(folder, "package.json").write_text('{"type": "module"}')
        done = subprocess.run(
            [str(NODE), str(FOLDER / f"{kind}.mjs"), folder],
            input=json.dumps(played),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.stderr == ""
    return json.loads(done.stdout)

"""Node, and what npm has installed for the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

NODE = shutil.which("node")
PACKAGES = Path(__file__).parent / "node_modules"

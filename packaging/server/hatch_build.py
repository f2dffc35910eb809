"""What the server's distribution has in common with the whole one, which is said there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class WholeHook(MetadataHookInterface):
    """Takes from the project above what is the same, and of its dependencies those of a server."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        here = Path(self.root)
        whole = tomllib.loads((here.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        own = tomllib.loads((here / "pyproject.toml").read_text(encoding="utf-8"))
        chosen = own["tool"]["server"]
        project = whole["project"]
        for name in ("requires-python", "authors", "keywords", "classifiers", "urls"):
            metadata[name] = project.get(name, {})
        requirements = {
            re.match(r"[\w.-]+", one)[0]: one  # type: ignore[index]
            for one in project["dependencies"]
        }
        metadata["dependencies"] = [requirements[name] for name in chosen["dependencies"]]
        extras = project["optional-dependencies"]
        metadata["optional-dependencies"] = {name: extras[name] for name in chosen["extras"]}

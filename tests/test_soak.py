"""A short run of the soak: nothing is lost or doubled, and the server keeps nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parent.parent / "benchmarks" / "soak.py"


def test_fifty_peers_for_some_seconds(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    subprocess.run(
        [
            sys.executable, "-W", "error", SOAK, "--peers", "50", "--seconds", "4",
            "--calls", "20", "--cut-seconds", "2", "--json", figures,
        ],
        check=True,
        timeout=280,
        capture_output=True,
    )  # fmt: skip
    result = json.loads(figures.read_text())
    assert result["delivered"] == result["sent"] > 100
    assert result["lost"] == result["doubled"] == 0
    assert result["cuts"] > 10
    assert result["server_mib"]["left"] - result["server_mib"]["joined"] < 10

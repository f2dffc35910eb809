"""The benchmarks run; what they measure is for people to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_call_setup(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    subprocess.run(
        [
            sys.executable, BENCHMARKS / "call_setup.py", "--turns", "1", "--rounds", "1",
            "--json", figures,
        ],
        check=True,
        timeout=110,
        capture_output=True,
    )  # fmt: skip
    scenarios = json.loads(figures.read_text())
    assert len(scenarios) >= 2
    for scenario in scenarios:
        assert set(scenario["median_ms"]) == {"ours", "plain aiortc"}
        assert scenario["ratio"] > 0

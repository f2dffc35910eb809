"""What the benchmarks share: sides that take turns, medians with their spread, and JSON."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIBRARY = "BENCHMARK_LIBRARY"
"""In the environment: what a program for aiortc imports in its place."""

LIBWEBRTC = "webrtc.aiortc"
"""Of the package wrtc: libwebrtc with the interface of aiortc."""

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Figure:
    """What several turns have measured of one thing."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{self.median:.4g} ({min(self.values):.4g} to {max(self.values):.4g})"

    def as_json(self) -> dict[str, object]:
        return {"median": self.median, "values": self.values}


class Table:
    """Figures by what was measured and by whose it is; the ratio is to one of the sides, if any."""

    def __init__(self, name: str, reference: str | None = None) -> None:
        self.name = name
        self.reference = reference
        self.rows: dict[str, dict[str, Figure]] = {}

    def add(self, row: str, side: str, value: float) -> None:
        self.rows.setdefault(row, {}).setdefault(side, Figure()).values.append(value)

    def ratio(self, row: str, side: str) -> float:
        """How many times the reference's median this side's is."""
        reference = self.rows[row].get(self.reference or "")
        if reference is None or not reference.median:
            return float("nan")
        return self.rows[row][side].median / reference.median

    def print(self) -> None:
        times = f", and how many times {self.reference}'s" if self.reference else ""
        print(f"\n{self.name}: median (lowest to highest){times}")
        for row, sides in self.rows.items():
            print(f"  {row}")
            for side, figure in sides.items():
                ratio = f"{self.ratio(row, side):8.2f}" if self.reference else ""
                print(f"    {side:34}{figure!s:38}{ratio}".rstrip(), flush=True)

    def write(self, file: Path | None) -> None:
        if file is None:
            return
        figures = {
            "name": self.name,
            "reference": self.reference,
            "machine": machine(),
            "rows": {
                row: {
                    side: figure.as_json()
                    | ({"ratio": self.ratio(row, side)} if self.reference else {})
                    for side, figure in sides.items()
                }
                for row, sides in self.rows.items()
            },
        }
        file.write_text(json.dumps(figures, indent=2) + "\n")


def machine() -> dict[str, object]:
    """Where this was measured."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def arguments(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--turns", type=int, default=5, help="how often the sides take turns")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser


def run_json(
    command: Sequence[object],
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> object:
    """What a process prints as JSON in its last line; with it ends all that it has started."""
    with subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return json.loads(output.splitlines()[-1])


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid: int) -> int:
    """What a process holds in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def library() -> Any:
    """aiortc, or what is to take its place."""
    return importlib.import_module(os.environ.get(LIBRARY, "aiortc"))


def has_libwebrtc() -> bool:
    """Whether the package wrtc is installed."""
    if importlib.util.find_spec("webrtc") is not None:
        return True
    print("without wrtc: it takes pip install wrtc", file=sys.stderr)
    return False


def has_npm(package: str) -> bool:
    """Whether ``npm install --prefix benchmarks`` has brought a package."""
    if (HERE / "node_modules" / package).is_dir():
        return True
    print(f"without {package}: it takes npm install --prefix benchmarks", file=sys.stderr)
    return False

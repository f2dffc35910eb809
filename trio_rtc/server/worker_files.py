"""Statistics of workers: each tells the others of its own, so that any of them has all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, NoReturn

import trio
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from .counters import Statistics

SECONDS: Final = 1.0
"""How often a worker tells."""

#: What is the same for all, of which the least is told, and of which the most.
_LEAST: Final = {"cluster_up", "process_start_time_seconds", "process_max_fds"}
_MOST: Final = {"cluster_servers", "cluster_generation"}


@dataclass(frozen=True, slots=True)
class WorkerFile:
    """The file of one worker, beside those of all."""

    folder: Path
    number: int

    @property
    def _path(self) -> Path:
        return self.folder / f"worker-{self.number}.json"

    def remove(self) -> None:
        """It counts no more."""
        self._path.unlink(missing_ok=True)

    async def keep(self, statistics: Statistics) -> NoReturn:
        """Tell of a worker until cancelled."""
        while True:
            self.write(statistics)
            await trio.sleep(SECONDS)

    def write(self, statistics: Statistics) -> None:
        """Tell of a worker."""
        text = json.dumps({"statistics": asdict(statistics), "process": _process()})
        draft = self._path.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self._path)

    def statistics(self) -> Statistics:
        """Those of all workers, together."""
        told = [one["statistics"] for one in self._all()]
        together = {
            field.name: _together(field.name, [one[field.name] for one in told])
            for field in fields(Statistics)
            if told
        }
        return Statistics(**together)

    def processes(self) -> dict[str, float]:
        """What all processes use, together."""
        told = [one["process"] for one in self._all()]
        names = dict.fromkeys(name for one in told for name in one)
        return {name: _together(name, [one.get(name, 0) for one in told]) for name in names}

    def _all(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("worker-*.json"))]


def _together(name: str, values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: sum(value.get(key, 0) for value in values) for key in keys}
    if name in _LEAST:
        return min(values)
    return max(values) if name in _MOST else sum(values)


def _process() -> dict[str, float]:
    collector = ProcessCollector(registry=CollectorRegistry())
    return {
        sample.name: sample.value for metric in collector.collect() for sample in metric.samples
    }


class ProcessesCollector(Collector):
    """What all processes use, when it is asked."""

    def __init__(self, file: WorkerFile):
        self._file = file

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for name, value in self._file.processes().items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name, "As of one process, of all workers together.")
            family.add_metric([], value)
            yield family

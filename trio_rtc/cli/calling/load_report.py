"""What came of a load: how many did what, in how long, and what failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

PERCENTILES = (50, 95, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent are not above (nearest rank); of none there is none.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there are no values")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


@dataclass
class LoadReport:
    """Counts while it runs, and says it all at the end.

    Attributes:
        wanted: how many there were to be, by what was done.
        seconds: how long each took, by what was done, in the order in which it is told.
        failures: by what was to be done, and the code of the error.
    """

    wanted: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def expect(self, what: str, count: int = 1) -> None:
        """So many more are to be done."""
        self.wanted[what] = self.wanted.get(what, 0) + count
        self.seconds.setdefault(what, [])

    def done(self, what: str, seconds: float) -> None:
        """One is done."""
        self.seconds[what].append(seconds)

    def failed(self, what: str, code: str) -> None:
        """One is not, and will not be."""
        self.failures[what, code] += 1

    def figures(self) -> dict[str, dict[str, float | None]]:
        """For programs: counts, and milliseconds."""
        return {
            what: {
                "wanted": self.wanted[what],
                "done": len(values),
                **{
                    f"p{p}_ms": round(percentile(values, p) * 1000, 3) if values else None
                    for p in PERCENTILES
                },
                "max_ms": round(max(values) * 1000, 3) if values else None,
            }
            for what, values in self.seconds.items()
        }

    def errors(self) -> list[dict[str, str | int]]:
        """For programs: what failed, the most frequent first."""
        return [
            {"what": what, "code": code, "count": count}
            for (what, code), count in self.failures.most_common()
        ]

    def table(self) -> list[str]:
        """For people."""
        heads = ["", "done", *(f"p{p}" for p in PERCENTILES), "max"]
        rows = [heads]
        for what, values in self.seconds.items():
            times = [f"{percentile(values, p) * 1000:.1f} ms" for p in PERCENTILES if values]
            times += [f"{max(values) * 1000:.1f} ms"] if values else []
            rows.append([what, f"{len(values)} of {self.wanted[what]}", *times])
        widths = [
            max(len(row[column]) for row in rows if column < len(row))
            for column in range(len(heads))
        ]
        table = [
            "  ".join(
                cell.ljust(width) if not column else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=False))
            ).rstrip()
            for row in rows
        ]
        table += [
            f"{what}: {code} ({count})" for (what, code), count in self.failures.most_common()
        ]
        return table

"""What an attack does to a server and to an honest pair in it; prints a table of all of them."""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import trio

from .attacks import ATTACKS

MEMORY_BAR_MIB: Final = 256
SLOWER_BAR: Final = 10


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an attack.

    Attributes:
        memory_mib: the largest resident set of the server.
        quiet: milliseconds that the pair's messages took before the attack, in order of size.
        attacked: the same during it.
        lost: how many of them never came.
        over_limit: which limits were told to somebody.
        failures: unexpected errors in the server.
    """

    memory_mib: float
    quiet: list[float]
    attacked: list[float]
    lost: int
    over_limit: set[str]
    failures: int


def quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else math.nan


class Program:
    """A process of ours with lines on both sides."""

    def __init__(self, process: trio.Process):
        self.process = process
        self._buffer = b""

    async def line(self) -> str:
        assert self.process.stdout is not None
        while b"\n" not in self._buffer:
            piece = await self.process.stdout.receive_some()
            if not piece:
                raise AssertionError(f"{self.process.args!r} has ended")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    async def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            await self.process.stdin.send_all(line.encode() + b"\n")
        except trio.BrokenResourceError:
            raise AssertionError(f"{self.process.args!r} has ended") from None

    async def ask(self, question: str) -> Any:
        await self.tell(question)
        return json.loads(await self.line())


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[Program]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Program(process)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("it has no resident set")


async def metrics(port: int) -> dict[str, float]:
    """The server's metrics; whoever asked too often before has to wait for them."""
    while True:
        data = b""
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(b"GET /metrics HTTP/1.0\r\n\r\n")
                async for piece in stream:
                    data += piece
        except (trio.BrokenResourceError, OSError):
            data = b""
        if data.startswith(b"HTTP/1.1 200"):
            break
        await trio.sleep(0.2)
    lines = (line.rpartition(" ") for line in data.decode().splitlines() if line[:1] == "t")
    return {name: float(value) for name, _, value in lines}


async def limits_told(port: int) -> set[str]:
    """Which limits of the server somebody has been told of."""
    prefix = "trio_rtc_over_limit_total{limit="
    return {
        name.removeprefix(prefix).strip('"}')
        for name, value in (await metrics(port)).items()
        if name.startswith(prefix) and value
    }


async def measure(
    name: str, *, quiet: float, seconds: float, size: float = 1, told: Set[str] = frozenset()
) -> Outcome:
    """Attack a fresh server for a time, and until these limits have been told to somebody."""
    # They are started together: each takes a second of its own to come up.
    async with (
        program(
            "trio_rtc", "server", "--host", "127.0.0.1", "--port", "0", "--log-level", "error"
        ) as server,
        program("tests.attacks.good_pair") as pair,
    ):
        async with program("tests.attacks.attacker") as attacker:
            url = (await server.line()).split()[-1]
            port = int(url.rpartition(":")[2].strip("/"))
            await pair.tell(f"ws://127.0.0.1:{port}")
            assert await pair.line() == "ready"
            await trio.sleep(0.2)
            await pair.ask("begin")
            await trio.sleep(quiet)
            before = (await pair.ask("quiet"))["took"]
            await attacker.tell(json.dumps([name, port, size]))
            assert await attacker.line() == "begins"
            await trio.sleep(seconds)
            while told and not told <= await limits_told(port):  # noqa: ASYNC110
                await trio.sleep(0.1)
            if attacker.process.poll() is not None:
                raise AssertionError(f"the attack {name!r} has ended before its time")
        pairs = await pair.ask("end")
        memory = resident_mib(server.process.pid)
        counted = await metrics(port)
        limits = await limits_told(port)
    return Outcome(
        memory_mib=memory,
        quiet=sorted(1000 * took for took in before),
        attacked=sorted(1000 * took for took in pairs["took"]),
        lost=pairs["lost"],
        over_limit=limits,
        failures=int(counted["trio_rtc_failures_total"]),
    )  # fmt: skip


def row(name: str, outcome: Outcome) -> str:
    times = []
    for values in (outcome.quiet, outcome.attacked):
        figures = (quantile(values, 0.5), quantile(values, 0.99), max(values, default=math.nan))
        times.append(" / ".join(f"{figure:.1f}" for figure in figures))
    return f"| {name} | {outcome.memory_mib:.0f} | {times[0]} | {times[1]} | {outcome.lost} |"


def head() -> str:
    return (
        "| attack | resident, MiB | quiet: p50 / p99 / max, ms | attacked | lost |\n"
        "|---|---|---|---|---|"
    )


async def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*ATTACKS], help="which attacks; all of them")
    parser.add_argument("--seconds", type=float, default=60, help="how long each lasts")
    parser.add_argument("--quiet", type=float, default=5, help="how long it is quiet before")
    options = parser.parse_args()
    print(head())
    held = True
    for name in options.names:
        outcome = await measure(name, quiet=options.quiet, seconds=options.seconds)
        print(row(name, outcome), flush=True)
        slower = quantile(outcome.attacked, 0.99) / quantile(outcome.quiet, 0.99)
        held &= outcome.memory_mib < MEMORY_BAR_MIB and slower < SLOWER_BAR and not outcome.lost
    print(
        "all within the bar" if held else "NOT within the bar",
        f"({MEMORY_BAR_MIB} MiB, p99 below {SLOWER_BAR} times the quiet one, none lost)",
    )
    return held


if __name__ == "__main__":
    sys.exit(0 if trio.run(main) else 1)

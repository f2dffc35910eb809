"""Mutants of the machines without I/O: each a small change that some test should notice.

The tests of a machine run once, to see which of them reach which lines and how long they take.
Then each mutant is imported in a process of its own in the place of the module, and those tests run
that reach its line, those of the quickest files first, until one fails. No file is written. Who
survives is a hole in the tests, or makes no difference; of these `equivalents.py` has a list.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from math import ceil
from pathlib import Path
from types import CodeType
from typing import Any, Final

# What many tests need is there before each of them; of ours there must be nothing.
import aiortc  # noqa: F401
import coverage
import httpx  # noqa: F401
import pytest
import trio.testing  # noqa: F401
import trio_websocket  # noqa: F401
from equivalents import EQUIVALENT
from hypothesis import Phase, settings
from machines import MACHINES
from mutations import Mutation, some

ROOT: Final = Path(__file__).resolve().parent.parent

QUICK_SECONDS: Final = 0.5


@dataclass
class Baseline:
    """What the tests do without a mutant.

    Attributes:
        reaching: the tests that reach each line of each file.
        seconds: how long each test takes.
    """

    reaching: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as trio_rtc/wire/rate.py")
    parser.add_argument("--count", type=int, default=25, help="mutants of each module")
    parser.add_argument("--seed", default="7", help="which of all there are")
    parser.add_argument("--tests", nargs="+", help="with these, for modules that are given")
    parser.add_argument("--most", type=float, default=20, help="seconds of tests for a mutant")
    options = parser.parse_args()
    os.chdir(ROOT)
    total: Counter[str] = Counter()
    for modules, tests in _chosen(options.modules, options.tests):
        baseline = _in_child(partial(_measure, modules, tests), limit=1800)
        if not isinstance(baseline, Baseline):
            print(f"the tests fail without any mutant: {' '.join(tests)}", flush=True)
            total["error"] += 1
            continue
        for module in modules:
            total += _try_module(module, baseline, options)
    _print("all", total)
    return 1 if total.keys() - {"killed", "hung", "equivalent"} else 0


def _chosen(
    given: Sequence[str], tests: Sequence[str] | None
) -> list[tuple[list[Path], Sequence[str]]]:
    wanted = {Path(path).resolve() for path in given}
    if tests:
        return [(sorted(wanted), tests)]
    chosen: list[tuple[list[Path], Sequence[str]]] = []
    known: set[Path] = set()
    for patterns, own in MACHINES:
        paths = {
            path
            for pattern in patterns
            for path in (ROOT / "trio_rtc").glob(f"{pattern}.py")
            if path.name != "__init__.py"
        }
        known |= paths
        if given:
            paths &= wanted
        if paths:
            chosen.append((sorted(paths), own))
    if wanted - known:
        sys.exit(f"--tests is needed for {', '.join(map(str, sorted(wanted - known)))}")
    return chosen


def _try_module(path: Path, baseline: Baseline, options: argparse.Namespace) -> Counter[str]:
    counted: Counter[str] = Counter()
    name = str(path.relative_to(ROOT))
    reaching = baseline.reaching.get(str(path), {})
    lines = path.read_text().splitlines()
    known = EQUIVALENT.get(str(path.relative_to(ROOT / "trio_rtc").with_suffix("")), {})
    for mutation in some(path.read_text(), options.count, f"{options.seed} {name}"):
        tests = sorted(reaching.get(mutation.line, ()))
        change = lines[mutation.line - 1].strip(), mutation.before, mutation.after
        if change in known:
            verdict = "equivalent"
        else:
            verdict = _try(path, mutation, tests, baseline, options.most)
        counted[verdict] += 1
        if verdict not in ("killed", "hung", "equivalent"):
            print(f"{verdict}: {name}:{mutation.line}: {mutation.before} -> {mutation.after}")
            print(flush=True, end="")
    _print(name, counted)
    return counted


def _print(name: str, counted: Counter[str]) -> None:
    detail = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counted.items()))
    print(f"{name}: {counted.total()} mutants: {detail}", flush=True)


def _try(path: Path, mutation: Mutation, tests: list[str], baseline: Baseline, most: float) -> str:
    if not tests:
        return "unreached"
    status: Any = 0
    for part in _in_parts(tests, baseline, most):
        seconds = sum(baseline.seconds[test] for test in part)
        work = partial(_run_tests, path, mutation.source, part)
        status = _in_child(work, 30 + 20 * seconds, processor=5 + ceil(5 * seconds))
        if status != 0:
            break
    # 1: a test fails. 2 or 4: the module or a test cannot be imported. None: nobody waits for ever.
    return {0: "survived", 1: "killed", 2: "killed", 4: "killed", None: "hung"}.get(
        status, f"error {status}"
    )


def _in_parts(tests: Sequence[str], baseline: Baseline, most: float) -> Iterator[list[str]]:
    """The tests of the files that are done soonest, and then the others."""
    of_files: dict[str, float] = defaultdict(float)
    for test in tests:
        of_files[test.partition("::")[0]] += baseline.seconds[test]
    files = sorted(of_files, key=lambda name: of_files[name])
    quick = {name for at, name in enumerate(files) if not at or of_files[name] < QUICK_SECONDS}
    seconds = 0.0
    parts: tuple[list[str], list[str]] = [], []
    for test in sorted(tests, key=lambda test: baseline.seconds[test]):
        seconds += baseline.seconds[test]
        if seconds < most or not any(parts):
            parts[test.partition("::")[0] not in quick].append(test)
    return (part for part in parts if part)


def _in_child(work: Callable[[], Any], limit: float, processor: int | None = None) -> Any:
    """Do this in a process that has nothing of ours yet; None if it takes longer.

    `processor` is how many seconds of one it may take: what goes round in circles is told from what
    another load makes slow, and ends sooner.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        if processor is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(), pipe)
        os._exit(0)
    os.close(writing)
    os.set_blocking(reading, False)
    data, deadline, open_ = b"", time.monotonic() + limit, True
    while open_ and time.monotonic() < deadline:
        try:
            piece = os.read(reading, 1 << 20)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        data += piece
        open_ = bool(piece)
    os.close(reading)
    # With it goes whatever its tests have started.
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return pickle.loads(data) if data and not open_ else None


def _pytest(arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    # The same examples for each mutant; none is made smaller, as nobody looks at it.
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile(
        "mutants", deadline=None, database=None, derandomize=True, phases=phases
    )
    # Our own plugin has pytest import the package itself, to rewrite it, and would have it be what
    # stands in the files.
    quiet = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-n0",
        "--hypothesis-profile=mutants",
        "--assert=plain",
    ]
    # Its plugin is there before pytest is.
    quiet += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*quiet, *arguments], plugins=list(plugins)))


class _Contexts:
    """Tells coverage which test runs, and how long each takes."""

    def __init__(self, measured: coverage.Coverage, baseline: Baseline):
        self._coverage = measured
        self._baseline = baseline

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._coverage.switch_context(item.nodeid)
        # Of the processor: what else the machine does is not to choose the tests.
        began = time.process_time()
        done = yield
        self._baseline.seconds[item.nodeid] = time.process_time() - began
        return done


def _measure(paths: Sequence[Path], tests: Sequence[str]) -> Baseline | None:
    baseline = Baseline()
    measured = coverage.Coverage(
        data_file=None, config_file=False, include=[str(path) for path in paths]
    )
    measured.start()
    status = _pytest(tests, [_Contexts(measured, baseline)])
    measured.stop()
    data = measured.get_data()
    for path in data.measured_files():
        lines = data.contexts_by_lineno(path)
        reaching = {line: set(known) - {""} for line, known in lines.items()}
        # What runs while a module is imported, for all of its tests.
        everybody = set().union(*reaching.values())
        baseline.reaching[path] = {
            line: reaching[line] or (everybody if known else set()) for line, known in lines.items()
        }
    return None if status else baseline


class _Loader(MetaPathFinder, Loader):
    """Imports a mutant in the place of a module."""

    def __init__(self, path: Path, source: str):
        self._name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        self._path = str(path)
        self._code: CodeType = compile(source, self._path, "exec")

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(self._code, vars(module))


def _run_tests(path: Path, source: str, tests: Sequence[str]) -> int:
    assert "trio_rtc" not in sys.modules
    sys.meta_path.insert(0, _Loader(path, source))
    return _pytest(["-x", *tests])


if __name__ == "__main__":
    sys.exit(main())

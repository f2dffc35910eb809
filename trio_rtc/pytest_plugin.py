"""Simulations in pytest: a marker, and a fixture, that do nothing in tests that do not use them.

A test with ``@pytest.mark.simulation(seeds=50)`` is an async function with the fixture
`simulated_network`, which is run once for each seed. ``--simulation-seeds`` sets how many for all
such tests, and ``--simulation-seed`` runs one that has failed again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

MARKER = "simulation"
FIXTURE = "simulated_network"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("trio-rtc")
    group.addoption(
        "--simulation-seeds", type=int, metavar="N", help="seeds of each simulated test, from 0"
    )
    group.addoption(
        "--simulation-seed", type=int, metavar="S", help="run simulated tests with this seed only"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "simulation(seeds=20, **options): run the test in simulations "
        "(trio_rtc.testing.simulate), with the fixture simulated_network",
    )


@pytest.fixture
def simulated_network() -> None:
    """The network of a simulated test, new for each seed (`trio_rtc.testing.Network`)."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker(MARKER)
        if marker is not None and isinstance(item, pytest.Function):
            item.obj = _simulated(item, marker, config)


def _simulated(
    item: pytest.Function, marker: pytest.Mark, config: pytest.Config
) -> Callable[..., None]:
    test = item.obj
    if not inspect.iscoroutinefunction(test) or FIXTURE not in item.fixturenames:
        raise pytest.UsageError(
            f"{item.nodeid}: a simulated test is an async function with the fixture {FIXTURE}"
        )
    options: dict[str, Any] = dict(marker.kwargs)
    seeds = options.pop("seeds", 20)
    if (one := config.getoption("--simulation-seed")) is not None:
        seeds = [one]
    elif (count := config.getoption("--simulation-seeds")) is not None:
        seeds = count

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        from .testing import simulate

        async def program(network: object) -> None:
            await test(*args, **{**kwargs, FIXTURE: network})

        simulate(program, seeds, **options)

    return run

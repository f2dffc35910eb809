"""``trio-rtc load``: peers by the number, and what is told of them."""

from __future__ import annotations

import pytest

from trio_rtc import ServerLimits
from trio_rtc.cli.calling.load_report import LoadReport, percentile

from ..processes import command
from ..server.harness import tcp_server


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (50, 2), (51, 3), (75, 3), (76, 4), (99, 4), (100, 4)]
)
def test_percentiles_are_values_that_there_were(percent: float, value: float) -> None:
    assert percentile([4, 2, 3, 1], percent) == value


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_the_table() -> None:
    report = LoadReport()
    report.expect("signed in", 3)
    report.done("signed in", 0.001)
    report.done("signed in", 0.1)
    report.failed("signed in", "server_full")
    report.expect("connected")
    assert report.table() == [
        "             done     p50       p95       p99       max",
        "signed in  2 of 3  1.0 ms  100.0 ms  100.0 ms  100.0 ms",
        "connected  0 of 1",
        "signed in: server_full (1)",
    ]
    assert report.figures()["signed in"] == {
        "wanted": 3, "done": 2, "p50_ms": 1.0, "p95_ms": 100.0, "p99_ms": 100.0, "max_ms": 100.0,
    }  # fmt: skip
    assert report.figures()["connected"]["p50_ms"] is None
    assert report.errors() == [{"what": "signed in", "code": "server_full", "count": 1}]


TALK = ("--seconds", "1.5", "--interval", "0.1", "--json")


@pytest.mark.parametrize("how", [[], ["--no-calls"]])
async def test_peers_that_talk(how: list[str]) -> None:
    async with tcp_server() as port:
        url = f"ws://127.0.0.1:{port}"
        async with command("load", "--peers", "5", "--server", url, *how, *TALK) as load:
            assert await load.exit_status() == 0, load.errors
    result = await load.event("result")
    figures = result["figures"]
    assert figures["signed in"]["done"] == 5
    assert result["errors"] == []
    assert figures["answered"]["done"] == figures["answered"]["wanted"] >= 2
    assert figures["answered"]["p50_ms"] > 0
    if not how:
        assert figures["connected"]["done"] == figures["connected"]["wanted"] == 2
    assert [event["event"] for event in load.events] == ["joining", "talking", "result"]


async def test_a_server_that_has_no_place() -> None:
    async with tcp_server(limits=ServerLimits(peers=3)) as port:
        url = f"ws://127.0.0.1:{port}"
        async with command("load", "--peers", "4", "--server", url, "--seconds", "0.2") as load:
            assert await load.exit_status() == 1
    assert load.errors.count("\n") == 3, load.errors
    assert load.errors.splitlines()[-1] == "trio-rtc load: 1 things have failed"
    assert any("3 of 4" in line for line in load.lines)


async def test_an_interrupt_ends_with_the_table() -> None:
    async with tcp_server() as port:
        url = f"ws://127.0.0.1:{port}"
        async with command("load", "--peers", "2", "--seconds", "600", "--server", url) as load:
            await load.error("they talk for 600 s")
            load.interrupt()
            assert await load.exit_status() == 130
    assert any(line.startswith("signed in  2 of 2") for line in load.lines)

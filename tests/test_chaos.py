"""A short run of the chaos benchmark: each message is accounted for, whatever happens.

What is to happen meanwhile does in the same run on a simulated network
(tests/testing/test_simulated_chaos.py): here it is a matter of the machine's time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

CHAOS = Path(__file__).parent.parent / "benchmarks" / "chaos.py"
sys.path.insert(0, str(CHAOS.parent))


def test_some_thousand_messages(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            sys.executable, "-W", "error", CHAOS, "--messages", "4000", "--clients", "12",
            "--processes", "2", "--mailbox", "600", "--places", "50", "--json", figures,
        ],
        timeout=280,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(figures.read_text())
    assert result["sent"] == result["delivered"] + result["told"] >= 4000
    assert result["lost"] == result["doubled"] == result["out_of_order"] == 0
    assert result["told_wrongly"] == 0
    assert result["ended"] == []


async def test_a_network_that_is_down_is_up_again_when_faults_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    from chaos_network import Network

    network = Network(0, 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network._go_down, None)
        await trio.testing.wait_all_tasks_blocked()
        assert not network._is_up
        nursery.cancel_scope.cancel()
    assert network._is_up


def account(sent: int, **fields: object) -> dict[str, object]:
    return {"sent": {"bob": sent}, "failed": {}, "dropped": 0, "ended": "", "came": {}, **fields}


def came(last: int, **fields: object) -> dict[str, object]:
    nothing = {"missing": [], "doubled": 0, "out_of_order": 0}
    return {"sent": {}, "failed": {}, "dropped": 0, "ended": "", "came": {
        "alice": {"last": last, **nothing, **fields}}}  # fmt: skip


@pytest.mark.parametrize(
    ("alice", "bob", "wrong"),
    [
        (account(3), came(3), None),
        (account(3, failed={"bob": [2]}), came(3, missing=[2]), None),
        (account(3), came(3, missing=[2]), "lost"),
        (account(3), came(2), "lost"),
        (account(3), came(3, doubled=1), "doubled"),
        (account(3), came(3, out_of_order=1), "out_of_order"),
        (account(3, failed={"bob": [2]}), came(3), "told_wrongly"),
        (account(3, failed={"bob": [2, 2]}), came(3, missing=[2]), "told_wrongly"),
    ],
)
def test_the_account_of_the_run(
    alice: dict[str, object], bob: dict[str, object], wrong: str | None
) -> None:
    from chaos import check

    figures = check({"alice": alice, "bob": bob})
    assert figures.is_well is (wrong is None)
    for name in ("lost", "doubled", "out_of_order", "told_wrongly"):
        assert getattr(figures, name) == int(name == wrong)

"""Servers and Redis are killed and stopped in turn, while everybody sends: see the benchmark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ...redis_server import needs_redis

CHAOS = Path(__file__).parents[3] / "benchmarks" / "cluster_chaos.py"

pytestmark = [
    needs_redis,
    pytest.mark.skipif(
        shutil.which("haproxy") is None and "CI" not in os.environ,
        reason="haproxy is not installed (Debian: apt-get install haproxy)",
    ),
]


@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_or_out_of_order_in_any_chaos() -> None:
    """Each fault once: a server killed, and one stopped; Redis killed, and stopped."""
    run = subprocess.run(
        [sys.executable, str(CHAOS), "--seconds", "8", "--clients", "5", "--rate", "10"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for fault in ("kill a server", "stop a server", "kill Redis", "stop Redis"):
        assert fault in run.stderr

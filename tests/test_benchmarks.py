"""The benchmarks run; what they measure is for people to read."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .peerjs.chromium import MISSING as NO_CHROMIUM

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def _may_make_networks() -> bool:
    try:
        command = ["unshare", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"]
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


needs_networks = pytest.mark.skipif(
    "CI" not in os.environ and not _may_make_networks(),
    reason="this user may not make networks, or there is no unshare or ip",
)


def test_call_setup(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    subprocess.run(
        [
            sys.executable, BENCHMARKS / "call_setup.py", "--quick",
            "--json", figures,
        ],
        check=True,
        timeout=280,
        capture_output=True,
    )  # fmt: skip
    scenarios = json.loads(figures.read_text())
    assert scenarios
    for scenario in scenarios:
        assert {"ours", "plain aiortc"} <= set(scenario["median_ms"])
        assert scenario["ratio"] > 0


def test_channel_memory(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("channel_memory.py", "--mib", "24", "--pause", "0.01", "--json", figures)
    result = json.loads(figures.read_text())
    for side in ("sender", "reader"):
        # Without a limit one of them would keep most of the 24 MiB.
        assert result[side]["peak_mib"] - result[side]["start_mib"] < 12


@pytest.mark.skipif(
    "CI" not in os.environ and not Path("/usr/sbin/sshd").exists(),
    reason="not installed (Debian: apt-get install openssh-server)",
)
def test_transfers() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "transfers.py", "--mib", "1", "--rounds", "1"],
        check=True, timeout=280, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout[done.stdout.index("{") :])["ssh -L takes, by forward"] > 0


def test_call_soak(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("call_soak.py", "--calls", "20", "--at-once", "5", "--json", figures)
    start, *later = json.loads(figures.read_text())
    assert len(later) == 2
    for snapshot in later:
        for name in ("tasks", "threads", "sockets"):
            assert snapshot[name] <= start[name], (name, snapshot, start)


@pytest.mark.parametrize("name", ["data_channel", "signaling", "classic", "idle_memory", "joins"])
def test_benchmark(name: str, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run(f"{name}.py", "--quick", "--json", figures)
    table = json.loads(figures.read_text())
    assert table["rows"]
    for sides in table["rows"].values():
        for figure in sides.values():
            assert len(figure["values"]) == 1


@needs_networks
def test_data_channel_over_ethernet() -> None:
    run("data_channel.py", "--quick", "--mtu", "1280", "1500", "--sides", "plain aiortc", "ours")


def test_media(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("media.py", "--quick", "--json", figures)
    assert json.loads(figures.read_text())["ratios"]["plain aiortc"] > 0


@needs_networks
@pytest.mark.skipif(
    "CI" not in os.environ and not os.access("/dev/net/tun", os.W_OK),
    reason="this user may not open /dev/net/tun",
)
def test_media_quality(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("media_quality.py", "--quick", "--json", figures)
    rows = json.loads(figures.read_text())["rows"]
    assert len(rows) == 10
    for what, sides in rows.items():
        by_times = "hole" in what or "sync" in what
        also = {"libwebrtc"} if importlib.util.find_spec("webrtc") and not by_times else set()
        assert set(sides) == {"ours", "plain aiortc"} | also


def test_voice_drift(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("voice.py", "--quick", "--json", figures, "--sides")
    rows = json.loads(figures.read_text())["rows"]
    for clock in ("+50", "-50"):
        later = rows[f"later at the end, ms, clock {clock} ppm"]["ours"]["median"]
        assert abs(later) < 20


@needs_networks
def test_bottleneck(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("bottleneck.py", "--quick", "--sides", "ours", "--json", figures)
    table = json.loads(figures.read_text())
    assert table["rows"]["of the rate, %"]["ours"]["median"] > 0


def test_relay(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("relay.py", "--quick", "--json", figures)
    rows = json.loads(figures.read_text())["rows"]
    for sides in rows.values():
        assert set(sides) == {"relay", "decoded", "aiortc"}
        assert all(figure["median"] > 0 for figure in sides.values())


def test_encoded(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("encoded.py", "--quick", "--json", figures)
    rows = json.loads(figures.read_text())["rows"]
    assert len(rows) == 2
    for sides in rows.values():
        assert set(sides) == {"encoded", "decoded"}
        assert all(figure["median"] > 0 for figure in sides.values())


def test_filtered_video(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    run("filtered_video.py", "--quick", "--json", figures)
    rows = json.loads(figures.read_text())["rows"]
    assert rows["pictures a second"]["negative"]["median"] > 0


def run(name: str, *arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, BENCHMARKS / name, *arguments],
        check=True,
        timeout=280,
        capture_output=True,
    )


@pytest.mark.skipif(bool(NO_CHROMIUM), reason=NO_CHROMIUM)
def test_page_files(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    subprocess.run(
        [sys.executable, BENCHMARKS / "page_files.py", "--quick", "--json", figures],
        check=True,
        timeout=280,
        capture_output=True,
    )
    measured = json.loads(figures.read_text())["chromium"]
    assert all(len(values) == 1 for values in measured["seconds"].values())
    assert measured["ratio"] > 0

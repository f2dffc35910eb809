"""A capture of a simulation, as Wireshark shows it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from trio_rtc.testing import Link, Network, SimulationFailed, connected_pair, simulate
from trio_rtc.testing.capture import reading

needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None and not os.environ.get("CI"),
    reason="there is no tshark here (apt-get install tshark)",
)


async def says_hello(network: Network) -> None:
    for name in ("alice", "bob"):
        network.host(name, link=Link(delay=0.02))
    async with connected_pair(network) as (call, other), await call.open_channel("chat") as channel:
        await channel.send("hello")
        assert await (await anext(aiter(other.channels))).receive() == "hello"
    raise AssertionError("so that there is a capture")


@needs_tshark
def test_wireshark_shows_data_channels_in_clear(tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed) as caught:
        simulate(says_hello, [7], folder=tmp_path, shrink=False)
    capture = caught.value.capture
    assert capture is not None
    command = reading(capture)
    assert command in str(caught.value)
    done = subprocess.run(
        [*shlex.split(command), "-T", "fields", "-e", "frame.interface_name", "-e",
         "_ws.col.Protocol", "-e", "_ws.col.Info", "-e", "data.data"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    # Each host has what it sent, and what came.
    for name in ("alice", "bob"):
        seen = [line for line in lines if line.startswith(f"{name}\t")]
        assert any("STUN" in line and "Binding Request" in line for line in seen)
        assert any("Client Hello" in line for line in seen)
        assert any("INIT_ACK" in line for line in seen)
    # What comes a second time, as another host sees it, Wireshark does not look into.
    assert "DATA_CHANNEL_OPEN_REQUEST" in done.stdout
    assert b"hello".hex() in done.stdout
    # Nothing is damaged, as it would be by wrong lengths or checksums.
    assert "Malformed" not in done.stdout

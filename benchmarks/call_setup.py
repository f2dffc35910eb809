#!/usr/bin/env python3
"""How long a call takes to set up, beside plain aiortc on asyncio, and libwebrtc as a far mark.

Measured from the start of the call until its first data channel is open, both peers in one
process, messages between them without delay. The sides take turns in one run; printed are
medians, the spread, and the ratio of the medians. ``--json FILE`` writes the same as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiortc
import trio
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from measuring import LIBWEBRTC, has_libwebrtc

from trio_rtc import Peer, Signaling, open_call, serve_calls
from trio_rtc.rtc import IceServer, IceTransportPolicy
from trio_rtc.rtc.backend.ice.host_addresses import host_addresses
from trio_rtc.rtc.bridge.bridge import open_bridge


@dataclass(frozen=True)
class Scenario:
    name: str
    servers: tuple[IceServer, ...] = ()
    relay_only: bool = False


def signaling_pair() -> tuple[Signaling, Signaling]:
    """Two sessions that hand each other what is sent."""
    sessions: dict[int, Signaling] = {}

    def session(own: int, name: str, other: Peer) -> Signaling:
        async def send(to: int, data: bytes) -> int:
            await trio.lowlevel.checkpoint()
            sessions[to].received(own, data)
            return 0

        signaling = Signaling(own, name, send)
        signaling.joined(other)
        sessions[own] = signaling
        return signaling

    return session(1, "caller", Peer(2, "callee")), session(2, "callee", Peer(1, "caller"))


async def ours(scenario: Scenario, rounds: int) -> list[float]:
    """The times of so many calls, in seconds."""
    times: list[float] = []
    policy: IceTransportPolicy = "relay" if scenario.relay_only else "all"
    async with open_bridge(), trio.open_nursery() as nursery:
        for _ in range(rounds):
            caller, callee = signaling_pair()

            async def answer(
                task_status: trio.TaskStatus[None], callee: Signaling = callee
            ) -> None:
                await serve_calls(
                    lambda call: call.wait_ended(),
                    callee,
                    ice_servers=scenario.servers,
                    ice_transport_policy=policy,
                    task_status=task_status,
                )

            await nursery.start(answer)
            start = time.perf_counter()
            async with open_call(
                caller,
                2,
                receive=(),
                ice_servers=scenario.servers,
                ice_transport_policy=policy,
            ) as call:
                await call.open_channel("benchmark")
                times.append(time.perf_counter() - start)
        nursery.cancel_scope.cancel()
    return times


async def plain(aiortc: Any, scenario: Scenario, rounds: int) -> list[float]:
    """The same with aiortc alone, as its examples use it, or what has its interface."""
    times: list[float] = []
    for _ in range(rounds):
        configuration = aiortc.RTCConfiguration(
            iceServers=[
                aiortc.RTCIceServer(list(s.url_list), s.username, s.credential)
                for s in scenario.servers
            ]
        )
        if scenario.relay_only:
            configuration.iceTransportPolicy = RTCIceTransportPolicy.RELAY
        start = time.perf_counter()
        caller = aiortc.RTCPeerConnection(configuration)
        callee = aiortc.RTCPeerConnection(configuration)
        channel = caller.createDataChannel("benchmark")
        opened = asyncio.Event()
        channel.on("open", opened.set)
        await caller.setLocalDescription()
        await callee.setRemoteDescription(caller.localDescription)
        await callee.setLocalDescription()
        await caller.setRemoteDescription(callee.localDescription)
        await asyncio.wait_for(opened.wait(), 60)
        times.append(time.perf_counter() - start)
        await caller.close()
        await callee.close()
    return times


@contextlib.contextmanager
def silent_server(address: str) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        yield f"{address}:{sock.getsockname()[1]}"


@contextlib.contextmanager
def coturn(address: str) -> Iterator[IceServer | None]:
    """A TURN server; None where coturn is not installed."""
    command = shutil.which("turnserver")
    if command is None:
        yield None
        return
    # Below the ports that the system hands out; it is needed for UDP and for TCP.
    port = random.randrange(20000, 32000)
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                command, "-n", "--listening-ip", address, "--listening-port", str(port),
                "--relay-ip", address, "--lt-cred-mech", "--user", "u:p", "--realm", "r",
                "--no-tls", "--no-dtls", "--no-cli", "--simple-log",
                "--log-file", f"{folder}/log", "--pidfile", f"{folder}/pid",
                "--userdb", f"{folder}/db",
            ],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection((address, port)):
                    break
                time.sleep(0.05)
            yield IceServer(f"turn:{address}:{port}?transport=udp", "u", "p")
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def distant(address: str, turn: IceServer) -> Iterator[tuple[IceServer, ...]]:
    """The same server as STUN and TURN server, 100 ms away there and back."""
    port = turn.url_list[0].split(":")[2].partition("?")[0]
    process = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "delay.py", address, port, "--milliseconds", "50"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        far = f"{address}:{process.stdout.readline().strip()}"
        yield (
            IceServer(f"stun:{far}"),
            IceServer(f"turn:{far}?transport=udp", turn.username, turn.credential),
        )
    finally:
        process.terminate()
        process.communicate()


def measure(scenario: Scenario, turns: int, rounds: int) -> dict[str, object]:
    sides: dict[str, Callable[[], list[float]]] = {
        "ours": lambda: trio.run(ours, scenario, rounds),
        "plain aiortc": lambda: asyncio.run(plain(aiortc, scenario, rounds)),
    }
    # With the interface of aiortc it has no policy.
    if has_libwebrtc() and not scenario.relay_only:
        libwebrtc = importlib.import_module(LIBWEBRTC)
        sides["wrtc"] = lambda: asyncio.run(plain(libwebrtc, scenario, rounds))
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns):
        for name, side in sides.items():
            times[name] += side()
    medians = {name: statistics.median(values) * 1000 for name, values in times.items()}
    print(f"{scenario.name:36}", end="")
    for name, values in times.items():
        low, high = min(values) * 1000, max(values) * 1000
        print(f"{name}: {medians[name]:8.1f} ms ({low:.0f} to {high:.0f})   ", end="")
    ratio = medians["plain aiortc"] / medians["ours"]
    print(f"{ratio:6.2f} times as fast", flush=True)
    return {"scenario": scenario.name, "median_ms": medians, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often the sides take turns")
    parser.add_argument("--rounds", type=int, default=2, help="calls of one side in its turn")
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.turns = arguments.rounds = 1
    address = next(address for address in host_addresses() if ":" not in address)
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(silent_server(address))
        turn = stack.enter_context(coturn(address))
        scenarios = [Scenario("no servers")]
        if not arguments.quick:  # aiortc waits for it.
            scenarios.append(
                Scenario("a STUN server that does not answer", (IceServer(f"stun:{silent}"),))
            )
        if turn is not None:
            far = stack.enter_context(distant(address, turn))
            scenarios += [
                Scenario("TURN", (turn,)),
                Scenario("relay only", (turn,), relay_only=True),
                Scenario("STUN and TURN at 100 ms round trip", far),
                Scenario("relay only at 100 ms round trip", far, relay_only=True),
            ]
        results = [measure(scenario, arguments.turns, arguments.rounds) for scenario in scenarios]
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

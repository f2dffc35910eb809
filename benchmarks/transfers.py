#!/usr/bin/env python3
"""One file by trio-rtc and by magic-wormhole, and one TCP connection by trio-rtc and by ``ssh -L``.

Programs are processes on this machine, each kind with a server of its own. In each turn all sides
come one after the other. For a file it is the time from the start of the receiving program to its
end, which is what people wait for; for a connection the time in which the bytes come through a
tunnel that stands.

    python3 -m venv wormhole
    wormhole/bin/pip install magic-wormhole magic-wormhole-mailbox-server
    benchmarks/transfers.py --wormhole wormhole/bin

ssh takes openssh-server. croc is in none of the package registries that this installs from.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

MIB = 2**20
DEVNULL = subprocess.DEVNULL

#: What takes longer has stopped: that is an error, which says where.
PATIENCE_SECONDS = 60
SENDER_SECONDS = 2.0
"""Until the one who sends by wormhole is there, which it does not tell programs."""
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def running(*command: object, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A program during the block."""
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until_listening(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens at {port}")


def line_with(process: subprocess.Popen[str], mark: str) -> str:
    """The first line of output with this in it."""
    assert process.stdout is not None
    patience = threading.Timer(PATIENCE_SECONDS, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            if mark in line:
                return line
    finally:
        patience.cancel()
    raise EOFError(f"{process.args!r} has not said {mark!r}")


def timed(*command: object, **options: object) -> float:
    began = time.perf_counter()
    subprocess.run(
        list(map(str, command)), check=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE_SECONDS,
        **options,  # type: ignore[call-overload]
    )  # fmt: skip
    return time.perf_counter() - began


class Ours:
    """trio-rtc send and receive."""

    def __init__(self, stack: ExitStack, folder: Path):
        self._folder = folder
        port = free_port()
        stack.enter_context(
            running(BIN / "trio-rtc", "server", "--host", "127.0.0.1", "--port", str(port))
        )
        until_listening(port)
        self.url = f"ws://127.0.0.1:{port}"

    def transfer(self, file: Path) -> float:
        at = ["--server", self.url]
        with running(
            BIN / "trio-rtc", "send", file, *at, "--json", stdout=subprocess.PIPE
        ) as sender:
            code = json.loads(line_with(sender, '"code"'))["code"]
            return timed(BIN / "trio-rtc", "receive", "--yes", "--folder", self._folder, code, *at)


class Wormhole:
    """wormhole send and receive, with a mailbox server of its own, and without a relay."""

    def __init__(self, stack: ExitStack, folder: Path, programs: Path):
        self._folder, self._wormhole = folder, programs / "wormhole"
        self._number = 0
        port = free_port()
        listen = f"--port=tcp:{port}:interface=127.0.0.1"
        database = f"--channel-db={folder}/mailbox.sqlite"
        stack.enter_context(
            running(programs / "twist", "wormhole-mailbox", listen, database, stdout=DEVNULL)
        )
        until_listening(port)
        self._at = ["--relay-url", f"ws://127.0.0.1:{port}/v1", "--transit-helper", ""]

    def transfer(self, file: Path) -> float:
        self._number += 1
        code = f"{self._number}-one-two"
        send = [self._wormhole, *self._at, "send", "--no-qr", "--code", code, file]
        receive = [self._wormhole, *self._at, "receive", "--accept-file", code]
        with running(*send, stdout=DEVNULL, stderr=DEVNULL) as sender:
            time.sleep(SENDER_SECONDS)
            seconds = timed(*receive, cwd=self._folder)
            sender.wait()
        return seconds


class Source:
    """A TCP server that sends so many bytes to everybody."""

    def __init__(self, stack: ExitStack, size: int):
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = listener.getsockname()[1]
        self.size = size
        self._block = os.urandom(MIB)
        threading.Thread(target=self._serve, args=[listener], daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._send, args=[connection], daemon=True).start()

    def _send(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            for start in range(0, self.size, MIB):
                connection.sendall(self._block[: self.size - start])

    def read_at(self, port: int) -> float:
        """Seconds until all of it has come through this port."""
        buffer = bytearray(MIB)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            began, left = time.perf_counter(), self.size
            while count := connection.recv_into(buffer):
                left -= count
            seconds = time.perf_counter() - began
        assert not left, f"{left} bytes are missing"
        return seconds


def our_tunnel(stack: ExitStack, url: str, to: int) -> int:
    """A port from which trio-rtc forward leads to another."""
    at = free_port()
    words = [BIN / "trio-rtc", "forward", "--server", url, "--json"]
    waiting = stack.enter_context(
        running(*words, "--allow", f"127.0.0.1:{to}", stdout=subprocess.PIPE)
    )
    code = json.loads(line_with(waiting, '"code"'))["code"]
    caller = stack.enter_context(
        running(*words, "-L", f"{at}:127.0.0.1:{to}", code, stdout=subprocess.PIPE)
    )
    line_with(caller, '"forwarding"')
    return at


def ssh_tunnel(stack: ExitStack, folder: Path, to: int) -> int:
    """A port from which ssh leads to another."""
    at, port = free_port(), free_port()
    for name in ("host", "user"):
        timed("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name)
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    stack.enter_context(running("/usr/sbin/sshd", "-D", "-f", folder / "config"))
    until_listening(port)
    options = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known"]
    options += ["-o", "LogLevel=ERROR", "-i", str(folder / "user"), "-p", str(port)]
    # It goes into the background once it listens: who only looked whether it does would be a
    # connection through it, and those that end at once have been seen to hold up the next one.
    control = [*options, "-S", folder / "control", f"{getpass.getuser()}@127.0.0.1"]
    forward = ["-f", "-N", "-M", "-o", "ExitOnForwardFailure=yes", "-L", f"{at}:127.0.0.1:{to}"]
    timed("ssh", "-F", "none", *forward, *control)
    stack.callback(timed, "ssh", "-F", "none", "-O", "exit", *control)
    return at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mib", type=int, default=100, help="how large the file is")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--wormhole", type=Path, metavar="BIN", help="where its programs are")
    arguments = parser.parse_args()
    size = arguments.mib * MIB
    seconds: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "file"
        file.write_bytes(os.urandom(size))
        here = folder / "here"
        here.mkdir()
        ours = Ours(stack, here)
        sides: dict[str, Callable[[], float]] = {"send": lambda: ours.transfer(file)}
        if arguments.wormhole is not None:
            wormhole = Wormhole(stack, here, arguments.wormhole)
            sides["wormhole"] = lambda: wormhole.transfer(file)
        source = Source(stack, size)
        at, at_ssh = (
            our_tunnel(stack, ours.url, source.port),
            ssh_tunnel(stack, folder, source.port),
        )
        sides["forward"] = lambda: source.read_at(at)
        sides["ssh -L"] = lambda: source.read_at(at_ssh)
        for _ in range(arguments.rounds):
            for name, run in sides.items():
                seconds.setdefault(name, []).append(run())
                for path in here.glob("file*"):
                    path.unlink()
    result: dict[str, object] = {"mib": arguments.mib}
    for name, values in seconds.items():
        result[f"{name}, s"] = [round(value, 2) for value in values]
    for own, other in [("send", "wormhole"), ("forward", "ssh -L")]:
        if other in seconds:
            ratios = [b / a for a, b in zip(seconds[own], seconds[other], strict=True)]
            result[f"{other} takes, by {own}"] = round(statistics.median(ratios), 2)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

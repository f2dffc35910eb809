#!/usr/bin/env python3
"""The classic protocol: from a POST to the delivery at a hanging GET, with many who wait.

Told is the server's CPU time for a message, and how long a message takes, beside the same with
10 peers. The peer that sends keeps its connection, or opens one for each message; the one that
waits asks again after each.
"""

from __future__ import annotations

import socket
import time

from measuring import Table, arguments, cpu_seconds
from signaling_servers import SERVERS, running

BODY = b"x" * 331


class Client:
    """A connection to the server, which answers one request after the other."""

    def __init__(self, port: int):
        self._port = port
        self._buffer = b""
        self.sock = self._connect()

    def _connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def renew(self) -> None:
        self.sock.close()
        self.sock = self._connect()

    def ask(self, request: str, body: bytes = b"") -> None:
        head = f"{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.sock.sendall(head.encode() + body)

    def answer(self) -> tuple[bytes, bytes]:
        """The head and the body of the next answer."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        while len(rest) < size:
            self._more()
            rest = self._buffer.partition(b"\r\n\r\n")[2]
        self._buffer = rest[size:]
        return head, rest[:size]

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server has closed a connection")
        self._buffer += data


class Peer(Client):
    """A peer that is signed in."""

    def __init__(self, port: int, name: str):
        super().__init__(port)
        self.ask(f"GET /sign_in?{name}")
        head, _ = self.answer()
        self.id = int(head.split(b"Pragma: ")[1].split(b"\r\n")[0])

    def wait(self) -> None:
        """Have a GET hang."""
        self.ask(f"GET /wait?peer_id={self.id}&notices=256")


def seconds_until_all_know(port: int, crowd: int, notices: int) -> float:
    """How long it takes until so many have signed in, and each has heard of all others."""
    start = time.perf_counter()
    peers = [Peer(port, f"peer{number}") for number in range(crowd)]
    unknown = {peer: crowd - 1 - at for at, peer in enumerate(peers[:-1])}
    while unknown:
        for peer in unknown:
            peer.ask(f"GET /wait?peer_id={peer.id}&notices={notices}")
        for peer in list(unknown):
            unknown[peer] -= peer.answer()[1].count(b"\n")
            if not unknown[peer]:
                del unknown[peer]
    for peer in peers:
        peer.sock.close()
    return time.perf_counter() - start


def settle(peers: list[Peer]) -> None:
    """Fetch all notices of who has come, until every peer has a GET that hangs."""
    for peer in peers:
        peer.wait()
    waiting = True
    while waiting:
        waiting = False
        time.sleep(0.1)
        for peer in peers:
            peer.sock.setblocking(False)
            try:
                peer._more()
            except BlockingIOError:
                continue
            finally:
                peer.sock.settimeout(60)
            waiting = True
            peer.answer()
            peer.wait()


def rest(pid: int) -> None:
    """Wait until the server has nothing left to do: the last of those GETs are work, too."""
    used = -1.0
    while used < (used := cpu_seconds(pid)):
        time.sleep(0.5)


def run(port: int, pid: int, crowd: int, messages: int, keep_alive: bool) -> tuple[float, float]:
    """Microseconds of CPU for a message, and the 99th percentile of its way, in milliseconds."""
    peers = [Peer(port, f"peer{number}") for number in range(crowd)]
    settle(peers)
    rest(pid)
    receiver, sender = peers[0], Client(port)
    times: list[float] = []
    cpu = cpu_seconds(pid)
    for _ in range(messages):
        if not keep_alive:
            sender.renew()
        start = time.perf_counter()
        sender.ask(f"POST /message?peer_id={peers[1].id}&to={receiver.id}", BODY)
        while receiver.answer()[1] != BODY:
            # A notice that somebody has come.
            receiver.wait()
        times.append(time.perf_counter() - start)
        receiver.wait()
        sender.answer()
    used = cpu_seconds(pid) - cpu
    for client in (*peers, sender):
        client.sock.close()
    return used / messages * 1e6, sorted(times)[int(len(times) * 0.99)] * 1e3


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--peers", type=int, nargs="+", default=[10, 100, 400, 900])
    options = parser.parse_args()
    crowds = [3, 10] if options.quick else options.peers
    messages = 20 if options.quick else 4000
    table = Table("classic protocol", f"{crowds[0]} peers")
    for _ in range(1 if options.quick else options.turns):
        for keep_alive in (True, False):
            how = "keep-alive" if keep_alive else "new connections"
            for crowd in crowds:
                with running(SERVERS["ours"]) as (port, pid):
                    cost, late = run(port, pid, crowd, messages, keep_alive)
                table.add(f"{how}: CPU of the server for a message, us", f"{crowd} peers", cost)
                table.add(f"{how}: 99th percentile, ms", f"{crowd} peers", late)
        for notices in (1, 256):
            for crowd in crowds:
                with running(SERVERS["ours"]) as (port, _):
                    took = seconds_until_all_know(port, crowd, notices)
                table.add(f"all signed in and told, {notices} at once: s", f"{crowd} peers", took)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A UDP port in front of another, which holds each datagram for a while, both ways.

It stands for the distance to a STUN or TURN server. Prints the port that it has taken.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import selectors
import socket
import time

Address = tuple[str, int]


class Delay:
    """One socket towards the clients, and one towards the target for each of them."""

    def __init__(self, address: str, target: Address, seconds: float):
        self._target = target
        self._seconds = seconds
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind((address, 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._front, selectors.EVENT_READ, None)
        self._backs: dict[Address, socket.socket] = {}
        self._held: list[tuple[float, int, socket.socket, bytes, Address]] = []
        self._count = itertools.count()

    @property
    def port(self) -> int:
        port: int = self._front.getsockname()[1]
        return port

    def run(self) -> None:
        while True:
            timeout = max(0.0, self._held[0][0] - time.monotonic()) if self._held else None
            for key, _ in self._selector.select(timeout):
                self._take(key)
            while self._held and self._held[0][0] <= time.monotonic():
                _, _, sock, data, address = heapq.heappop(self._held)
                sock.sendto(data, address)

    def _take(self, key: selectors.SelectorKey) -> None:
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        data, source = sock.recvfrom(65536)
        if key.data is None:
            self._hold(self._back(source), data, self._target)
        else:
            self._hold(self._front, data, key.data)

    def _back(self, client: Address) -> socket.socket:
        if client not in self._backs:
            back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            back.bind((self._target[0], 0))
            self._selector.register(back, selectors.EVENT_READ, client)
            self._backs[client] = back
        return self._backs[client]

    def _hold(self, sock: socket.socket, data: bytes, address: Address) -> None:
        due = time.monotonic() + self._seconds
        heapq.heappush(self._held, (due, next(self._count), sock, data, address))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="where to listen, and where the target does")
    parser.add_argument("port", type=int, help="of the target")
    parser.add_argument("--milliseconds", type=float, default=50, help="each way")
    arguments = parser.parse_args()
    target = (arguments.address, arguments.port)
    delay = Delay(arguments.address, target, arguments.milliseconds / 1000)
    print(delay.port, flush=True)
    delay.run()


if __name__ == "__main__":
    main()

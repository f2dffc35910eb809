#!/usr/bin/env python3
"""What joining costs our signaling server: into one room, and into many of two peers each.

In a room everybody hears of everybody: there a join costs more the more peers there are. In a
room of two it must not matter how many others the server has.
"""

from __future__ import annotations

import time

from measuring import Table, arguments, cpu_seconds
from signaling_load import Peer
from signaling_servers import SERVERS, running


def joins(crowd: int, rooms: bool, measured: int) -> tuple[float, float]:
    """Joins per second, and microseconds of CPU of the server for each, with so many peers."""
    server = SERVERS["ours"]

    def open_some(first: int, count: int) -> list[Peer]:
        return [
            Peer(port, server, number, f"room {number // 2}" if rooms else "room")
            for number in range(first, first + count)
        ]

    with running(server) as (port, pid):
        peers = open_some(0, crowd)
        cpu, start = cpu_seconds(pid), time.perf_counter()
        peers += open_some(crowd, measured)
        seconds = time.perf_counter() - start
        used = cpu_seconds(pid) - cpu
        for peer in peers:
            peer.sock.close()
    return measured / seconds, used / measured * 1e6


def main() -> None:
    options = arguments(__doc__).parse_args()
    crowds = (2, 10) if options.quick else (10, 1000)
    measured = 20 if options.quick else 400
    table = Table("joins", f"{crowds[0]} peers")
    for _ in range(1 if options.quick else options.turns):
        for rooms in (True, False):
            where = "rooms of two" if rooms else "one room"
            for crowd in crowds:
                rate, cost = joins(crowd, rooms, measured)
                table.add(f"{where}: joins per second", f"{crowd} peers", rate)
                table.add(f"{where}: CPU of the server for a join, us", f"{crowd} peers", cost)
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What relaying a message costs a signaling server, beside others.

Pairs of peers send each other 331 bytes of JSON over WebSockets, one message at a time or 8.
Told is the CPU time of the server's process for each, and of the process that makes the load,
which has to stay below a whole core.
"""

from __future__ import annotations

import time

from measuring import Table, arguments, cpu_seconds
from signaling_load import exchange, open_peers
from signaling_servers import SERVERS, available, running


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--servers", nargs="+", choices=SERVERS)
    options = parser.parse_args()
    messages = 200 if options.quick else 20_000
    crowds = (4,) if options.quick else (50, 500)
    names = [name for name in available() if not options.servers or name in options.servers]
    table = Table("signaling, CPU of the server for a message, us", "PeerJS's server")
    busiest = 0.0
    for _ in range(1 if options.quick else options.turns):
        for crowd in crowds:
            for name in names:
                with running(SERVERS[name]) as (port, pid):
                    peers = open_peers(port, SERVERS[name], crowd)
                    exchange(peers, 1, messages // 10)
                    for flight in (1, 8):
                        cpu, start, own = cpu_seconds(pid), time.perf_counter(), time.process_time()
                        relayed = exchange(peers, flight, messages)
                        used = cpu_seconds(pid) - cpu
                        seconds = time.perf_counter() - start
                        busiest = max(busiest, (time.process_time() - own) / seconds)
                        table.add(f"{crowd} peers, {flight} at a time", name, used / relayed * 1e6)
                    for peer in peers:
                        peer.sock.close()
    table.print()
    print(f"\nThe load generator used {busiest:.0%} of a core at most.")
    table.write(options.json)


if __name__ == "__main__":
    main()

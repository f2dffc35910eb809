#!/usr/bin/env python3
"""What an idle WebSocket peer costs a signaling server in memory, beside others."""

from __future__ import annotations

import resource
import time

from measuring import Table, arguments, resident_bytes
from signaling_load import open_peers
from signaling_servers import SERVERS, available, running

WARM_UP = 100


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--peers", type=int, nargs="+", default=[2000, 10_000])
    parser.add_argument("--servers", nargs="+", choices=SERVERS)
    options = parser.parse_args()
    counts = [50] if options.quick else options.peers
    most = max(counts) + WARM_UP + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < most:
        # Servers inherit it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, max(hard, most)))
    names = [name for name in available() if not options.servers or name in options.servers]
    table = Table("memory of the server for an idle peer, kB", "PeerJS's server")
    for _ in range(1 if options.quick else options.turns):
        for count in counts:
            for name in names:
                with running(SERVERS[name]) as (port, pid):
                    peers = open_peers(port, SERVERS[name], WARM_UP)
                    before = resident_bytes(pid)
                    peers += open_peers(port, SERVERS[name], count, first=WARM_UP)
                    time.sleep(0.5)
                    used = resident_bytes(pid) - before
                    table.add(f"{count} peers", name, used / count / 1000)
                    for peer in peers:
                        peer.sock.close()
    table.print()
    table.write(options.json)


if __name__ == "__main__":
    main()

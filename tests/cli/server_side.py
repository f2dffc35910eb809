"""What a server in another process has got so far."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import trio


def _connections() -> str:
    return Path("/proc/net/tcp").read_text()


async def has_read(stream: trio.SocketStream) -> None:
    """Wait until the server on 127.0.0.1 has read all that was sent to it."""
    # proc_net_tcp(5): the two ends in hexadecimal, the state, and what waits on either side.
    ours, theirs = stream.socket.getsockname()[1], stream.socket.getpeername()[1]
    sent = re.compile(rf":{ours:04X} \w+:{theirs:04X} \w+ 0{{8}}:")
    read = re.compile(rf":{theirs:04X} \w+:{ours:04X} \w+ \w+:0{{8}} ")

    def is_read() -> bool:
        connections = _connections()
        return bool(sent.search(connections) and read.search(connections))

    while not is_read():  # noqa: ASYNC110  # The kernel does not tell.
        await trio.sleep(0.005)


async def has_been_asked(url: str, times: int) -> None:
    """Wait until a server has read so many requests, whether or not it has answered them."""
    async with httpx.AsyncClient(timeout=60) as http:
        asked = 0
        while True:
            metrics = (await http.get(f"{url}/metrics")).text
            # It counts those of ours as well.
            asked += 1
            found = re.search(r"^trio_rtc_requests_total (\d+)", metrics, re.M)
            assert found is not None, metrics
            if int(found[1]) - asked >= times:
                return
            await trio.sleep(0.01)

"""Ports for servers that have to be told theirs."""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack
from typing import Final

#: They lie below the range from which systems take ports for outgoing connections (32768 on
#: Linux, 49152 by RFC 6335, section 6), so that none of those takes one before its server does.
FIRST: Final = 20000
LAST: Final = 32000


def _own_ports() -> list[int]:
    """Those of this process, in any order: tests that run beside it take none of them."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (LAST - FIRST) // workers
    begin = FIRST + worker * size
    return random.sample(range(begin, begin + size), size)


_left = _own_ports()


def _is_free(address: str, port: int) -> bool:
    with ExitStack() as stack:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                stack.enter_context(socket.socket(socket.AF_INET, kind)).bind((address, port))
            except OSError:
                return False
        return True


def free_port(address: str = "127.0.0.1") -> int:
    """A port that is free there, for TCP and UDP; a process gets none twice."""
    while True:
        port = _left.pop()
        if _is_free(address, port):
            return port


def free_even_port(address: str = "127.0.0.1") -> int:
    """One for RTP, with a free one after it for RTCP."""
    while True:
        port = free_port(address)
        if port % 2 == 0 and _is_free(address, port + 1):
            return port

"""Ports for servers that have to be told theirs."""

from __future__ import annotations

import random
import socket


def free_port(address: str = "127.0.0.1") -> int:
    """A port that is free there, for TCP and UDP.

    It lies below the range from which systems take ports for outgoing connections (32768 on
    Linux, 49152 by RFC 6335, section 6), so that none of those takes it before the server does.
    """
    while True:
        port = random.randrange(20000, 32000)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            try:
                tcp.bind((address, port))
                udp.bind((address, port))
            except OSError:
                continue
            return port

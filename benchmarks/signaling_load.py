"""Many WebSocket peers in one process, on bare sockets so that it costs less than any server."""

from __future__ import annotations

import json
import selectors
import socket
import struct
import time
from collections.abc import Sequence

from signaling_servers import Server

MESSAGE_BYTES = 331
ACKNOWLEDGE_EVERY = 32
DEADLINE = 60.0

#: The first byte of a ping, and an empty pong with a mask (RFC 6455, section 5.5).
PING, PONG = 0x89, bytes([0x8A, 0x80]) + bytes(4)


def frame(data: bytes) -> bytes:
    """A text frame of a client, whose mask changes nothing (RFC 6455, section 5.2)."""
    size = len(data)
    head = bytes([0x81, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size)
    return head + bytes(4) + data


class Peer:
    """One of them.

    Attributes:
        id: by which the server knows it.
    """

    def __init__(self, port: int, server: Server, number: int, room: str):
        self._native = server.native
        self.id: int | str = f"p{number}"
        self._received = 0
        self._sent = 0
        self._buffer = b""
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol = "Sec-WebSocket-Protocol: trio-rtc.v1\r\n" if server.native else ""
        path = server.path.format(id=self.id)
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"{protocol}\r\n".encode()
        )
        if server.native:
            hello = {"type": "hello", "name": str(self.id), "room": room}
            self.sock.sendall(frame(json.dumps(hello).encode()))
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.sock.recv(65536)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        if server.native:
            while not (first := self._frames()):
                self._buffer += self.sock.recv(65536)
            self.id = json.loads(first[0])["id"]

    def _frames(self) -> list[bytes]:
        """The whole texts that have come, and an answer to each ping; a server masks nothing."""
        data, start, frames = self._buffer, 0, []
        while len(data) - start >= 2:
            size, begin = data[start + 1], start + 2
            if size == 126:
                size, begin = int.from_bytes(data[start + 2 : start + 4], "big"), start + 4
            elif size == 127:
                size, begin = int.from_bytes(data[start + 2 : start + 10], "big"), start + 10
            if len(data) < begin + size:
                break
            if data[start] == PING:
                self.sock.sendall(PONG)
            else:
                frames.append(data[begin : begin + size])
            start = begin + size
        self._buffer = data[start:]
        return frames

    def message(self, to: Peer) -> bytes:
        """The next message to another, as a frame of which 331 bytes are JSON."""
        self._sent += 1
        if self._native:
            shape = '{{"type":"send","seq":{0},"to":{1},"data":"{2}"}}'
        else:
            shape = '{{"type":"OFFER","dst":"{1}","payload":"{2}"}}'
        rest = MESSAGE_BYTES - len(shape.format(self._sent, to.id, ""))
        return frame(shape.format(self._sent, to.id, "x" * rest).encode())

    def take(self) -> int:
        """Read what is there; how many messages of another peer were in it."""
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server has closed a connection")
        self._buffer += data
        frames = self._frames()
        if not self._native:
            # PeerJS's server says first that it is open.
            return sum(not content.startswith(b'{"type":"OPEN"') for content in frames)
        taken = 0
        for content in frames:
            if content.startswith(b'{"type":"message"'):
                taken += 1
                self._received += 1
                if self._received % ACKNOWLEDGE_EVERY == 0:
                    seq = json.loads(content)["seq"]
                    self.sock.sendall(frame(b'{"type":"ack","received":%d}' % seq))
        return taken


def open_peers(port: int, server: Server, count: int, first: int = 0) -> list[Peer]:
    """So many peers; each two are in a room of their own, where there are rooms."""
    return [
        Peer(port, server, number, f"room {number // 2}") for number in range(first, first + count)
    ]


def exchange(peers: Sequence[Peer], flight: int, messages: int) -> int:
    """Have pairs of peers answer each other; how many messages have been relayed.

    Args:
        peers: an even number of them.
        flight: how many messages of each peer are on their way at a time.
        messages: how many are relayed, or a few more.
    """
    partner = {peers[i]: peers[i ^ 1] for i in range(len(peers))}
    deadline = time.monotonic() + DEADLINE
    total = 0
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer.sock, selectors.EVENT_READ, peer)
        for peer in peers:
            peer.sock.sendall(b"".join(peer.message(partner[peer]) for _ in range(flight)))
        waiting = len(peers) * flight
        while waiting:
            if time.monotonic() > deadline:
                raise TimeoutError("the server does not relay everything")
            for key, _ in selector.select(1):
                peer = key.data
                taken = peer.take()
                total += taken
                waiting -= taken
                again = taken if total + waiting < messages else 0
                if again:
                    waiting += again
                    peer.sock.sendall(b"".join(peer.message(partner[peer]) for _ in range(again)))
    return total

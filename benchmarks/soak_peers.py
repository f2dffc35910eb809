"""Light peers of both protocols for `soak.py`: no more than what it takes to keep to the rules."""

from __future__ import annotations

import json
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

Hear = Callable[[int, str], None]
"""Called with the sender and the content of each message that has come."""

GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class Refused(Exception):
    """The server does what it should not do to a peer that keeps to its rules."""


class Link:
    """One connection of a native peer."""

    def __init__(self, stream: trio.SocketStream):
        self.stream = stream
        self.session_open = False
        self._websocket = ClientProtocol(
            parse_uri("ws://127.0.0.1/"), subprotocols=[Subprotocol("trio-rtc.v1")], max_size=None
        )
        self._websocket.send_request(self._websocket.connect())
        self._writing = trio.Lock()

    def put(self, text: str) -> None:
        if self._websocket.state is State.OPEN:
            self._websocket.send_text(text.encode())

    async def flush(self) -> None:
        with suppress(*GONE):
            async with self._writing:
                if data := b"".join(self._websocket.data_to_send()):
                    await self.stream.send_all(data)

    async def events(self) -> list[Any]:
        """What has come; nothing at the end."""
        events: list[Any] = []
        while not events:
            data = b""
            with suppress(*GONE):
                data = bytes(await self.stream.receive_some(65536))
            if not data:
                break
            self._websocket.receive_data(data)
            events = self._websocket.events_received()
            await self.flush()
        return events

    @property
    def closed_with(self) -> str:
        """How the server closed; empty if it did not."""
        return f"{self._websocket.close_rcvd or ''}"


class NativePeer:
    """A session of ``trio-rtc.v1``, over as many connections as it takes.

    Attributes:
        id: its number; 0 before it has joined.
        cuts: how many connections it has lost.
        in_order: to be held for a `send`.
    """

    def __init__(self, port: int, name: str, hear: Hear):
        self.id = self.cuts = 0
        self.joined = trio.Event()
        self.in_order = trio.Lock()
        self._port = port
        self._hello = json.dumps({"type": "hello", "name": name})
        self._hear = hear
        self._session = ""
        self._seq = self._received = self._acknowledged = 0
        self._outbox: deque[tuple[int, str]] = deque()
        self._link: Link | None = None
        self._leaving = False

    async def run(self) -> None:
        """Keep a connection until `leave`."""
        while not self._leaving:
            with suppress(OSError):
                link = Link(await trio.open_tcp_stream("127.0.0.1", self._port))
                await self._serve(link)
            if not self._leaving:
                self.cuts += 1
                await trio.sleep(random.uniform(0, 2))

    async def _serve(self, link: Link) -> None:
        self._link = link
        try:
            await link.flush()
            while events := await link.events():
                for event in events:
                    if isinstance(event, Response):
                        link.put(self._first())
                    elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                        self._take(link, json.loads(bytes(event.data)))
                await link.flush()
            if link.closed_with and not self._leaving:
                raise Refused(link.closed_with)
        finally:
            self._link = None
            await trio.aclose_forcefully(link.stream)

    def _first(self) -> str:
        if not self._session:
            return self._hello
        resume = {"type": "resume", "session": self._session, "received": self._received}
        return json.dumps(resume)

    def _take(self, link: Link, message: dict[str, Any]) -> None:
        kind = message["type"]
        if (seq := message.get("seq")) is not None:
            if seq <= self._received:
                return
            if seq != self._received + 1:
                raise Refused(f"{seq} comes after {self._received}")
            self._received = seq
        while self._outbox and self._outbox[0][0] <= message.get("received", 0):
            self._outbox.popleft()
        if kind == "welcome":
            self.id, self._session = message["id"], message["session"]
            self.joined.set()
        if kind in ("welcome", "resumed"):
            link.session_open = True
            for _, text in self._outbox:
                link.put(text)
        elif kind == "message":
            self._hear(message["from"], message["data"])
        elif kind in ("failed", "error"):
            raise Refused(json.dumps(message))

    async def send(self, to: int, content: str) -> None:
        """Send, now or when there is a connection."""
        self._seq += 1
        text = json.dumps({"type": "send", "seq": self._seq, "to": to, "data": content})
        self._outbox.append((self._seq, text))
        await self._say(text)

    async def _say(self, text: str) -> None:
        if self._link is not None and self._link.session_open:
            self._link.put(text)
            await self._link.flush()

    async def keep_up(self) -> None:
        """Acknowledge what has come. To be called about once in a second."""
        if self._received > self._acknowledged:
            self._acknowledged = self._received
            await self._say(json.dumps({"type": "ack", "received": self._received}))

    def cut(self) -> None:
        """Lose the connection, by a reset in every other case."""
        if self._link is not None and self._link.session_open:
            self._link.session_open = False
            if random.random() < 0.5:
                linger = struct.pack("ii", 1, 0)
                self._link.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._link.stream.socket.close()

    async def leave(self) -> None:
        """End the session; it has to have a connection."""
        self._leaving = True
        await self._say('{"type":"leave"}')


class Http:
    """One connection for requests, opened again when it has to be."""

    #: Before the server finds that nothing has come for too long.
    idle_seconds = 30

    def __init__(self, port: int):
        self._port = port
        self._stream: trio.SocketStream | None = None
        self._used = 0.0
        self._waits = self._hung_up = False

    async def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes] | None:
        """The number in ``Pragma``, if there is one, and the body; None after `hang_up`."""
        now = trio.current_time()
        if self._stream is not None and now - self._used > self.idle_seconds:
            await self.aclose()
        if self._stream is None:
            self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        await self._stream.send_all(head.encode() + body)
        self._waits = True
        answer = await self._answer(self._stream)
        self._waits = False
        self._used = trio.current_time()
        if answer is None or self._hung_up:
            await self.aclose()
        return answer

    async def _answer(self, stream: trio.SocketStream) -> tuple[int, bytes] | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = bytes(await stream.receive_some(65536))
            if not more:
                if data:
                    raise Refused("an answer is cut off")
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        while len(body) < int(headers["Content-Length"]):
            body += bytes(await stream.receive_some(65536))
        if " 200 " not in status:
            raise Refused(f"{status} {body!r}")
        if headers["Connection"] == "close":
            await self.aclose()
        return int(headers.get("Pragma", 0)), body

    def hang_up(self) -> None:
        """Let the server end a request that waits. What it has answered already still comes."""
        if self._stream is not None and self._waits:
            self._hung_up = True
            with suppress(OSError):
                self._stream.socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            self._hung_up = False
            await trio.aclose_forcefully(stream)


class ClassicPeer:
    """A peer with a hanging GET, and another connection for what it sends."""

    def __init__(self, port: int, name: str, hear: Hear):
        self.id = self.cuts = 0
        self.joined = trio.Event()
        self._name = name
        self._hear = hear
        self._waiting, self._sending = Http(port), Http(port)
        self.in_order = trio.Lock()
        self._leaving = False

    async def run(self) -> None:
        answer = await self._sending.ask("GET", f"/sign_in?{self._name}")
        assert answer is not None
        self.id = answer[0]
        self.joined.set()
        while not self._leaving:
            try:
                mail = await self._waiting.ask("GET", f"/wait?peer_id={self.id}")
            except Refused:
                # The sign-out may overtake a request of ours.
                if not self._leaving:
                    raise
                break
            if mail is not None and mail[0] not in (0, self.id):
                self._hear(mail[0], mail[1].decode())
        await self._waiting.aclose()

    async def send(self, to: int, content: str) -> None:
        target = f"/message?peer_id={self.id}&to={to}"
        await self._sending.ask("POST", target, content.encode())

    async def keep_up(self) -> None:
        """There is nothing to acknowledge."""

    def cut(self) -> None:
        self.cuts += 1
        self._waiting.hang_up()

    async def leave(self) -> None:
        self._leaving = True
        await self._sending.ask("GET", f"/sign_out?peer_id={self.id}")
        await self._sending.aclose()

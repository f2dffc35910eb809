"""A client of ``trio-rtc.v1``, written from docs/protocol.md and nothing else.

It shares no line with the package: only Trio, and the framing of `websockets`.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from typing import Any

import trio
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri


class Ended(Exception):
    """The server has closed."""

    def __init__(self, close: Close, said: dict[str, Any] | None):
        super().__init__(close, said)
        self.code, self.reason = close.code, close.reason
        self.error = None if said is None else said["code"]


class IndependentClient:
    """A session. It is driven by whoever calls it: no task of its own.

    Attributes:
        welcome: what the server said when the session was opened.
        peers: who is in the room, by id.
        inbox: what has come from others: sender and content.
        failed: the numbers of what has reached nobody.
    """

    def __init__(self, port: int):
        self._port = port
        self._stream: trio.SocketStream
        self._websocket: ClientProtocol
        self._outbox: deque[tuple[int, str]] = deque()
        self._seq = self._received = self._unacknowledged = 0
        self._error: dict[str, Any] | None = None
        self.welcome: dict[str, Any] = {}
        self.peers: dict[int, str] = {}
        self.inbox: deque[tuple[int, bytes]] = deque()
        self.failed: set[int] = set()
        self.ice_servers: list[dict[str, Any]] = []

    async def join(self, **hello: Any) -> None:
        await self._connect()
        await self._say({"type": "hello", **hello})
        while not self.welcome:
            await self._hear()

    async def resume(self) -> None:
        await self._connect()
        self._resumed = False
        session = self.welcome["session"]
        await self._say({"type": "resume", "session": session, "received": self._received})
        while not self._resumed:
            await self._hear()
        for _, text in list(self._outbox):
            await self._send_text(text)

    async def cut(self) -> None:
        """Lose the connection."""
        await trio.aclose_forcefully(self._stream)

    async def send(self, to: int, content: bytes) -> int:
        self._seq += 1
        try:
            fields = {"data": content.decode()}
        except UnicodeDecodeError:
            fields = {"data64": base64.b64encode(content).decode()}
        text = json.dumps({"type": "send", "seq": self._seq, "to": to, **fields})
        self._outbox.append((self._seq, text))
        await self._send_text(text)
        return self._seq

    async def receive(self) -> tuple[int, bytes]:
        while not self.inbox:
            await self._hear()
        return self.inbox.popleft()

    async def wait_for(self, name: str) -> int:
        while name not in self.peers.values():
            await self._hear()
        return next(id_ for id_, known in self.peers.items() if known == name)

    async def wait_failed(self, seq: int) -> None:
        while seq not in self.failed:
            await self._hear()

    async def wait_acknowledged(self) -> None:
        while self._outbox:
            await self._hear()

    async def leave(self) -> Ended:
        await self._say({"type": "leave"})
        while True:
            try:
                await self._hear()
            except Ended as ended:
                await self._stream.aclose()
                return ended

    async def _connect(self) -> None:
        self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        self._websocket = ClientProtocol(
            parse_uri("ws://127.0.0.1/"),
            subprotocols=[Subprotocol("trio-rtc.v1")],
            max_size=6 * 262_144 + 1000,
        )
        self._events: deque[Any] = deque()
        self._websocket.send_request(self._websocket.connect())
        await self._flush()
        response = await self._event()
        assert response.status_code == 101, response
        assert self._websocket.subprotocol == "trio-rtc.v1"

    async def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if data:
                await self._stream.send_all(data)

    async def _event(self) -> Any:
        while not self._events:
            data = await self._stream.receive_some()
            if data:
                self._websocket.receive_data(bytes(data))
            else:
                self._websocket.receive_eof()
            self._events += self._websocket.events_received()
            await self._flush()
            if not data and not self._events:
                raise Ended(self._websocket.close_rcvd or Close(1006, ""), self._error)
        return self._events.popleft()

    async def _say(self, message: dict[str, Any]) -> None:
        await self._send_text(json.dumps(message))

    async def _send_text(self, text: str) -> None:
        self._websocket.send_text(text.encode())
        await self._flush()

    async def _hear(self) -> None:
        frame = await self._event()
        assert isinstance(frame, Frame)
        if frame.opcode is Opcode.TEXT:
            await self._take(json.loads(bytes(frame.data)))

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if "seq" in message:
            if message["seq"] > self._received + 1:
                raise AssertionError(f"a gap after {self._received}: {message}")
            self._unacknowledged += 1
            if self._unacknowledged == 16:
                self._unacknowledged = 0
                await self._say({"type": "ack", "received": max(self._received, message["seq"])})
            if message["seq"] <= self._received:
                return
            self._received = message["seq"]
        if kind == "welcome":
            self.welcome = message
            self.peers = {peer["id"]: peer["name"] for peer in message["peers"]}
            self.ice_servers = message.get("ice_servers", [])
        elif kind in ("resumed", "ack"):
            while self._outbox and self._outbox[0][0] <= message["received"]:
                self._outbox.popleft()
            self._resumed = True
        elif kind == "joined":
            self.peers[message["id"]] = message["name"]
        elif kind == "left":
            del self.peers[message["id"]]
        elif kind == "message":
            text = message.get("data")
            content = base64.b64decode(message["data64"]) if text is None else text.encode()
            self.inbox.append((message["from"], content))
        elif kind == "failed":
            self.failed.add(message["of"])
        elif kind == "ice_servers":
            self.ice_servers = message["ice_servers"]
        elif kind == "error":
            self._error = message

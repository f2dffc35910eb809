"""A WebSocket client on any stream, which can misbehave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import trio
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

SUBPROTOCOL = "trio-rtc.v1"
KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


def handshake(
    path: str = "/", *, key: str = KEY, subprotocol: str | None = SUBPROTOCOL, extra: str = ""
) -> bytes:
    """An opening handshake, byte by byte."""
    protocol = "" if subprotocol is None else f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"{key}Sec-WebSocket-Version: 13\r\n{protocol}{extra}\r\n"
    ).encode("latin-1")


def frame(opcode: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(Opcode(opcode), data, fin).serialize(mask=True)


def text(data: str | bytes, *, fin: bool = True) -> bytes:
    return frame(1, data.encode() if isinstance(data, str) else data, fin=fin)


class WebSocketClient:
    """Speaks properly, except in what it is told to `send_raw`.

    Attributes:
        pongs: whether it answers pings, and a close.
        pings: how many have come.
    """

    def __init__(self, stream: trio.abc.Stream, *, subprotocols: Sequence[str] = (SUBPROTOCOL,)):
        self.stream = stream
        self.protocol = ClientProtocol(
            parse_uri("ws://x/"),
            subprotocols=[Subprotocol(name) for name in subprotocols],
            max_size=None,
        )
        self.pongs = True
        self._frames: list[Frame] = []
        self._sending = trio.Lock()
        self.pings = 0

    async def open(
        self, headers: dict[str, str] | None = None, behind: bytes = b"", *, path: str | None = None
    ) -> Response:
        """Shake hands; what is to be sent right behind it goes along."""
        request = self.protocol.connect()
        request.path = path or request.path
        for name, value in (headers or {}).items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self.protocol.send_request(request)
        await self.stream.send_all(b"".join(self.protocol.data_to_send()) + behind)
        events: list[Any] = []
        with trio.fail_after(3600):
            while not events:
                events = await self._receive()
        response, *frames = events
        assert isinstance(response, Response)
        self._frames += frames
        return response

    async def _receive(self) -> list[Any]:
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:
            data = b""
        if data:
            self.protocol.receive_data(bytes(data))
        else:
            self.protocol.receive_eof()
        events = self.protocol.events_received()
        self.pings += sum(
            1 for event in events if isinstance(event, Frame) and event.opcode is Opcode.PING
        )
        out = b"".join(self.protocol.data_to_send())
        if out and self.pongs:
            with suppress(trio.BrokenResourceError):
                await self.send_raw(out)
        return events

    async def send(self, data: str | bytes) -> None:
        await self.send_raw(text(data))

    async def send_raw(self, data: bytes) -> None:
        async with self._sending:
            await self.stream.send_all(data)

    async def receive(self) -> str | Close:
        """The next message; at the end, how the server closed (1006 for not at all)."""
        with trio.fail_after(3600):
            while True:
                while self._frames:
                    got = self._frames.pop(0)
                    if got.opcode is Opcode.TEXT:
                        assert got.fin
                        return bytes(got.data).decode()
                    assert got.opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE), got
                if self.protocol.close_rcvd is not None:
                    return self.protocol.close_rcvd
                if self.protocol.reader.eof:
                    return Close(1006, "")
                self._frames += await self._receive()

    async def closed(self) -> tuple[int, str]:
        """How the server closes, whatever it says before."""
        while isinstance(got := await self.receive(), str):
            pass
        return got.code, got.reason

    async def say(self, **fields: Any) -> None:
        await self.send(json.dumps(fields))

    async def hear(self) -> dict[str, Any]:
        """The next message, which is to be an object."""
        got = await self.receive()
        assert isinstance(got, str), got
        message = json.loads(got)
        assert isinstance(message, dict)
        return message
